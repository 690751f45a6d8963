import { Backoff } from "../base/backoff.ts";
import { type Clock, type EpochSeconds, epochSeconds, sleep } from "../base/clock.ts";
import { isKind } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import type { KeyType } from "../keys/contract.ts";
import type { Certificate } from "../x509/certificate.ts";
import { type IdentityAnswer, checkAnswer } from "./answer.ts";
import { pemOf } from "./identity-files.ts";
import type { IdentityNames } from "./names.ts";
import { type ProvisionClient, union } from "./provision-client.ts";
import { type IdentityRequest, makeRequest } from "./request.ts";

/** A key with its certificate, as it was checked. */
export interface HeldIdentity extends IdentityAnswer {
  readonly keyPem: string;
  /** What whoever meets it trusts: the authorities named by the user, and those that the server names. */
  readonly roots: readonly Certificate[];
  readonly obtainedAt: EpochSeconds;
}

export interface IdentitySource {
  readonly client: ProvisionClient;
  readonly names: IdentityNames;
  readonly keyType: KeyType;
  /** Authorities that the user named. */
  readonly roots: readonly Certificate[];
  readonly maxLifeSeconds?: number;
  /** Names are taken that were authorized and not asked for. */
  readonly mayHaveMore?: boolean;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * The first certificate, for a token. Where the server is away it is asked again for `waitMs`, with the same request:
 * a reply that was lost may have spent the token.
 * @throws what the call and the check throw
 */
export async function firstIdentity(
  source: IdentitySource,
  { token, waitMs }: { readonly token: string; readonly waitMs: number },
  signal: AbortSignal,
): Promise<HeldIdentity> {
  const { client, names, keyType, clock, random } = source;
  const request = await makeRequest(names, keyType);
  const until = clock.nowMs() + waitMs;
  const backoff = new Backoff({ baseMs: 250, maxMs: 5000 }, random);
  for (;;) {
    try {
      const pem = await client.sign(token, request.csrPem, signal);
      return await held(source, request, pem, signal);
    } catch (thrown) {
      const delayMs = backoff.nextMs();
      if (!isKind(thrown, "unavailable", "deadline") || clock.nowMs() + delayMs > until) {
        throw thrown;
      }
      await sleep(clock, delayMs, signal);
    }
  }
}

/** The next certificate, with a new key, for the one that is held. @throws what the call and the check throw */
export async function nextIdentity(
  source: IdentitySource,
  before: HeldIdentity,
  signal: AbortSignal,
): Promise<HeldIdentity> {
  const request = await makeRequest(source.names, source.keyType);
  const proof = { cert: pemOf(before.chain).toString(), key: before.keyPem };
  const pem = await source.client.renew(request.csrPem, proof, signal);
  return held(source, request, pem, signal);
}

/**
 * The same certificate beside the authorities that there are now.
 * @returns undefined when they are those of before. @throws what the calls throw
 */
export async function withNewAuthorities(
  { client, roots }: IdentitySource,
  held: HeldIdentity,
  signal: AbortSignal,
): Promise<HeldIdentity | undefined> {
  const now = union(roots, await client.authorities(signal));
  const isSame = now.length === held.roots.length && union(held.roots, now).length === now.length;
  return isSame ? undefined : { ...held, roots: now };
}

/** When to renew: at a random point between a half and two thirds of what was left when it came. */
export function renewalTime(
  { obtainedAt, notBefore, notAfter }: HeldIdentity,
  random: Random,
): EpochSeconds {
  const from = Math.max(obtainedAt, notBefore);
  return from + (notAfter - from) * (1 / 2 + random.unit() / 6);
}

async function held(
  { client, names, roots, maxLifeSeconds, mayHaveMore = false, clock }: IdentitySource,
  { publicKey, keyPem }: IdentityRequest,
  pem: string,
  signal: AbortSignal,
): Promise<HeldIdentity> {
  const known = union(roots, await client.authorities(signal));
  const now = epochSeconds(clock);
  const answer = await checkAnswer(pem, {
    names,
    publicKey,
    roots: known,
    now,
    mayHaveMore,
    ...(maxLifeSeconds === undefined ? {} : { maxLifeSeconds }),
  });
  return { ...answer, keyPem, roots: known, obtainedAt: now };
}
