/** What callers were told while processes died, and whether it is so. */
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { AuditRecord } from "../../src/observe/audit.ts";

interface EntryHistory {
  id?: string;
  deleteAsked: boolean;
  deleted: boolean;
  /** The greatest number that was acknowledged as the entry's hint. */
  hint: number;
}

export interface ListedEntry {
  readonly id: string;
  readonly path: string;
  readonly hint: string;
}

type AuthorityStep = "Prepare" | "Activate" | "Taint" | "Revoke";

interface AuthorityHistory {
  readonly asked: Set<AuthorityStep>;
  /** Acknowledged. */
  readonly done: Set<AuthorityStep>;
  /** Epoch seconds. */
  expiresAt: number;
}

/** A bundle's authorities of both kinds: hex key ids and JWT key ids, and whether they are tainted. */
export type ListedAuthorities = ReadonlyMap<string, { readonly tainted: boolean }>;

export class FaultHistory {
  readonly #authorities = new Map<string, AuthorityHistory>();
  /** By path. */
  readonly entries = new Map<string, EntryHistory>();
  /** Join token to the keys and IDs that it gave certificates to. */
  readonly #tokens = new Map<string, Set<string>>();
  /** Serial number to where it was seen. */
  readonly certificates = new Map<string, string>();
  /** SPIFFE IDs of JWT-SVIDs minted, each used once. */
  readonly minted = new Set<string>();
  readonly wrong: string[] = [];
  #bundleSequence = 0;

  asked(path: string): EntryHistory {
    const history: EntryHistory = { deleteAsked: false, deleted: false, hint: 0 };
    this.entries.set(path, history);
    return history;
  }

  tokenMade(token: string): void {
    this.#tokens.set(token, new Set());
  }

  tokenGave(token: string, spki: Uint8Array, spiffeId: string): void {
    const key = createHash("sha256").update(spki).digest("hex");
    this.#tokens.get(token)?.add(`${spiffeId} ${key}`);
  }

  authorityAsked(id: string, step: AuthorityStep): void {
    this.#authority(id).asked.add(step);
  }

  authorityDone(id: string, step: AuthorityStep, expiresAt: number): void {
    const authority = this.#authority(id);
    authority.done.add(step);
    authority.expiresAt = expiresAt;
  }

  /** Whether this authority is not to be relied on any more. */
  isTainted(id: string): boolean {
    return this.#authorities.get(id)?.done.has("Taint") ?? false;
  }

