/** Public keys whose private ones can be found, refused before they are certified (CA/B Baseline Requirements §6.1.1.3). */
import { fail } from "../../base/errors.ts";
import { importSpki, keyTypeOfSpki, requireSupported } from "../../keys/public-key.ts";

/**
 * @param spki DER SubjectPublicKeyInfo
 * @param options `isReadLater`: a signature is checked with the key before it is certified, which finds one whose numbers
 * are none; to read a key takes as long as to sign
 * @throws invalid when the key's type is not supported, its numbers are none, or it is known to be weak
 */
export function requireStrongKey(
  spki: Uint8Array,
  { isReadLater = false }: { readonly isReadLater?: boolean } = {},
): void {
  requireSupported(spki);
  const isRsa = keyTypeOfSpki(spki)?.startsWith("rsa") === true;
  if (isReadLater && !isRsa) return;
  const key = importSpki(spki);
  if (!isRsa) return;
  const { n = "", e = "" } = key.export({ format: "jwk" });
  const modulus = numberOf(n);
  const refuse = (why: string): never => {
    throw fail("invalid", `public key is weak: ${why}; make another one`);
  };
  if (numberOf(e) < LEAST_EXPONENT) refuse("its rsa exponent is below 65537");
  const residues = residuesOf(modulus);
  if (PRIMES.some((prime) => residues.get(prime) === 0)) refuse("its modulus has a small factor");
  if (ROCA_GROUPS.every(([prime, powers]) => powers.has(residues.get(prime) ?? 0)))
    refuse("it was made by a faulty generator (roca)");
  if (hasCloseFactors(modulus)) refuse("the factors of its modulus are close together");
}

function numberOf(base64url: string): bigint {
  return BigInt(`0x${Buffer.from(base64url, "base64url").toString("hex")}`);
}

/** Modulo each small prime: one division of the long number for several of them. */
function residuesOf(modulus: bigint): ReadonlyMap<number, number> {
  const residues = new Map<number, number>();
  for (const { product, primes } of PRIME_GROUPS) {
    const rest = Number(modulus % product);
    for (const prime of primes) residues.set(prime, rest % prime);
  }
  return residues;
}

/** Fermat's way: as many steps as the Baseline Requirements ask for. */
function hasCloseFactors(modulus: bigint): boolean {
  let root = squareRoot(modulus);
  if (root * root < modulus) root += 1n;
  for (let step = 0; step < FERMAT_STEPS; step++, root += 1n) {
    const rest = root * root - modulus;
    // Nearly all are no squares by a look at what is left of them.
    const left = Number(rest % SIEVE);
    if (!SQUARES.every(([prime, squares]) => squares.has(left % prime))) continue;
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

function groupsOf(
  primes: readonly number[],
): readonly { readonly product: bigint; readonly primes: readonly number[] }[] {
  const groups: { product: bigint; primes: number[] }[] = [];
  for (const prime of primes) {
    const last = groups.at(-1);
    const product = (last?.product ?? 1n) * BigInt(prime);
    if (last === undefined || product > BigInt(Number.MAX_SAFE_INTEGER)) {
      groups.push({ product: BigInt(prime), primes: [prime] });
    } else {
      last.product = product;
      last.primes.push(prime);
    }
  }
  return groups;
}

function powersOf(generator: number, prime: number): ReadonlySet<number> {
  const powers = new Set<number>();
  for (let power = 1; !powers.has(power); power = (power * generator) % prime) powers.add(power);
  return powers;
}

const LEAST_EXPONENT = 65_537n;
const FERMAT_STEPS = 100;
const PRIMES = primesBelow(752);
/** Products that a number holds exactly. */
const PRIME_GROUPS = groupsOf(PRIMES);
/**
 * Infineon's RSALib made primes of the form k*M + (65537^a mod M): the modulus is then a power of 65537 modulo each
 * small prime of M (Nemec et al., 2017). Those of the smallest M, for keys of 512 bits, which divides the larger ones;
 * one in 2^27 of other keys looks so too.
 */
const ROCA_GROUPS = primesBelow(168)
  .filter((prime) => prime > 2)
  .map((prime): readonly [number, ReadonlySet<number>] => [prime, powersOf(65_537 % prime, prime)]);
const SQUARES = [64, 3, 5, 7, 11, 13, 17, 19].map((n): readonly [number, ReadonlySet<number>] => [
  n,
  new Set(Array.from({ length: n }, (_, root) => (root * root) % n)),
]);
const SIEVE = BigInt(SQUARES.reduce((product, [n]) => product * n, 1));
