/**
 * What the ACME front end asks of its parts: whether a challenge is met, which names an account may have, and who an
 * external account is.
 */
import type { Writers } from "../../datastore/contract.ts";

/** RFC 8555 §9.7.8. */
export const CHALLENGE_TYPES = ["http-01", "dns-01", "tls-alpn-01"] as const;
export type ChallengeType = (typeof CHALLENGE_TYPES)[number];

/** RFC 8555 §9.7.7, RFC 8738 §3. */
export interface AcmeIdentifier {
  readonly type: "dns" | "ip";
  /** A DNS name in lower case, internationalized labels as A-labels, without `*.`; or an address in its one written form. */
  readonly value: string;
}

/** RFC 8555 §6.7 (all), RFC 9773 §7.4, and the `invalidProfile` of the profiles draft. */
export const ACME_ERROR_TYPES = [
  "accountDoesNotExist",
  "alreadyReplaced",
  "alreadyRevoked",
  "badCSR",
  "badNonce",
  "badPublicKey",
  "badRevocationReason",
  "badSignatureAlgorithm",
  "caa",
  "compound",
  "connection",
  "dns",
  "externalAccountRequired",
  "incorrectResponse",
  "invalidContact",
  "invalidProfile",
  "malformed",
  "orderNotReady",
  "rateLimited",
  "rejectedIdentifier",
  "serverInternal",
  "tls",
  "unauthorized",
  "unsupportedContact",
  "unsupportedIdentifier",
  "userActionRequired",
] as const;
export type AcmeErrorType = (typeof ACME_ERROR_TYPES)[number];

export interface AcmeProblem {
  readonly type: AcmeErrorType;
  /** One sentence for the operator of the client; bounded, printable, nothing of our inside. */
  readonly detail: string;
}

export interface ValidateParams {
  readonly type: ChallengeType;
  readonly identifier: AcmeIdentifier;
  /** The order was for `*.` before the identifier. */
  readonly wildcard: boolean;
  readonly token: string;
  /** RFC 8555 §8.1. */
  readonly keyAuthorization: string;
  /** RFC 8657 §3. */
  readonly accountUri: string;
  /** Told each address before it is connected to. */
  readonly entering?: (address: string) => void;
  readonly signal: AbortSignal;
}

export interface Validator {
  /** @returns undefined when the challenge is met. @throws only when aborted */
  validate(params: ValidateParams): Promise<AcmeProblem | undefined>;
  /** Whether CAA still allows it, long after the challenge was met; undefined: yes, or CAA is off. */
  recheck(
    params: Pick<ValidateParams, "type" | "identifier" | "wildcard" | "accountUri" | "signal">,
  ): Promise<AcmeProblem | undefined>;
}

export interface PolicyIdentifier extends AcmeIdentifier {
  readonly wildcard: boolean;
}

export interface PolicyParams {
  readonly account: {
    readonly id: string;
    /** Key identifier of the external account it was bound to. */
    readonly externalAccountId?: string;
  };
  readonly identifiers: readonly PolicyIdentifier[];
  readonly profile: string;
}

export interface RefusedIdentifier {
  readonly identifier: PolicyIdentifier;
  readonly problem: AcmeProblem;
}

export interface NamePolicy {
  /** @returns one for each identifier that is refused; none: all are allowed */
  check(params: PolicyParams): Promise<readonly RefusedIdentifier[]>;
}

/** RFC 8555 §7.3.4. */
export interface ExternalAccount {
  readonly id: string;
  /** Of HMAC; at least 32 bytes. */
  readonly macKey: Uint8Array;
  /** Orders of its accounts may be for the SPIFFE ID of this registration entry. */
  readonly entryId?: string;
}

export interface ExternalAccounts {
  /** New accounts have to be bound to one. */
  readonly required: boolean;
  /** @returns undefined when there is none, or it may not be used (spent, expired, taken back) */
  find(id: string): Promise<ExternalAccount | undefined>;
  /** Of accounts that were bound to it before; spent ones too, taken back or expired ones not. */
  bound(id: string): Promise<ExternalAccount | undefined>;
  /**
   * Binds a new account to it, in the transaction that creates the account; counts or spends it.
   * @throws denied when it may not be used any more
   */
  use(writers: Writers, id: string, accountId: string): Promise<void>;
}
