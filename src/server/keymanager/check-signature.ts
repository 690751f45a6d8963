import { fail } from "../../base/errors.ts";
import type { Signer } from "../../keys/contract.ts";
import { verifySignature } from "../../keys/verify-signature.ts";
import { signingHash } from "../../keys/software-signer.ts";

/** Has a key that was made elsewhere sign once. @throws internal when its public key does not verify that */
export async function checkSignature(signer: Signer): Promise<void> {
  const { publicKey, keyType } = signer;
  const data = Buffer.from("assay signs this once, to see that the key is what it says it is");
  const signature = await signer.sign(data);
  if (await verifySignature({ publicKey, data, signature, hash: signingHash(keyType) })) return;
  throw fail("internal", "the key manager made a key whose signatures do not fit it");
}
