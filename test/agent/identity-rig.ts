/** An agent's own identity, and a server that gives and renews it. */
import type { NodeProof } from "../../src/attestors/contract.ts";
import { AgentIdentity } from "../../src/agent/identity/agent-identity.ts";
import { type NodeAdmitter, NodeAttestation } from "../../src/agent/identity/node-attestation.ts";
import { joinTokenAttestor } from "../../src/attestors/node/join-token/agent.ts";
import { fail } from "../../src/base/errors.ts";
import type { Signer } from "../../src/keys/contract.ts";
import { generateKey } from "../../src/keys/software-signer.ts";
import { silentLogger } from "../../src/observe/logger.ts";
import type { Bundle } from "../../src/spiffe/bundle.ts";
import { parseCsr } from "../../src/x509/csr.ts";
import { distinguishedName } from "../../src/x509/names.ts";
import { signCa, signLeaf } from "../../src/x509/sign.ts";
import { subjectKeyId } from "../../src/x509/subject-key-id.ts";
import { temporaryFolder } from "../support/caller.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

export const AGENT_ID = "spiffe://example.org/spire/agent/join_token/abc";

/** A server's half, without the wire: signs what it is asked to, or refuses. */
export class Admitter implements NodeAdmitter {
  readonly clock: VirtualClock;
  readonly asked: string[] = [];
  /** Public keys of the requests, hex. */
  readonly keys: string[] = [];
  readonly #ca: Signer;
  readonly #name = distinguishedName([{ type: "O", value: "CA" }]);
  ttl = 3600;
  spiffeId = AGENT_ID;
  reattestable = false;
  refuse: Error | undefined;
  loseAnswers = 0;

  private constructor(clock: VirtualClock, ca: Signer) {
    this.clock = clock;
    this.#ca = ca;
  }

  static async create(clock: VirtualClock): Promise<Admitter> {
    return new Admitter(clock, (await generateKey("ec-p256")).signer);
  }

  async bundle(tainted = false): Promise<Bundle> {
    const der = await signCa(
      {
        serial: Uint8Array.of(1),
        issuer: this.#name,
        subject: this.#name,
        notBefore: 0,
        notAfter: 4e9,
        publicKey: this.#ca.publicKey,
        uri: "spiffe://example.org",
      },
      this.#ca,
    );
    return {
      trustDomain: "example.org",
      x509Authorities: [{ der, tainted }],
      jwtAuthorities: [],
      refreshHint: 0,
      sequence: 1,
    };
  }

  readonly proofs: string[] = [];

  async attest({ type, payload }: NodeProof, csr: Uint8Array) {
    this.proofs.push(`${type} ${Buffer.from(payload).toString()}`);
    return { chain: [await this.#sign("attest", csr)], reattestable: this.reattestable };
  }

  async renew(csr: Uint8Array) {
    return [await this.#sign("renew", csr)];
  }

  async #sign(what: string, csr: Uint8Array): Promise<Uint8Array> {
    const { publicKey } = parseCsr(csr);
    this.asked.push(what);
    this.keys.push(Buffer.from(publicKey).toString("hex"));
    if (this.refuse !== undefined) throw this.refuse;
    const now = Math.floor(this.clock.nowMs() / 1000);
    const leaf = await signLeaf(
      {
        serial: Uint8Array.of(5),
        issuer: this.#name,
        authorityKeyId: subjectKeyId(this.#ca.publicKey),
        subject: distinguishedName([{ type: "O", value: "SPIRE" }]),
        notBefore: now,
        notAfter: now + this.ttl,
        publicKey,
        uri: this.spiffeId,
        dnsNames: [],
      },
      this.#ca,
    );
    if (this.loseAnswers-- > 0) throw fail("unavailable", "the answer was lost");
    return leaf;
  }
}

/** A folder of an agent, and the server that it attests to. */
export class Node {
  readonly dir: string;
  readonly clock = new VirtualClock();
  readonly server: Admitter;

  private constructor(dir: string, server: Admitter, clock: VirtualClock) {
    this.dir = dir;
    this.server = server;
    this.clock = clock;
  }

  static async create(t: { teardown(fn: () => void): void }): Promise<Node> {
    const clock = new VirtualClock();
    return new Node(temporaryFolder(t), await Admitter.create(clock), clock);
  }

  open(trustDomain = "example.org"): Promise<AgentIdentity> {
    return AgentIdentity.open({
      dir: this.dir,
      trustDomain,
      clock: this.clock,
      logger: silentLogger,
    });
  }

  attestation(identity: AgentIdentity, token: string | undefined = "token"): NodeAttestation {
    return new NodeAttestation({
      identity,
      server: this.server,
      clock: this.clock,
      random: { bytes: (n) => new Uint8Array(n), unit: () => 0.5 },
      logger: silentLogger,
      ...(token === undefined ? {} : { attestor: joinTokenAttestor(token) }),
    });
  }
}
