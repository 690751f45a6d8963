/** RFC 8555 §8.4. */
import { createHash } from "node:crypto";
import type { AcmeIdentifier } from "../contract.ts";
import type { Lookups } from "./lookups.ts";
import { refuse } from "./refusal.ts";

/** @throws refuse: `dns`, `unauthorized` when there is no record, `incorrectResponse` for others */
export async function checkDns01(
  params: { readonly identifier: AcmeIdentifier; readonly keyAuthorization: string },
  lookups: Lookups,
): Promise<void> {
  const name = `_acme-challenge.${params.identifier.value}`;
  const wanted = createHash("sha256").update(params.keyAuthorization).digest("base64url");
  const texts = await lookups.texts(name);
  if (texts.includes(wanted)) return;
  if (texts.length === 0) throw refuse("unauthorized", `${name} has no TXT record`);
  throw refuse(
    "incorrectResponse",
    `none of the ${texts.length} TXT records of ${name} is the digest of the key authorization`,
  );
}
