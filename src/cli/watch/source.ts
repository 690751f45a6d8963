/** What the agent gives this process, gathered into one view for each target. */
import { type Clock, systemClock } from "../../base/clock.ts";
import { errorFrom, fail } from "../../base/errors.ts";
import { Loop } from "../../base/loop.ts";
import { systemRandom } from "../../base/random.ts";
import { type Target, holdsX509 } from "../../delivery/target.ts";
import { type DeliveredSvid, type Root, type View, pickOf } from "../../delivery/view.ts";
import { parseCompact } from "../../jwt/compact.ts";
import type { JWTBundlesResponse__Output } from "../../rpc/gen/JWTBundlesResponse.ts";
import type { JWTSVIDResponse__Output } from "../../rpc/gen/JWTSVIDResponse.ts";
import type { X509SVIDResponse__Output } from "../../rpc/gen/X509SVIDResponse.ts";
import { TrustDomain } from "../../spiffe/trust-domain.ts";
import { parseX509Svid } from "../../spiffe/x509-svid.ts";
import { parseCertificates } from "../../x509/certificate.ts";
import { firstMessage, firstX509Response, followStream, followX509 } from "../fetch/streams.ts";
import { type RpcClient, WORKLOAD_API } from "../connection/rpc-clients.ts";

type X509View = Pick<View, "svids" | "federated" | "crls">;

/** @throws invalid when what the agent sent is no SVID */
export function viewOf({ svids, federated_bundles, crl }: X509SVIDResponse__Output): X509View {
  return {
    svids: svids.map((svid): DeliveredSvid => {
      const { spiffeId, certificates, expiresAt } = parseX509Svid(
        svid.x509_svid,
        svid.x509_svid_key,
      );
      return {
        spiffeId: spiffeId.toString(),
        hint: svid.hint,
        serialNumber: certificates[0]?.serial ?? "",
        expiresAt,
        chain: certificates.map(({ raw }) => raw),
        key: svid.x509_svid_key,
        bundle: rootsOf(svid.bundle),
      };
    }),
    federated: new Map(
      Object.entries(federated_bundles).map(([id, der]) => [nameOf(id), rootsOf(der)]),
    ),
    crls: crl,
  };
}

function rootsOf(concatenated: Uint8Array): Root[] {
  if (concatenated.length === 0) return [];
  return parseCertificates(concatenated).map(({ raw, notAfter }) => ({
    der: raw,
    expiresAt: notAfter,
  }));
}

