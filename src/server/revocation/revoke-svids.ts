/** From a serial number or a SPIFFE ID to revoked X.509-SVIDs, whose holders are told to make new ones. */
import { type Clock, epochSeconds } from "../../base/clock.ts";
import { fail } from "../../base/errors.ts";
import type { AuditRecord } from "../../observe/audit.ts";
import type { RevocationReason } from "../../x509/crl.ts";
import type { AuditLog } from "../audit/audit-log.ts";
import { readAudit } from "../audit/audit-reader.ts";
import type { RevocationRecord } from "../datastore/contract.ts";
import type { EntryService } from "../entries/entry-service.ts";
import type { CrlIssuance } from "../issuance/crl.ts";
import type { RevocationTarget, Revocations } from "./revocations.ts";

export interface RevokeSvidsOptions {
  readonly revocations: Revocations;
  readonly issuance: Pick<CrlIssuance, "authorities">;
  /** What was issued stands there, all of it: nothing leaves the server that it does not have. */
  readonly auditLog: Pick<AuditLog, "dir" | "lastSeq" | "onAppend">;
  readonly entries: Pick<EntryService, "rotate">;
  readonly clock: Clock;
}

export interface RevokeRequest {
  /** Lower hex, no leading zeros. */
  readonly serial?: string;
  readonly spiffeId?: string;
  /** With `serial`: the authority that signed it, where this server's audit log does not have it. */
  readonly authorityId?: string;
  readonly reason: RevocationReason;
}

export interface RevokeAnswer {
  readonly revoked: readonly RevocationRecord[];
  /** False when a list could not be signed yet. */
  readonly published: boolean;
  /** How many entries' agents were told to have new SVIDs made. */
  readonly rotatedEntries: number;
}

interface Issued extends RevocationTarget {
  readonly entryId: string | undefined;
}

export class RevokeSvids {
  readonly #options: RevokeSvidsOptions;

  constructor(options: RevokeSvidsOptions) {
    this.#options = options;
  }

  /**
   * @throws not_found when nothing fits that has not ended; precondition while revocation is off; limited
   */
  async revoke(request: RevokeRequest, signal: AbortSignal): Promise<RevokeAnswer> {
    const { revocations, entries } = this.#options;
    if (!revocations.enabled) {
      throw fail("precondition", "revocation is off; set 'revocation' in the server's file");
    }
    const found = await this.#find(request, signal);
    const { revoked, published } = await revocations.revoke(
      found.map(({ authorityId, serial, spiffeId, expiresAt }) => ({
        authorityId,
        serial,
        spiffeId,
        expiresAt,
      })),
      request.reason,
    );
    const serials = new Set(revoked.map(({ serial }) => serial));
    const entryIds = new Set(
      found.flatMap(({ entryId, serial }) =>
        entryId !== undefined && serials.has(serial) ? [entryId] : [],
      ),
    );
    // One that is gone has no agents to tell.
    const rotated = entryIds.size === 0 ? [] : await entries.rotate([...entryIds]);
    return {
      revoked,
      published,
      rotatedEntries: rotated.filter((result) => "value" in result).length,
    };
  }

  async #find(request: RevokeRequest, signal: AbortSignal): Promise<readonly Issued[]> {
    const found = await this.#findIssued(request, signal);
    if (found.length > 0) return found;
    const { serial, spiffeId, authorityId } = request;
    if (serial === undefined) {
      throw fail(
        "not_found",
        `no X.509-SVID of ${spiffeId ?? ""} that has not ended is in this server's audit log`,
      );
    }
    if (authorityId === undefined) {
      throw fail(
        "not_found",
        `no X.509-SVID with serial ${serial} that has not ended is in this server's audit log; name its authority to revoke it all the same ('assay x509 revoke --authority ID')`,
      );
    }
    return [this.#unheardOf(serial, authorityId)];
  }

  /** In the audit log, and not ended. */
  async #findIssued(
    { serial, spiffeId, authorityId }: RevokeRequest,
    signal: AbortSignal,
  ): Promise<readonly Issued[]> {
    const { auditLog, clock } = this.#options;
    const now = epochSeconds(clock);
    const isMeant = (issued: Issued): boolean =>
      issued.expiresAt > now &&
      (spiffeId === undefined || issued.spiffeId === spiffeId) &&
      (authorityId === undefined || issued.authorityId === authorityId);
    const found: Issued[] = [];
    const filter = {
      kinds: ["issuance"],
      since: 0,
      ...(serial === undefined ? {} : { serial }),
      ...(spiffeId === undefined ? {} : { spiffeId }),
    };
    for await (const lines of readAudit(auditLog, { filter, signal, follow: false, last: 0 })) {
      const read = lines.map(({ text }) => issuedOf(JSON.parse(text) as AuditRecord));
      found.push(...read.filter((issued) => issued !== undefined).filter(isMeant));
    }
    signal.throwIfAborted();
    return found;
  }

  /** One that this server's audit log does not have. It counts as revoked for as long as its authority lives. */
  #unheardOf(serial: string, authorityId: string): Issued {
    const authority = this.#options.issuance.authorities().find(({ id }) => id === authorityId);
    if (authority === undefined) {
      throw fail(
        "not_found",
        `no X.509 authority ${authorityId} that can sign revocation lists; 'assay authority x509 show' lists them`,
      );
    }
    const { notAfter: expiresAt } = authority;
    return { authorityId, serial, spiffeId: "", expiresAt, entryId: undefined };
  }
}

function issuedOf({ subject }: AuditRecord): Issued | undefined {
  const { serial, authorityId, spiffeId = "", expiresAt, entryId } = subject ?? {};
  if (serial === undefined || authorityId === undefined || expiresAt === undefined)
    return undefined;
  return { serial, authorityId, spiffeId, expiresAt, entryId };
}
