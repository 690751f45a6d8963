import { MAX_DEADLINE_MS } from "./limits.ts";

/**
 * The values of one header, each occurrence apart: Node's header object joins a doubled header into one value,
 * and the Workload API wants exactly one. Binary headers (`-bin`) are not served and give no value.
 * `raw` is Node's flat list of lower-case names and values.
 */
export function headerValues(raw: readonly string[], name: string): readonly string[] {
  const wanted = name.toLowerCase();
  if (wanted.endsWith("-bin")) return NO_VALUES;
  let values: string[] | undefined;
  for (let i = 0; i + 1 < raw.length; i += 2) {
    if (raw[i] === wanted) (values ??= []).push(raw[i + 1] ?? "");
  }
  return values ?? NO_VALUES;
}

const NO_VALUES: readonly string[] = Object.freeze([]);

/** `application/grpc`, alone or followed by a subtype or parameters (gRPC over HTTP2, "Content-Type"). */
export function isGrpcContentType(value: string | undefined): boolean {
  if (value === undefined || !value.startsWith("application/grpc")) return false;
  const next = value.charAt("application/grpc".length);
  return next === "" || next === "+" || next === ";";
}

/**
 * `grpc-timeout` in milliseconds: up to eight digits and a unit (gRPC over HTTP2, "Timeout").
 * `"malformed"` when it breaks that form; undefined when it is so long that it is no deadline.
 */
export function parseGrpcTimeout(value: string): number | undefined | "malformed" {
  const match = /^([0-9]{1,8})([HMSmun])$/.exec(value);
  if (match === null) return "malformed";
  const ms = Number(match[1]) * (MS_PER_UNIT[match[2] ?? ""] ?? 0);
  return ms > MAX_DEADLINE_MS ? undefined : Math.ceil(ms);
}

const MS_PER_UNIT: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 0.001,
  n: 0.000_001,
};
