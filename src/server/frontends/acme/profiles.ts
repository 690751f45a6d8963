/** Which certificates an order may be for (draft-ietf-acme-profiles §3), and by which authorities. */
import { type Clock, epochSeconds } from "../../../base/clock.ts";
import { errorFrom } from "../../../base/errors.ts";
import type { AcmeFrontEndConfig } from "../../../config/server/acme-front-end.ts";
import { SpiffeId } from "../../../spiffe/spiffe-id.ts";
import type { AcmeAccountRecord, AcmeIdentifierRecord } from "../../datastore/acme.ts";
import type { EntryReader } from "../../datastore/contract.ts";
import type { FrontEndRequest } from "../../issuance/front-end-profile.ts";
import type { Issuance } from "../../issuance/issuance.ts";
import type { ExternalAccounts } from "./contract.ts";
import { acmeError } from "./problem.ts";
import { TRUST_DOMAIN_SET } from "../../../config/own-sets.ts";

export interface ProfilesOptions {
  /** `profiles`: the first holds where an order names none. `set`: of all but `spiffe`. */
  readonly settings: () => Pick<AcmeFrontEndConfig, "profiles" | "set">;
  readonly externalAccounts: Pick<ExternalAccounts, "bound">;
  readonly entries: Pick<EntryReader, "get">;
  readonly issuance: Pick<Issuance, "checkFrontEndCertificate">;
  readonly clock: Clock;
}

export interface CertificateWish {
  readonly account: Pick<AcmeAccountRecord, "externalAccountId">;
  readonly profile: string;
  readonly identifiers: readonly AcmeIdentifierRecord[];
  /** 0 = the profile's. */
  readonly ttlSeconds: number;
}

/** What may be signed, and the entry that allows it, where one does. */
export interface AllowedCertificate {
  readonly request: FrontEndRequest;
  readonly entryId?: string;
}

export class Profiles {
  readonly #options: ProfilesOptions;

  constructor(options: ProfilesOptions) {
    this.#options = options;
  }

  /** Name and description of each, for the directory. */
  described(): Record<string, string> {
    const { profiles } = this.#options.settings();
    return Object.fromEntries(
      [...profiles, SPIFFE].map((name) => [
        name,
        DESCRIPTIONS[name] ?? `certificate profile ${name}`,
      ]),
    );
  }

  /** @param name as the order has it. @throws AcmeError when it is none of the account's */
  async choose(name: unknown, account: AcmeAccountRecord): Promise<string> {
    const { settings, externalAccounts } = this.#options;
    const { profiles: names } = settings();
    const { externalAccountId } = account;
    // Some clients send an empty text for none.
    if (name === undefined || name === null || name === "") {
      const bound =
        externalAccountId === "" ? undefined : await externalAccounts.bound(externalAccountId);
      return bound?.entryId === undefined ? (names[0] ?? "") : SPIFFE;
    }
    if (typeof name === "string" && (name === SPIFFE || names.includes(name))) return name;
    const taken = [...names, SPIFFE].join(", ");
    throw acmeError("invalidProfile", `there is no such profile; there are ${taken}`);
  }

  /** @throws AcmeError when it would not be signed */
  async allow(wish: CertificateWish): Promise<AllowedCertificate> {
    const { settings, issuance } = this.#options;
    const { set } = settings();
    const { profile, identifiers, ttlSeconds } = wish;
    const names = {
      profile,
      dnsNames: valuesOf(identifiers, "dns"),
      ipAddresses: valuesOf(identifiers, "ip"),
    };
    const bound = profile === SPIFFE ? await this.#entryOf(wish) : undefined;
    const request =
      bound === undefined
        ? { ...names, set, ttlSeconds }
        : {
            ...names,
            set: TRUST_DOMAIN_SET,
            spiffeId: bound.spiffeId,
            ttlSeconds: ttlOf(bound, ttlSeconds),
          };
    // Names first: a life that is too long is another fault.
    refuseAs("rejectedIdentifier", () =>
      issuance.checkFrontEndCertificate({ ...request, ttlSeconds: 0 }),
    );
    if (request.ttlSeconds !== 0) {
      refuseAs("malformed", () => issuance.checkFrontEndCertificate(request));
    }
    return { request, ...(bound === undefined ? {} : { entryId: bound.entryId }) };
  }

  /** The identity that the account's external account stands for, as long as there is one. */
  async #entryOf({ account: { externalAccountId } }: CertificateWish): Promise<BoundEntry> {
    const { externalAccounts, entries, clock } = this.#options;
    const bound =
      externalAccountId === "" ? undefined : await externalAccounts.bound(externalAccountId);
    if (bound?.entryId === undefined) {
      throw acmeError(
        "unauthorized",
        "profile spiffe is for accounts bound to a registration entry ('assay acme eab create --entry ID')",
      );
    }
    const entry = await entries.get(bound.entryId);
    const isLive =
      entry !== undefined &&
      entry.template === undefined &&
      (entry.expiresAt === 0 || entry.expiresAt > epochSeconds(clock));
    if (!isLive) {
      throw acmeError("unauthorized", "the account's registration entry is gone or has expired");
    }
    const { id: entryId, x509SvidTtl: lifeSeconds } = entry;
    return { entryId, spiffeId: SpiffeId.parse(entry.spiffeId), lifeSeconds };
  }
}

interface BoundEntry {
  readonly entryId: string;
  readonly spiffeId: SpiffeId;
  /** Of its SVIDs; 0 = it does not say. */
  readonly lifeSeconds: number;
}

/** What an operator has shortened for one entry holds whoever makes its SVID. @throws AcmeError */
function ttlOf({ entryId, lifeSeconds }: BoundEntry, wanted: number): number {
  if (wanted === 0 || lifeSeconds === 0) return Math.max(wanted, lifeSeconds);
  if (wanted <= lifeSeconds) return wanted;
  throw acmeError(
    "malformed",
    `a certificate for entry ${entryId} lives ${lifeSeconds} seconds at most`,
  );
}

function refuseAs(type: "rejectedIdentifier" | "malformed", check: () => void): void {
  try {
    check();
  } catch (cause) {
    const error = errorFrom(cause);
    if (error.kind !== "invalid") throw cause;
    throw acmeError(type, error.message, { cause });
  }
}

function valuesOf(
  identifiers: readonly AcmeIdentifierRecord[],
  wanted: AcmeIdentifierRecord["type"],
): readonly string[] {
  return identifiers.filter(({ type }) => type === wanted).map(({ value }) => value);
}

/** The one profile with a SPIFFE ID. */
const SPIFFE = "spiffe";
const DESCRIPTIONS: Readonly<Record<string, string>> = {
  "server-90d": "TLS servers, 90 days",
  "server-7d": "TLS servers, 7 days",
  spiffe: "X.509-SVID of the registration entry that the external account is bound to",
};
