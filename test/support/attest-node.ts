/** One attestation by hand, for clients that do as a test tells them. */
import { generateKey } from "../../src/keys/software-signer.ts";
import type { Channel } from "../../src/rpc/channel.ts";
import { createCsr } from "../../src/x509/csr.ts";
import { AGENT_SERVICE } from "./server.ts";
import { PATIENCE_MS } from "./patience.ts";

export type NodeKey = Awaited<ReturnType<typeof generateKey>>;

export interface AttestNodeParams {
  readonly type: string;
  readonly payload: Uint8Array | string;
  readonly key?: NodeKey;
  /** Answers each challenge; without it a challenge ends the attempt. */
  readonly respond?: (challenge: Uint8Array) => Promise<Uint8Array>;
}

export interface AttestedNode {
  readonly path: string;
  readonly reattestable: boolean;
  readonly chain: readonly Uint8Array[];
}

/** @throws what the server answered */
export async function attestNode(
  channel: Channel,
  { type, payload, key, respond }: AttestNodeParams,
): Promise<AttestedNode> {
  const { signer } = key ?? (await generateKey("ec-p256"));
  const csr = await createCsr({ uris: [], signer });
  using stream = channel.stream<object, Answer>(AGENT_SERVICE, "AttestAgent", {
    deadlineMs: PATIENCE_MS,
  });
  const data = { type, payload: typeof payload === "string" ? Buffer.from(payload) : payload };
  // The answer tells more about a call that ended than the failed send does.
  stream.send({ params: { data, params: { csr } } }).catch(() => undefined);
  for await (const { challenge, result } of stream) {
    if (challenge instanceof Uint8Array) {
      if (respond === undefined) throw new Error("the server sent a challenge");
      stream.send({ challenge_response: await respond(challenge) }).catch(() => undefined);
    } else if (result !== null && result !== undefined) {
      const { id, cert_chain: chain } = result.svid;
      return { path: id.path, reattestable: result.reattestable, chain };
    }
  }
  throw new Error("the stream ended without an answer");
}

interface Answer {
  readonly challenge?: Uint8Array | null;
  readonly result?: {
    readonly svid: { readonly id: { readonly path: string }; readonly cert_chain: Uint8Array[] };
    readonly reattestable: boolean;
  } | null;
}