/** It becomes a file's name: a trust domain name has neither '/' nor a leading '.'. */
function nameOf(trustDomainId: string): string {
  return TrustDomain.parse(trustDomainId.replace(/^spiffe:\/\//, "")).name;
}

/** One view of everything that the target needs, now. @throws what the agent answers */
export async function fetchView(
  agent: RpcClient,
  target: Target,
  signal: AbortSignal,
): Promise<View> {
  const [x509, jwtBundle, tokens] = await Promise.all([
    holdsX509(target) ? firstX509Response(agent, signal).then(viewOf) : NO_X509,
    target.jwtBundle ? fetchJwtBundle(agent, target, signal) : undefined,
    Promise.all(
      target.tokens.map(async ({ file, audience }) => {
        const { token } = await fetchToken(agent, target, audience);
        return [file, token] as const;
      }),
    ),
  ]);
  return { ...x509, jwtBundle, tokens: new Map(tokens) };
}

async function fetchJwtBundle(
  agent: RpcClient,
  target: Target,
  signal: AbortSignal,
): Promise<Uint8Array> {
  return jwtBundleOf(
    await firstMessage<JWTBundlesResponse__Output>(agent, "FetchJWTBundles", signal),
    target,
  );
}

/** The own trust domain's: that of the SPIFFE ID asked for, or the first, which is where agents put their own. */
function jwtBundleOf({ bundles }: JWTBundlesResponse__Output, { pick }: Target): Uint8Array {
  const wanted = pick.spiffeId === undefined ? undefined : new URL(pick.spiffeId).host;
  const found = Object.entries(bundles).find(
    ([id]) => wanted === undefined || nameOf(id) === wanted,
  );
  if (found === undefined)
    throw fail("not_found", "the agent has no JWT bundle of the trust domain");
  return found[1];
}

interface Token {
  readonly token: string;
  readonly expiresAtMs: number;
}

async function fetchToken(
  agent: RpcClient,
  { pick }: Target,
  audience: readonly string[],
): Promise<Token> {
  const { svids } = await agent.call<JWTSVIDResponse__Output>(WORKLOAD_API, "FetchJWTSVID", {
    audience,
    spiffe_id: pick.spiffeId ?? "",
  });
  const { token } = pickOf(
    svids.map(({ spiffe_id: spiffeId, hint, svid: token }) => ({ spiffeId, hint, token })),
    pick,
  );
  return { token, expiresAtMs: Number(parseCompact(token).claims["exp"]) * 1000 };
}

export interface SourceOptions {
  readonly agent: RpcClient;
  readonly targets: readonly Target[];
  readonly note: (text: string) => void;
  /** A target's new view, as soon as there is all that it needs. */
  readonly offer: (index: number, view: View) => void;
}

/** Follows everything that the targets need until the signal. */
export async function followViews(options: SourceOptions, signal: AbortSignal): Promise<void> {
  const { agent, targets, note, offer } = options;
  let x509: X509View | undefined;
  const jwtBundles = new Map<number, Uint8Array>();
  const tokens = targets.map(() => new Map<string, string>());
  const changed = (index: number): void => {
    const target = targets[index];
    const held = tokens[index];
    if (target === undefined || held === undefined) return;
    if (holdsX509(target) && x509 === undefined) return;
    if (target.jwtBundle && !jwtBundles.has(index)) return;
    if (held.size < target.tokens.length) return;
    // In the target's order, so that the same tokens are the same view.
    const inOrder = target.tokens.map(({ file }) => [file, held.get(file) ?? ""] as const);
    const own = holdsX509(target) ? (x509 ?? NO_X509) : NO_X509;
    offer(index, { ...own, jwtBundle: jwtBundles.get(index), tokens: new Map(inOrder) });
  };
  const followers: Promise<void>[] = [];
  if (targets.some(holdsX509)) {
    followers.push(
      follow(followX509(agent, signal, note), note, (message) => {
        x509 = viewOf(message);
        for (const index of targets.keys()) changed(index);
      }),
    );
  }
  if (targets.some(({ jwtBundle }) => jwtBundle)) {
    followers.push(
      follow(
        followStream<JWTBundlesResponse__Output>(agent, "FetchJWTBundles", signal, note),
        note,
        (message) => {
          for (const [index, target] of targets.entries()) {
            if (!target.jwtBundle) continue;
            jwtBundles.set(index, jwtBundleOf(message, target));
            changed(index);
          }
        },
      ),
    );
  }
  await using loops = new AsyncDisposableStack();
  for (const [index, target] of targets.entries()) {
    for (const { file, audience } of target.tokens) {
      loops.use(
        tokenLoop(`${target.dir}/${file}`, systemClock, note, async () => {
          const fetched = await fetchToken(agent, target, audience);
          tokens[index]?.set(file, fetched.token);
          changed(index);
          return fetched;
        }),
      );
    }
  }
  await Promise.all([...followers, aborted(signal)]);
}

/** A message that cannot be used is said and changes nothing; the next one may be better. */
async function follow<Message>(
  messages: AsyncIterable<Message>,
  note: (text: string) => void,
  take: (message: Message) => void,
): Promise<void> {
  for await (const message of messages) {
    try {
      take(message);
    } catch (thrown) {
      note(`assay: ${errorFrom(thrown).message}; the files stay as they are`);
    }
  }
}

/** A new token when half of the present one's time is over; the agent has made one by then. */
function tokenLoop(
  name: string,
  clock: Clock,
  note: (text: string) => void,
  fetch: () => Promise<Token>,
): Loop {
  let noted = "";
  return new Loop({
    name,
    clock,
    random: systemRandom,
    backoff: TOKEN_RETRY,
    onError(error) {
      if (error.message !== noted) note(`assay: ${name}: ${error.message}; trying again`);
      noted = error.message;
    },
    async round() {
      const { expiresAtMs } = await fetch();
      noted = "";
      return Math.max(LEAST_TOKEN_WAIT_MS, (expiresAtMs - clock.nowMs()) / 2);
    },
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

const NO_X509: X509View = { svids: [], federated: new Map(), crls: [] };
const TOKEN_RETRY = { baseMs: 500, maxMs: 10_000 };
const LEAST_TOKEN_WAIT_MS = 1000;
