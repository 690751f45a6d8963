/**
 * What an audit record says. Each issuance, denial and admin act is one record; the answer waits until it is on disk.
 *
 * A record is one line of JSON. Its bytes as written are what counts: `AUDIT_VERSION` rises when a field changes its
 * meaning, and a version to come adds `prev`, the hash of the line before, without touching the fields of this one.
 * Readers pass over fields that they do not know. No field ever holds a key, a token or another secret.
 */
export const AUDIT_VERSION = 1;

/**
 * `issuance`: something was signed. `denial`: an authenticated or unknown caller was refused. `admin`: what an
 * administrator's call did to one thing. `system`: the server itself (start, stop, records cut or summarised).
 */
export const AUDIT_KINDS = ["issuance", "denial", "admin", "system"] as const;

export type AuditKind = (typeof AUDIT_KINDS)[number];

/** On whose behalf; absent where there is nobody (start, stop, summaries). */
export interface AuditCaller {
  /**
   * `local`, `admin`, `agent`, `downstream`, `workload`, `any`; `token` for whoever showed one, `pod` where it was a
   * pod's; `unknown` when the gate refused the caller; `server` when the server moved its authorities, or deleted something, by the clock.
   */
  readonly role: string;
  readonly id?: string;
  readonly address?: string;
}

/** What it is about; only what applies. */
export interface AuditSubject {
  readonly spiffeId?: string;
  readonly parentId?: string;
  /** Of a certificate: lower hex, no leading zeros. */
  readonly serial?: string;
  /** Of the key that signed a token. */
  readonly keyId?: string;
  readonly tokenId?: string;
  readonly audience?: readonly string[];
  readonly entryId?: string;
  /** Of the authority that signed or was changed. */
  readonly authorityId?: string;
  readonly trustDomain?: string;
  /** Of a certificate that a front end handed out: common name, DNS names and addresses. */
  readonly names?: readonly string[];
  /** The authority set that signed it, and the certificate profile it was signed by. */
  readonly authoritySet?: string;
  readonly profile?: string;
  /** What of the front end authorized it, in its own words. */
  readonly rule?: string;
  /** SHA-256 of a join token. */
  readonly tokenHash?: string;
  /** Epoch seconds. */
  readonly expiresAt?: number;
  /** Names of settings that a reload changed. */
  readonly settings?: readonly string[];
}

export interface AuditEvent {
  readonly kind: AuditKind;
  /** What was done: `x509.workload`, `jwt.mint`, `denials.summary`, or the method called. */
  readonly action: string;
  /** `ok`, or the kind of error. */
  readonly outcome: string;
  readonly caller?: AuditCaller;
  /** `/package.Service/Method`, where a call led to it and the action does not say so. */
  readonly method?: string;
  /** The same on the agent that asked and in both logs. */
  readonly requestId?: string;
  readonly subject?: AuditSubject;
  /** Why it was refused. */
  readonly reason?: string;
  /** How many events the record stands for; absent = 1. */
  readonly count?: number;
}

/** An event as it stands in the log. */
export interface AuditRecord extends AuditEvent {
  readonly v: number;
  /** From 1, without a gap, over all files. */
  readonly seq: number;
  /** RFC 3339, UTC, milliseconds. */
  readonly time: string;
}

/** Where issuances are recorded. @throws unavailable when the record cannot be written: then nothing is handed out */
export interface IssuanceAudit {
  issued(issue: AuditIssue): Promise<void>;
}

/** One that writes the records of a moment together, and therefore likes to know of those that are about to come. */
export interface GatheringAudit extends IssuanceAudit {
  /** A record will be asked for soon; disposed when it was written, or will not be asked for after all. */
  expect(): Disposable;
}

/** Tells the audit that something is being signed, until that is recorded. */
export function expectRecord(audit: IssuanceAudit): Disposable | undefined {
  return "expect" in audit ? (audit as GatheringAudit).expect() : undefined;
}

export interface AuditIssue {
  readonly action: string;
  readonly subject: AuditSubject;
}

/** What happens to an authority by the clock, or by hand. */
export type RotationStep = "prepare" | "activate" | "prune";

export interface AuditRotation {
  readonly step: RotationStep;
  readonly kind: "x509" | "jwt";
  /** Absent: the trust domain's own. */
  readonly authoritySet?: string;
  readonly authorityId: string;
  /** Epoch seconds. */
  readonly expiresAt: number;
  /** Why, where it is not the clock alone. */
  readonly reason?: string;
  /** An administrator's call led to it, which has a record of its own. */
  readonly byHand: boolean;
}

/** Who is told of what the server deletes by the clock. It is done already: a record that cannot be written now is owed. */
export interface PruneAudit {
  /** An entry, of which the subject says which one. Never fails. */
  pruned(entry: AuditSubject, reason: string): Promise<void>;
}

/** Who is told of each step. It is done already: a record that cannot be written now is owed. */
export interface RotationAudit {
  rotated(rotation: AuditRotation): Promise<void>;
}
