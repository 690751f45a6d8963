import { join } from "node:path";
import { agentSvid } from "../../src/agent/identity/agent-svid.ts";
import { IdentityFile } from "../../src/agent/identity/identity-file.ts";
import { dial } from "../../src/agent/server-client/connection.ts";
import type { Channel, ClientStream } from "../../src/rpc/channel.ts";
import type { FollowRequest } from "../../src/rpc/gen/assay/sync/v1/FollowRequest.ts";
import type { FollowResponse__Output } from "../../src/rpc/gen/assay/sync/v1/FollowResponse.ts";
import { type Domain, TRUST_DOMAIN } from "../support/running.ts";

/** The stream of changes as an agent sees it, in the name of one that has attested. */
export class RawAgent implements Disposable {
  readonly id: string;
  readonly #channel: Channel;
  readonly #streams = new Set<ClientStream<FollowRequest, FollowResponse__Output>>();

  private constructor(spiffeId: string, channel: Channel) {
    this.id = spiffeId;
    this.#channel = channel;
  }

  /** An agent attests, is stopped, and we go on in its place. */
  static async attested(domain: Domain, name: string): Promise<RawAgent> {
    const dataDir = join(domain.dir, name);
    const agent = await domain.startAgent({ dataDir, socket: join(domain.dir, `${name}.sock`) });
    await agent[Symbol.asyncDispose]();
    const stored = await new IdentityFile(dataDir).load(TRUST_DOMAIN);
    if (stored?.svid === undefined) throw new Error("the agent has no identity");
    const svid = agentSvid(stored.svid, TRUST_DOMAIN);
    const { server } = await domain.agentConfig();
    const channel = dial({ server, trustDomain: TRUST_DOMAIN, bundle: stored.bundle, svid });
    return new RawAgent(svid.spiffeId.toString(), channel);
  }

  async follow(request: FollowRequest): Promise<AsyncIterator<FollowResponse__Output>> {
    const stream = this.#channel.stream<FollowRequest, FollowResponse__Output>(
      "assay.sync.v1.Sync",
      "Follow",
    );
    this.#streams.add(stream);
    await stream.send(request);
    stream.end();
    return stream[Symbol.asyncIterator]();
  }

  [Symbol.dispose](): void {
    for (const stream of this.#streams) stream[Symbol.dispose]();
    this.#channel.close();
  }
}

export async function next(
  stream: AsyncIterator<FollowResponse__Output>,
): Promise<FollowResponse__Output> {
  const { done, value } = await stream.next();
  if (done === true) throw new Error("the stream ended with OK");
  return value;
}

export function paths({ entries }: FollowResponse__Output): (string | undefined)[] {
  return entries.map(({ spiffe_id }) => spiffe_id?.path);
}
