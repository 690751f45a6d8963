/** An upstream in this process whose answers a test bends. */
import type {
  CaRequest,
  SignedCa,
  Upstream,
  UpstreamBundle,
} from "../../../src/server/upstream/contract.ts";
import type { TestCa } from "../../support/test-ca.ts";

export class HeldUpstream {
  /** What signs now, and what is told to be trusted. */
  issuing: TestCa;
  bundle: UpstreamBundle;
  /** Takes the place of the answer. */
  answer:
    | ((signed: SignedCa, request: CaRequest, signal: AbortSignal) => Promise<SignedCa>)
    | undefined;
  signed = 0;

  constructor(issuing: TestCa) {
    this.issuing = issuing;
    this.bundle = {
      x509Authorities: [{ der: issuing.root.der, tainted: false }],
      jwtAuthorities: [],
    };
  }

  readonly upstream: Upstream = {
    authority: {
      name: "held",
      sign: async (request, signal) => {
        this.signed += 1;
        const { key, now, ttlSeconds } = request;
        const ca = await this.issuing.intermediate({
          key: { signer: key, pkcs8: new Uint8Array() },
          name: `server ${this.signed}`,
          notBefore: now - 10,
          notAfter: Math.min(now + ttlSeconds, this.issuing.certificate.notAfter),
        });
        const signed = { chain: ca.intermediates, roots: [this.issuing.root.der] };
        return this.answer === undefined ? signed : this.answer(signed, request, signal);
      },
      [Symbol.asyncDispose]: async () => undefined,
    },
    watch: { pollMs: 5000, isWhole: true, look: async () => this.bundle },
  };
}
