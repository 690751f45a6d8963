import { readFileSync } from "node:fs";
import { join } from "node:path";
import { epochSeconds, systemClock } from "../../base/clock.ts";
import type { Target } from "../../delivery/target.ts";
import { bytesEqual } from "../../base/bytes.ts";
import { signerFromPkcs8 } from "../../keys/software-signer.ts";
import { parseCertificate } from "../../x509/certificate.ts";
import { decodePem } from "../../x509/pem.ts";
import type { HeldCertificate } from "./proof.ts";

/**
 * What a run before has left in the folder, where it can still prove something: a one-time token that was spent has
 * nothing else to show after a restart.
 * @returns undefined when there is nothing, or it has ended
 */
export function heldFiles({ dir, format, names }: Target): HeldCertificate | undefined {
  if (format !== "pem") return undefined;
  try {
    const ders = (name: string): Uint8Array[] =>
      decodePem(readFileSync(join(dir, name), "utf8")).map(({ der }) => der);
    const chain = ders(names.svid);
    const [key] = ders(names.key);
    if (key === undefined) return undefined;
    const [leaf] = chain.map((der) => parseCertificate(der));
    if (leaf === undefined || leaf.notAfter <= epochSeconds(systemClock)) return undefined;
    if (!bytesEqual(leaf.publicKey, signerFromPkcs8(key).publicKey)) return undefined;
    return { chain, key, bundle: ders(names.bundle).map((der) => ({ der })) };
  } catch {
    return undefined;
  }
}
