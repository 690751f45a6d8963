import { fail } from "../../base/errors.ts";
import { type Channel, connectTls } from "../../rpc/channel.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import { TrustDomain } from "../../spiffe/trust-domain.ts";
import { serverId } from "../../spiffe/spiffe-id.ts";
import { revokedServer, wrongServer } from "../../spiffe/server-leaf.ts";
import { encodeCertificates } from "../../x509/pem.ts";
import type { AgentSvid } from "../identity/agent-svid.ts";

export interface DialParams {
  /** `host:port`. */
  readonly server: string;
  readonly trustDomain: string;
  /** `undefined` trusts whoever answers: the insecure bootstrap. */
  readonly bundle: Bundle | undefined;
  /** `undefined` before attestation. */
  readonly svid: Pick<AgentSvid, "certPem" | "keyPem"> | undefined;
  /** The bundle of the moment, whose revocation lists a server must not be on; absent: none are looked at. */
  readonly lists?: () => Bundle | undefined;
  /** Told the chain, DER, of each server that is spoken to. */
  readonly onServer?: (chain: readonly Uint8Array[]) => void;
  /** What is said of a server under an authority that is not in the bundle; for others than agents. */
  readonly untrusted?: string;
}

/** A channel on which only the trust domain's server is spoken to: its ID, under the trust domain's own bundle. */
export function dial({
  server,
  trustDomain,
  bundle,
  svid,
  lists,
  onServer,
  untrusted = UNKNOWN_AUTHORITY,
}: DialParams): Channel {
  const expected = serverId(TrustDomain.parse(trustDomain)).toString();
  return connectTls({
    target: server,
    rootsPem: bundle && encodeCertificates(bundle.x509Authorities.map(({ der }) => der)),
    untrusted,
    ...(svid === undefined ? {} : { identity: { certPem: svid.certPem, keyPem: svid.keyPem } }),
    checkServer: (leaf, chain) => {
      const now = lists?.();
      const wrong =
        wrongServer(leaf, expected) ?? (now === undefined ? undefined : revokedServer(chain, now));
      if (wrong === undefined) onServer?.(chain);
      return wrong;
    },
  });
}

/** What a connection stands on, as `AgentIdentity` counts it. */
export interface DialState {
  readonly revision: number;
  readonly rootsRevision: number;
}

interface Line extends DialState {
  readonly channel: Channel;
  calls: number;
}

/**
 * The one connection of an agent to its server, dialled anew when `revision` changes; calls that are under way end on the
 * old one. Roots that were added leave a connection alone that is there: the next one is checked against them.
 */
export class Connection implements Disposable {
  readonly #dial: () => Channel;
  readonly #state: () => DialState;
  #current: Line | undefined;
  #closed = false;

  constructor(dialNow: () => Channel, state: () => DialState) {
    this.#dial = dialNow;
    this.#state = state;
  }

  get connected(): boolean {
    return this.#current?.channel.connected ?? false;
  }

  async use<T>(call: (channel: Channel) => Promise<T>): Promise<T> {
    if (this.#closed) throw fail("cancelled", "the agent is stopping");
    const line = this.#line();
    line.calls += 1;
    try {
      return await call(line.channel);
    } finally {
      line.calls -= 1;
      if (line.calls === 0 && line !== this.#current) line.channel.close();
    }
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#current?.channel.close();
    this.#current = undefined;
  }

  #line(): Line {
    const { revision, rootsRevision } = this.#state();
    const before = this.#current;
    if (
      before?.revision === revision &&
      (before.rootsRevision === rootsRevision || before.channel.connected)
    ) {
      return before;
    }
    this.#current = { channel: this.#dial(), revision, rootsRevision, calls: 0 };
    if (before?.calls === 0) before.channel.close();
    return this.#current;
  }
}

/** An authority that the agent never heard of: its bundle is older than the last rotation, or another domain's. */
const UNKNOWN_AUTHORITY =
  "the server's certificate is signed by no authority of the trust bundle that the agent holds; start the agent with today's: 'assay bundle show > FILE' on the server, then --trust-bundle FILE";
