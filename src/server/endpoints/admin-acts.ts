/**
 * What an administrator's call did, for the audit log: one act for each thing that it named. Fields are taken by name
 * from a closed list, so that a message of a method to come shows its subject without its secrets.
 */
import { isObject } from "../../base/is-object.ts";
import { joinTokenHash } from "../../attestors/node/join-token/payload.ts";
import { oneTimeTokenHash } from "../nodes/one-time-tokens.ts";
import type { AuditSubject } from "../../observe/audit.ts";
import { errorFromStatus } from "../../rpc/status.ts";
import type { AdminAct } from "../audit/audit-trail.ts";

/** @param request and response as the handler had them */
export function adminActs(method: string, request: object, response: object): readonly AdminAct[] {
  const { results } = response as { readonly results?: unknown };
  if (!Array.isArray(results)) {
    const subject = { ...subjectOf(request), ...subjectOf(response) };
    return [{ outcome: "ok", subject: { ...subject, ...tokenOf(method, request, response) } }];
  }
  const items = itemsOf(request);
  return results.map((result: unknown, index) => itemAct(items[index], result));
}

/** Secrets go by their hash; that of a join token is the name of the agent to come. */
function tokenOf(method: string, request: object, response: object): AuditSubject {
  const { value } = response as { readonly value?: unknown };
  if (method === CREATE_JOIN_TOKEN && typeof value === "string") {
    return { tokenHash: joinTokenHash(value) };
  }
  if (!method.startsWith(ONE_TIME)) return {};
  const { token } = { ...request, ...response } as { readonly token?: unknown };
  return typeof token === "string" ? { tokenHash: oneTimeTokenHash(token) } : {};
}

/** What a request names that was refused as a whole. */
export function subjectOf(message: unknown): AuditSubject {
  if (!isObject(message)) return {};
  const found: Record<string, string | number | readonly string[]> = {};
  const note = (field: keyof AuditSubject, value: unknown): void => {
    const text = isObject(value) ? spiffeIdText(value) : value;
    if (typeof text === "string" && text !== "") found[field] = text.slice(0, MAX_TEXT);
  };
  for (const holder of HOLDERS) {
    const held = message[holder];
    if (isObject(held)) Object.assign(found, subjectOf(held));
  }
  // An agent is named by its ID, an entry by a text.
  note(isObject(message["id"]) ? "spiffeId" : "entryId", message["id"]);
  note("entryId", message["entry_id"]);
  note("spiffeId", message["spiffe_id"]);
  note("spiffeId", message["agent_id"]);
  note("parentId", message["parent_id"]);
  note("trustDomain", message["trust_domain"]);
  note("authorityId", message["authority_id"]);
  note("authoritySet", message["set"]);
  note("keyId", message["key_id"]);
  note("serial", message["serial"]);
  note("tokenHash", message["token_hash"]);
  const name = message["common_name"];
  if (typeof name === "string" && name !== "") found["names"] = [name.slice(0, MAX_TEXT)];
  note("authorityId", message["subject_key_id"]);
  return found;
}

function itemAct(item: unknown, result: unknown): AdminAct {
  const status = isObject(result) ? result["status"] : undefined;
  const { code = 0, message = "" } = (isObject(status) ? status : {}) as {
    code?: number;
    message?: string;
  };
  const subject = { ...subjectOf(item), ...subjectOf(result) };
  if (code === 0) return { outcome: "ok", subject };
  return { outcome: errorFromStatus({ code, message }).kind, subject, reason: message };
}

/** The one list of things in a batch. */
function itemsOf(request: object): readonly unknown[] {
  const lists = Object.values(request).filter((value) => Array.isArray(value));
  return lists[0] ?? [];
}

function spiffeIdText(value: Readonly<Record<string, unknown>>): string | undefined {
  const { trust_domain, path } = value;
  if (typeof trust_domain !== "string" || typeof path !== "string") return undefined;
  return `spiffe://${trust_domain}${path}`;
}

/** Messages within messages that say what a call is about. */
const HOLDERS = [
  "entry",
  "external_account",
  "bundle",
  "federation_relationship",
  "prepared_authority",
  "activated_authority",
  "tainted_authority",
  "revoked_authority",
  "jwt_authority",
  "authority",
  "grant",
  "api_token",
] as const;
const CREATE_JOIN_TOKEN = "/spire.api.server.agent.v1.Agent/CreateJoinToken";
const ONE_TIME = "/assay.token.v1.OneTime/";
const MAX_TEXT = 2048;