  #authority(id: string): AuthorityHistory {
    const known = this.#authorities.get(id);
    if (known !== undefined) return known;
    const made = { asked: new Set<never>(), done: new Set<never>(), expiresAt: 0 };
    this.#authorities.set(id, made);
    return made;
  }

  bundleSeen(sequence: number): void {
    if (sequence < this.#bundleSequence) {
      this.wrong.push(`bundle went back from ${this.#bundleSequence} to ${sequence}`);
    }
    this.#bundleSequence = Math.max(this.#bundleSequence, sequence);
  }

  get counts(): Record<string, number> {
    const entries = [...this.entries.values()];
    const steps = (step: AuthorityStep): number =>
      [...this.#authorities.values()].filter(({ done }) => done.has(step)).length;
    return {
      created: entries.filter(({ id }) => id !== undefined).length,
      deleted: entries.filter(({ deleted }) => deleted).length,
      updated: entries.filter(({ hint }) => hint > 0).length,
      tokens: this.#tokens.size,
      certificates: this.certificates.size,
      jwts: this.minted.size,
      bundle: this.#bundleSequence,
      activated: steps("Activate"),
      tainted: steps("Taint"),
      revoked: steps("Revoke"),
    };
  }

  /** @returns everything that was promised and is not so */
  check(
    listed: readonly ListedEntry[],
    authorities: ListedAuthorities,
    records: readonly AuditRecord[],
  ): string[] {
    return [
      ...this.wrong,
      ...this.#checkEntries(listed),
      ...this.#checkAuthorities(authorities),
      ...this.#checkTokens(),
      ...this.#checkAudit(records),
    ];
  }

  #checkEntries(listed: readonly ListedEntry[]): string[] {
    const wrong: string[] = [];
    const present = new Map<string, ListedEntry>();
    for (const entry of listed) {
      if (present.has(entry.path)) wrong.push(`${entry.path} is there twice`);
      present.set(entry.path, entry);
      if (!this.entries.has(entry.path)) wrong.push(`${entry.path} was never asked for`);
    }
    for (const [path, { id, deleteAsked, deleted, hint }] of this.entries) {
      const entry = present.get(path);
      if (deleted && entry !== undefined) wrong.push(`${path} was deleted and is there`);
      if (id === undefined || deleteAsked) continue;
      if (entry === undefined) wrong.push(`${path} was acknowledged and is lost`);
      else if (entry.id !== id) wrong.push(`${path} has another id than was acknowledged`);
      else if (Number(entry.hint) < hint) wrong.push(`${path}: an acknowledged update is lost`);
    }
    return wrong;
  }

  #checkAuthorities(listed: ListedAuthorities): string[] {
    const wrong: string[] = [];
    for (const [id, { asked, done, expiresAt }] of this.#authorities) {
      const found = listed.get(id);
      if (done.has("Revoke") && found !== undefined) wrong.push(`${id} was revoked and is there`);
      if (done.has("Taint") && found?.tainted === false) wrong.push(`the taint of ${id} is lost`);
      if (asked.has("Revoke") || found !== undefined || expiresAt <= Date.now() / 1000) continue;
      wrong.push(`authority ${id} was acknowledged and is lost`);
    }
    return wrong;
  }

  #checkTokens(): string[] {
    const wrong: string[] = [];
    for (const identities of this.#tokens.values()) {
      if (identities.size !== 1) wrong.push(`a token gave ${identities.size} identities`);
    }
    return wrong;
  }

  #checkAudit(records: readonly AuditRecord[]): string[] {
    const wrong: string[] = [];
    const issued = records.filter(({ kind }) => kind === "issuance");
    const serials = new Set(issued.map(({ subject }) => subject?.serial));
    for (const [serial, where] of this.certificates) {
      if (!serials.has(serial)) wrong.push(`certificate ${serial} (${where}) has no audit record`);
    }
    const tokens = new Set(
      issued.filter(({ action }) => action === "jwt.mint").map(({ subject }) => subject?.spiffeId),
    );
    for (const id of this.minted) {
      if (!tokens.has(id)) wrong.push(`the JWT-SVID of ${id} has no audit record`);
    }
    const acts = new Set(
      records
        .filter(({ kind, outcome }) => kind === "admin" && outcome === "ok")
        .flatMap(({ action, subject: { entryId, authorityId } = {} }) => {
          const method = action.slice(action.lastIndexOf("/") + 1);
          return [`${method} ${entryId}`, `${method.replace(/X509|JWT/, "")} ${authorityId}`];
        }),
    );
    for (const { id, deleted } of this.entries.values()) {
      if (id === undefined) continue;
      if (!acts.has(`BatchCreateEntry ${id}`)) wrong.push(`entry ${id} has no audit record`);
      if (deleted && !acts.has(`BatchDeleteEntry ${id}`)) wrong.push(`${id}'s end has no record`);
    }
    for (const [id, { done }] of this.#authorities) {
      for (const step of done) {
        if (!acts.has(`${step}Authority ${id}`)) wrong.push(`no record: ${step} of ${id}`);
      }
    }
    const gap = records.findIndex(({ seq }, index) => seq !== index + 1);
    if (gap >= 0) wrong.push(`audit record ${gap + 1} is missing`);
    return wrong;
  }
}

/** All records of a server's folder. */
export function auditRecords(serverData: string): AuditRecord[] {
  const dir = join(serverData, "audit");
  return readdirSync(dir)
    .sort()
    .flatMap((name) => readFileSync(join(dir, name), "utf8").split("\n"))
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as AuditRecord);
}
