import { bytesEqual, toHex } from "../../base/bytes.ts";
import { type Clock, type EpochSeconds, epochSeconds } from "../../base/clock.ts";
import { fail } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import type { IssuanceAudit } from "../../observe/audit.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import { type Certificate, parseCertificate } from "../../x509/certificate.ts";
import { type CertificateRequest, verifyCsr } from "../../x509/csr.ts";
import { distinguishedName } from "../../x509/names.ts";
import { type CaParams, encodeCaTbs, finishCertificate } from "../../x509/sign.ts";
import type { AuthoritySet } from "../ca/authority-set.ts";
import { randomSerial } from "../ca/serial-number.ts";
import { requireAllowedKey } from "./allowed-key.ts";
import { checkCaBytes } from "./check-ca-bytes.ts";
import { isTtl } from "./x509-profile.ts";

export interface DownstreamIssuanceOptions {
  readonly trustDomain: TrustDomain;
  readonly authorities: Pick<AuthoritySet, "activeX509">;
  /** Nothing leaves this room that is not recorded there. */
  readonly audit: IssuanceAudit;
  readonly clock: Clock;
  readonly random: Random;
  /** Life when the request names none, seconds. */
  readonly ttlSeconds: number;
  /** Whether keys of experimental types are signed; they are not when absent. */
  readonly experimentalKeys?: boolean;
  /** Another encoder than the project's own: for tests of the check before signing. */
  readonly encodeTbs?: typeof encodeCaTbs;
}

export interface DownstreamParams {
  /** Its key alone is taken over. */
  readonly csr: CertificateRequest;
  /** Seconds; 0 = the default. */
  readonly ttlSeconds: number;
}

export interface IssuedCa {
  /** DER, the new authority first, without the root. */
  readonly chain: readonly Uint8Array[];
  /** Lower hex, no leading zeros. */
  readonly serial: string;
  readonly expiresAt: EpochSeconds;
}

/** Signs intermediate authorities for downstream servers of the same trust domain. */
export class DownstreamIssuance {
  readonly #options: DownstreamIssuanceOptions;

  constructor(options: DownstreamIssuanceOptions) {
    this.#options = options;
  }

  /** None outlives the authority that signs it. @throws invalid for a bad CSR or life; unavailable without an authority */
  async sign({ csr, ttlSeconds }: DownstreamParams): Promise<IssuedCa> {
    const { authorities, audit, random, clock, trustDomain } = this.#options;
    const { encodeTbs = encodeCaTbs } = this.#options;
    if (!isTtl(ttlSeconds)) {
      throw fail("invalid", "ttl is not a number of seconds from 0 to 2^31-1");
    }
    await verifyCsr(csr);
    requireAllowedKey(csr.publicKey, this.#options.experimentalKeys);
    const { signer, certificate: authority, chain, id, notAfter: end } = authorities.activeX509();
    requireRoomBelow([authority, ...chain.slice(1).map((der) => parseCertificate(der))]);
    if (bytesEqual(csr.publicKey, authority.publicKey)) {
      throw fail("invalid", "the key is that of the signing authority; make one for this purpose");
    }
    const now = epochSeconds(clock);
    const serial = randomSerial(random);
    const ca: CaParams = {
      serial,
      issuer: authority.subject,
      // The serial keeps names unique: some path builders look for the issuer by name alone.
      subject: distinguishedName([
        { type: "C", value: "US" },
        { type: "O", value: "SPIFFE" },
        { type: "OU", value: `DOWNSTREAM-${Math.max(1, chain.length)}` },
        { type: "serialNumber", value: BigInt(`0x${toHex(serial)}`).toString() },
      ]),
      notBefore: Math.max(now - BACKDATE_SECONDS, authority.notBefore),
      notAfter: Math.min(now + (ttlSeconds === 0 ? this.#options.ttlSeconds : ttlSeconds), end),
      publicKey: csr.publicKey,
      uri: trustDomain.id,
      authorityKeyId: Buffer.from(id, "hex"),
    };
    const tbs = encodeTbs(ca, signer.keyType);
    checkCaBytes(tbs, ca, authority, signer.keyType);
    const issued = {
      chain: [await finishCertificate(tbs, signer), ...chain],
      serial: toHex(serial).replace(/^0+/, ""),
      expiresAt: ca.notAfter,
    };
    await audit.issued({
      action: "x509.downstream",
      subject: {
        spiffeId: trustDomain.id,
        serial: issued.serial,
        authorityId: id,
        expiresAt: ca.notAfter,
      },
    });
    return issued;
  }
}

/** RFC 5280 §4.2.1.9. @param path the signing authority first, without the root: the one below looks at that */
function requireRoomBelow(path: readonly Certificate[]): void {
  path.forEach(({ basicConstraints }, between) => {
    const most = basicConstraints?.pathLen;
    if (most === undefined || most > between) return;
    throw fail(
      "precondition",
      "the upstream authority allows no authority below this server's (path length); have this server's signed with a longer one",
    );
  });
}

const BACKDATE_SECONDS = 10;
