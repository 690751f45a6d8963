/**
 * X.509 authorities of ours that are tainted, or were revoked. Roots are judged by the bundle; one that another root
 * signed is in no bundle, and what it signed verifies up to that root until it ends. So whole chains are compared with
 * these.
 */
import { toBase64, toHex } from "../base/bytes.ts";
import type { Certificate } from "../x509/certificate.ts";
import { subjectKeyId } from "../x509/subject-key-id.ts";

/** `tainted`: what it signed is being replaced. `revoked`: it counts for nothing any more. */
export type Loss = "tainted" | "revoked";

/** The same object until something in it changes. */
export interface LostAuthorities {
  /** By hex key id, and tainted ones by their DER public key in base64 too. */
  readonly keys: ReadonlyMap<string, Loss>;
}

/** The same for all who have lost none. */
export const NONE_LOST: LostAuthorities = { keys: new Map() };

/** An X.509 authority of ours. */
export interface OwnAuthority {
  /** Hex key id. */
  readonly id: string;
  /** DER SubjectPublicKeyInfo in base64. */
  readonly publicKey: string;
  readonly tainted: boolean;
}

/** @param revoked hex key ids */
export function lostAuthorities(
  authorities: readonly OwnAuthority[],
  revoked: Iterable<string>,
): LostAuthorities {
  const keys = new Map<string, Loss>();
  for (const { tainted, id, publicKey } of authorities) {
    if (!tainted) continue;
    keys.set(id, "tainted");
    // Whoever has the key may have had it certified under another identifier.
    keys.set(publicKey, "tainted");
  }
  for (const id of revoked) keys.set(id, "revoked");
  return { keys };
}

/** What became of the worst of those in a chain; `undefined` when none of them is lost. */
export function worstLoss(
  chain: readonly Certificate[],
  { keys }: LostAuthorities,
): Loss | undefined {
  if (keys.size === 0) return undefined;
  let worst: Loss | undefined;
  for (const { subjectKeyId: id = "", authorityKeyId = "", publicKey } of chain) {
    for (const name of [id, authorityKeyId, keyIdOf(publicKey), toBase64(publicKey)]) {
      const loss = keys.get(name);
      if (loss === "revoked") return loss;
      worst ??= loss;
    }
  }
  return worst;
}

function keyIdOf(publicKey: Uint8Array): string {
  try {
    return toHex(subjectKeyId(publicKey));
  } catch {
    return ""; // a key that cannot be read is nobody's
  }
}

/** Those of several sets, made anew only when one of them is another. */
export class AllLost {
  readonly #read: () => readonly LostAuthorities[];
  #parts: readonly LostAuthorities[] = [];
  #whole: LostAuthorities = NONE_LOST;

  constructor(read: () => readonly LostAuthorities[]) {
    this.#read = read;
  }

  current(): LostAuthorities {
    const parts = this.#read();
    const isSame =
      parts.length === this.#parts.length && parts.every((part, i) => part === this.#parts[i]);
    if (isSame) return this.#whole;
    this.#parts = parts;
    const keys = new Map<string, Loss>();
    for (const part of parts)
      for (const [key, loss] of part.keys) if (keys.get(key) !== "revoked") keys.set(key, loss);
    this.#whole = { keys };
    return this.#whole;
  }
}
