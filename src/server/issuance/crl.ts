import { toHex } from "../../base/bytes.ts";
import type { EpochSeconds } from "../../base/clock.ts";
import { fail } from "../../base/errors.ts";
import {
  type CrlParams,
  type RevokedCertificate,
  encodeCrlTbs,
  finishCrl,
  parseCrl,
} from "../../x509/crl.ts";
import { bitString, seq } from "../../x509/der.ts";
import { encodeSignatureAlgorithm } from "../../x509/signature-algorithm.ts";
import type { AuthoritySet } from "../ca/authority-set.ts";

export interface SignCrlParams {
  readonly authorityId: string;
  readonly number: number;
  readonly thisUpdate: EpochSeconds;
  readonly nextUpdate: EpochSeconds;
  readonly revoked: readonly RevokedCertificate[];
}

/** Signs revocation lists, each by the authority whose certificates it names. */
export class CrlIssuance {
  readonly #authorities: Pick<AuthoritySet, "crlSigners">;

  constructor(authorities: Pick<AuthoritySet, "crlSigners">) {
    this.#authorities = authorities;
  }

  /** The authorities that can sign one now: prepared, active, and old ones that have not ended. */
  authorities(): readonly { readonly id: string; readonly notAfter: EpochSeconds }[] {
    return this.#authorities
      .crlSigners()
      .map(({ id, certificate: { notAfter } }) => ({ id, notAfter }));
  }

  /** @returns DER. @throws unavailable when the authority's key is gone; internal when the bytes break a rule */
  async sign({ authorityId, ...list }: SignCrlParams): Promise<Uint8Array> {
    const authority = this.#authorities.crlSigners().find(({ id }) => id === authorityId);
    if (authority === undefined) {
      throw fail("unavailable", `X.509 authority ${authorityId} has no key here any more`);
    }
    const { signer, certificate } = authority;
    const params: CrlParams = {
      ...list,
      issuer: certificate.subject,
      authorityKeyId: Buffer.from(authorityId, "hex"),
    };
    const tbs = encodeCrlTbs(params, signer.keyType);
    checkCrlBytes(tbs, encodeSignatureAlgorithm(signer.keyType), params);
    return finishCrl(tbs, signer);
  }
}

/** Reads what is about to be signed, as `checkLeafBytes` does for certificates. @throws internal */
function checkCrlBytes(tbs: Uint8Array, algorithm: Uint8Array, expected: CrlParams): void {
  const crl = parseCrl(seq(tbs, algorithm, NO_SIGNATURE));
  const sound =
    Buffer.compare(crl.issuer, expected.issuer) === 0 &&
    crl.authorityKeyId === toHex(expected.authorityKeyId) &&
    crl.number === expected.number &&
    crl.thisUpdate === expected.thisUpdate &&
    crl.nextUpdate === expected.nextUpdate &&
    crl.nextUpdate > crl.thisUpdate &&
    JSON.stringify(crl.revoked) === JSON.stringify(expected.revoked);
  if (!sound) throw fail("internal", "the revocation list does not say what was decided");
}

const NO_SIGNATURE = bitString(new Uint8Array(1));
