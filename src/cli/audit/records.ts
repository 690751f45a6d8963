import { parseDuration } from "../../config/settings/duration.ts";
import { errorFrom } from "../../base/errors.ts";
import type { AuditRecord } from "../../observe/audit.ts";
import type { ReadResponse__Output } from "../../rpc/gen/assay/audit/v1/ReadResponse.ts";
import type { CommandContext } from "../program/command.ts";
import { isoTime } from "../text/facts.ts";
import { UsageError } from "../program/grammar.ts";
import { connectServer, explained } from "../connection/rpc-clients.ts";

/** Prints records as they come. @returns how many */
export async function printRecords(context: CommandContext, request: object): Promise<number> {
  const { output, signal } = context;
  using server = await connectServer(context);
  using stream = server.channel.stream<object, ReadResponse__Output>(AUDIT_SERVICE, "Read", {
    signal,
  });
  let count = 0;
  try {
    await stream.send(request);
    stream.end();
    for await (const { records } of stream) {
      for (const { line } of records) {
        process.stdout.write(output.format === "json" ? `${line}\n` : recordText(line));
        count += 1;
      }
    }
  } catch (thrown) {
    if (!signal.aborted || errorFrom(thrown).kind !== "cancelled") {
      throw explained(thrown, "server", server.socket);
    }
  }
  return count;
}

export function countOption(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < 1 || count > MAX_LINES) {
    throw new UsageError(`--lines is a whole number from 1 to ${MAX_LINES}, not '${text}'`);
  }
  return count;
}

/** A serial number as records have it, from what `openssl x509 -serial` or `-text` prints. */
export function serialOption(text: string): string {
  const hex = text.toLowerCase().replaceAll(":", "");
  // Empty is no condition: a number that is given never becomes that.
  if (text === "" || /^[0-9a-f]+$/.test(hex)) return hex.replace(/^0+(?=.)/, "");
  throw new UsageError(
    `--serial: '${text}' is no serial number; write it in hex, as 'assay fetch x509' prints it`,
  );
}

/** As errors, logs and records have it; a whole `(request ID)` copied from an error will do. */
export function requestIdOption(text: string): string {
  const id = text.replace(/^\(?request +/, "").replace(/\)$/, "");
  if (id === "" || /^[A-Za-z0-9._-]{1,64}$/.test(id)) return id;
  throw new UsageError(
    `--request-id: '${text}' is no request ID; write what errors and logs have behind 'request', such as 5f0c6b1e9a3d2247`,
  );
}

/** Epoch seconds of a time, or of a duration before now. */
export function timeOption(name: string, text: string, nowMs: number): number {
  if (/^\d{4}-\d{2}-\d{2}/.test(text)) {
    const ms = Date.parse(text);
    if (Number.isFinite(ms)) return Math.floor(ms / 1000);
    throw new UsageError(`--${name}: '${text}' is no time; write 2026-11-22T16:00:00Z`);
  }
  try {
    return Math.floor(nowMs / 1000) - parseDuration(text);
  } catch (error) {
    throw new UsageError(
      `--${name}: ${errorFrom(error).message}, or a time as 2026-11-22T16:00:00Z`,
    );
  }
}

/** One line for people. Every field is printed with its control characters escaped: callers chose some of them. */
function recordText(line: string): string {
  const { time, kind, action, outcome, count, ...rest } = JSON.parse(line) as AuditRecord;
  const { caller, subject, reason, requestId } = rest;
  const facts: readonly (readonly [string, unknown])[] = [
    ...Object.entries(subject ?? {}).map(
      ([name, value]) => [name, name === "expiresAt" ? whenText(value) : value] as const,
    ),
    [
      "by",
      caller === undefined
        ? undefined
        : [caller.role, caller.id, caller.address].filter(Boolean).join(" "),
    ],
    ["why", reason],
    ["count", count],
    ["request", requestId],
  ];
  const shown = facts
    .filter(([, value]) => value !== undefined)
    .map(
      ([name, value]) =>
        ` ${name}=${typeof value === "string" && /^[\w./:@+-]+$/.test(value) ? value : JSON.stringify(value)}`,
    );
  return `${time} ${kind.padEnd(8)} ${action} ${outcome}${shown.join("")}\n`;
}

function whenText(value: unknown): unknown {
  return typeof value === "number" ? isoTime(value) : value;
}

const AUDIT_SERVICE = "assay.audit.v1.Audit";
const MAX_LINES = 10_000;
