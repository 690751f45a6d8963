/** Public keys whose private ones can be found, refused before they are certified (CA/B Baseline Requirements §6.1.1.3). */
import { fail } from "../../base/errors.ts";
import { importSpki, keyTypeOfSpki } from "../../keys/public-key.ts";

/**
 * @param spki DER SubjectPublicKeyInfo
 * @throws invalid when the key's type is not supported, its numbers are none, or it is known to be weak
 */
export function requireStrongKey(spki: Uint8Array): void {
  const key = importSpki(spki);
  if (keyTypeOfSpki(spki)?.startsWith("rsa") !== true) return;
  const { n = "", e = "" } = key.export({ format: "jwk" });
  const modulus = numberOf(n);
  const refuse = (why: string): never => {
    throw fail("invalid", `public key is weak: ${why}; make another one`);
  };
  if (numberOf(e) < LEAST_EXPONENT) refuse("its rsa exponent is below 65537");
  if (PRIMES.some((prime) => modulus % BigInt(prime) === 0n))
    refuse("its modulus has a small factor");
  if (hasRocaFingerprint(modulus)) refuse("it was made by a faulty generator (roca)");
  if (hasCloseFactors(modulus)) refuse("the factors of its modulus are close together");
}

function numberOf(base64url: string): bigint {
  return BigInt(`0x${Buffer.from(base64url, "base64url").toString("hex")}`);
}

/**
 * Infineon's RSALib made primes of the form k*M + (65537^a mod M): the modulus is then a power of 65537 modulo each
 * small prime of M (Nemec et al., 2017). One in 2^27 of other keys looks so too.
 */
function hasRocaFingerprint(modulus: bigint): boolean {
  return ROCA_GROUPS.every(([prime, powers]) => powers.has(Number(modulus % BigInt(prime))));
}

/** Fermat's way: as many steps as the Baseline Requirements ask for. */
function hasCloseFactors(modulus: bigint): boolean {
  let root = squareRoot(modulus);
  if (root * root < modulus) root += 1n;
  for (let step = 0; step < FERMAT_STEPS; step++, root += 1n) {
    const rest = root * root - modulus;
    // Most are no squares by their last bits alone.
    if (!SQUARES_MOD_64.has(Number(rest & 63n))) continue;
    const side = squareRoot(rest);
    if (side * side === rest) return true;
  }
  return false;
}

/** The whole part, by Newton's way. */
function squareRoot(value: bigint): bigint {
  if (value < 2n) return value;
  let guess = 1n << BigInt((value.toString(16).length + 1) * 2);
  for (;;) {
    const next = (guess + value / guess) >> 1n;
    if (next >= guess) return guess;
    guess = next;
  }
}

function primesBelow(most: number): number[] {
  const primes: number[] = [];
  for (let n = 2; n < most; n++) if (primes.every((prime) => n % prime !== 0)) primes.push(n);
  return primes;
}

function powersOf(generator: number, prime: number): ReadonlySet<number> {
  const powers = new Set<number>();
  for (let power = 1; !powers.has(power); power = (power * generator) % prime) powers.add(power);
  return powers;
}

const LEAST_EXPONENT = 65_537n;
const FERMAT_STEPS = 100;
const PRIMES = primesBelow(752);
/** Those of the smallest M, for keys of 512 bits, which divides the larger ones. */
const ROCA_GROUPS = primesBelow(168)
  .filter((prime) => prime > 2)
  .map((prime): readonly [number, ReadonlySet<number>] => [prime, powersOf(65_537 % prime, prime)]);
const SQUARES_MOD_64: ReadonlySet<number> = new Set(
  Array.from({ length: 64 }, (_, n) => (n * n) % 64),
);
