import { readFileSync } from "node:fs";
import { join } from "node:path";
import { epochSeconds, systemClock } from "../../base/clock.ts";
import type { Target } from "../../delivery/target.ts";
import { parseX509Svid } from "../../spiffe/x509-svid.ts";
import { concatBytes } from "../../base/bytes.ts";
import { decodePem } from "../../x509/pem.ts";
import type { HeldCertificate } from "./proof.ts";

/**
 * What a run before has left in the folder, where it can still prove something: a one-time token that was spent has
 * nothing else to show after a restart.
 * @returns undefined when there is nothing, it has ended, or it names no SPIFFE ID
 */
export function heldFiles({ dir, format, names }: Target): HeldCertificate | undefined {
  if (format !== "pem") return undefined;
  try {
    const ders = (name: string): Uint8Array[] =>
      decodePem(readFileSync(join(dir, name), "utf8")).map(({ der }) => der);
    const chain = ders(names.svid);
    const [key] = ders(names.key);
    if (key === undefined) return undefined;
    const { expiresAt } = parseX509Svid(concatBytes(chain), key);
    if (expiresAt <= epochSeconds(systemClock)) return undefined;
    return { chain, key, bundle: ders(names.bundle).map((der) => ({ der })) };
  } catch {
    return undefined;
  }
}
