import { fail } from "../../base/errors.ts";
import { AUDIT_KINDS } from "../../observe/audit.ts";
import type { AuditHandlers } from "../../rpc/gen/assay/audit/v1/Audit.ts";
import type { ReadRequest__Output } from "../../rpc/gen/assay/audit/v1/ReadRequest.ts";
import type { Implementation } from "../../rpc/service.ts";
import type { AuditLog } from "../audit/audit-log.ts";
import { type AuditFilter, readAudit } from "../audit/audit-reader.ts";
import { epochField, textField } from "./fields.ts";

export interface AuditApiDeps {
  readonly log: AuditLog;
  /** Aborted when the server begins to stop. */
  readonly stopping: AbortSignal;
}

/** `assay.audit.v1.Audit`. */
export function auditApi({ log, stopping }: AuditApiDeps): Implementation<AuditHandlers> {
  let reading = 0;
  return {
    async Read(call) {
      const request = await call.request();
      const filter = filterFields(request);
      if (reading >= MAX_READERS) throw fail("limited", "too many read the audit log already");
      reading += 1;
      try {
        const signal = AbortSignal.any([call.signal, stopping]);
        const { follow, last } = request;
        for await (const lines of readAudit(log, {
          filter,
          signal,
          follow,
          last: lastField(last),
        })) {
          for (let at = 0; at < lines.length; at += RECORDS_PER_MESSAGE) {
            const records = lines
              .slice(at, at + RECORDS_PER_MESSAGE)
              .map(({ seq, text }) => ({ sequence: seq, line: text }));
            await call.send({ records });
          }
        }
      } finally {
        reading -= 1;
      }
      if (stopping.aborted) throw fail("unavailable", "the server is stopping");
    },
  };
}

function filterFields(request: ReadRequest__Output): AuditFilter {
  const { spiffe_id, serial, request_id, entry_id, authority_id, name } = request;
  const { kinds, actions, since, until } = request;
  const unknown = kinds.find((kind) => !AUDIT_KINDS.some((known) => known === kind));
  if (unknown !== undefined) {
    throw fail(
      "invalid",
      `kinds: there is no kind '${unknown.slice(0, 32)}'; use ${AUDIT_KINDS.join(", ")}`,
    );
  }
  if (actions.length > MAX_ACTIONS) throw fail("invalid", `actions: are more than ${MAX_ACTIONS}`);
  return {
    ...(spiffe_id === "" ? {} : { spiffeId: textField("spiffe_id", spiffe_id, MAX_ID) }),
    ...(serial === "" ? {} : { serial: textField("serial", serial, MAX_SERIAL) }),
    ...(request_id === "" ? {} : { requestId: textField("request_id", request_id, MAX_WORD) }),
    ...(entry_id === "" ? {} : { entryId: textField("entry_id", entry_id, MAX_WORD) }),
    ...(authority_id === ""
      ? {}
      : { authorityId: textField("authority_id", authority_id, MAX_WORD) }),
    ...(name === "" ? {} : { name: textField("name", name, MAX_WORD) }),
    kinds,
    ...(actions.length > 0 && {
      actions: actions.map((action) => textField("actions", action, MAX_WORD)),
    }),
    since: epochField("since", since),
    ...(Number(until) !== 0 && { until: epochField("until", until) }),
  };
}

function lastField(last: number): number {
  if (last > MAX_LAST) throw fail("invalid", `last: is more than ${MAX_LAST}`);
  return last;
}

const MAX_READERS = 16;
const RECORDS_PER_MESSAGE = 500;
const MAX_ID = 2048;
const MAX_SERIAL = 40;
const MAX_WORD = 256;
const MAX_ACTIONS = 32;
const MAX_LAST = 10_000;
