/** Kinds of errors as statuses on the wire, and back. */
import t from "tap";
import { ERROR_KINDS, type ErrorKind, fail } from "../../src/base/errors.ts";
import { STATUS_CODES, errorFromStatus, toStatus } from "../../src/rpc/status.ts";
import { memoryLogger } from "./support.ts";
import { int, bytes, msg, T } from "./published-messages.ts";

t.test("status: every kind has a code of its own and comes back", async (t) => {
  const { logger } = memoryLogger();
  const codes = ERROR_KINDS.map((kind) => STATUS_CODES[kind]);
  t.equal(new Set(codes).size, ERROR_KINDS.length);
  const published: readonly [ErrorKind, number][] = [
    ["cancelled", 1],
    ["invalid", 3],
    ["deadline", 4],
    ["not_found", 5],
    ["exists", 6],
    ["denied", 7],
    ["limited", 8],
    ["precondition", 9],
    ["conflict", 10],
    ["unsupported", 12],
    ["internal", 13],
    ["unavailable", 14],
    ["unauthenticated", 16],
  ];
  for (const [kind, code] of published) {
    const status = toStatus(fail(kind, "why"), logger);
    t.equal(status.code, code, kind);
    t.match(errorFromStatus(status), { kind, ...(kind !== "internal" && { message: "why" }) });
  }
  for (const [code, kind] of [
    [2, "internal"],
    [11, "invalid"],
    [15, "internal"],
    [99, "internal"],
    [-1, "internal"],
  ] as const) {
    t.equal(errorFromStatus({ code, message: "" }).kind, kind, `code ${code}`);
  }
});

t.test("status: reasons", async (t) => {
  const { logger } = memoryLogger();
  const reasons = [
    "AGENT_EXPIRED",
    "AGENT_NOT_ATTESTED",
    "AGENT_NOT_ACTIVE",
    "AGENT_BANNED",
    "AGENT_MUST_REATTEST",
  ];
  for (const [index, reason] of reasons.entries()) {
    const status = toStatus(fail("denied", "no", { reason }), logger);
    const any = msg(
      3,
      bytes(1, `type.googleapis.com/${T}.PermissionDeniedDetails`),
      bytes(2, int(1, index + 1)),
    );
    t.same(
      Buffer.from(status.details ?? []).toString("hex"),
      Buffer.concat([int(1, 7), bytes(2, "no"), any]).toString("hex"),
      reason,
    );
    t.equal(errorFromStatus(status).reason, reason);
  }
  t.equal(toStatus(fail("denied", "no", { reason: "OUR_OWN" }), logger).details, undefined);
  t.equal(toStatus(fail("invalid", "no", { reason: "AGENT_BANNED" }), logger).details, undefined);
  const foreign = msg(3, bytes(1, "type.googleapis.com/other.Type"), bytes(2, "x"));
  const known = msg(3, bytes(1, `x/${T}.PermissionDeniedDetails`), bytes(2, int(1, 4)));
  const odd: readonly [string, Uint8Array, string | undefined][] = [
    ["empty", new Uint8Array(), undefined],
    ["garbage", Buffer.from("ffff", "hex"), undefined],
    ["another type", foreign, undefined],
    ["another type first", Buffer.concat([foreign, known]), "AGENT_BANNED"],
    [
      "unknown reason",
      msg(3, bytes(1, `x/${T}.PermissionDeniedDetails`), bytes(2, int(1, 77))),
      undefined,
    ],
    ["no reason", msg(3, bytes(1, `x/${T}.PermissionDeniedDetails`)), undefined],
    [
      "malformed inside",
      msg(3, bytes(1, `x/${T}.PermissionDeniedDetails`), bytes(2, "\u00ff")),
      undefined,
    ],
  ];
  for (const [name, details, reason] of odd) {
    t.match(
      errorFromStatus({ code: 7, message: "no", details }),
      { kind: "denied", message: "no" },
      name,
    );
    t.equal(errorFromStatus({ code: 7, message: "no", details }).reason, reason, name);
  }
});
