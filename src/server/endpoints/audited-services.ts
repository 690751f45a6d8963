import { errorFrom } from "../../base/errors.ts";
import { requestIdOf } from "../../rpc/request-id.ts";
import { errorFromStatus } from "../../rpc/status.ts";
import type {
  CallContext,
  Gate,
  StreamContext,
  StreamHandler,
  UnaryHandler,
} from "../../rpc/service.ts";
import type { AuditTrail } from "../audit/audit-trail.ts";
import type { CallOrigin, CallScope } from "../audit/call-scope.ts";
import { adminActs, subjectOf } from "./admin-acts.ts";
import { rolesFor } from "./authorization.ts";
import { callerOf, provenIdOf } from "./caller.ts";
import { type Services, wrappedServices } from "./wrapped-services.ts";

export interface AuditedOptions {
  readonly trail: Pick<AuditTrail, "acted" | "denied" | "requireWritable">;
  readonly scope: CallScope;
}

/** The same services; what they sign is recorded with its caller, and so is what they change and whom they refuse. */
export function auditedServices(services: Services, options: AuditedOptions): Services {
  return wrappedServices(services, (handler, { path, requestStream, responseStream }) => {
    const duty = dutyOf(path);
    if (duty === undefined) return handler;
    return requestStream || responseStream
      ? auditedStream(handler as StreamHandler<object, object>, options)
      : auditedUnary(handler as UnaryHandler<object, object>, duty, options);
  });
}

/** The same gate; whom it turns away is recorded. */
export function auditedGate(
  gate: Gate,
  trail: AuditedOptions["trail"],
  addressOf: (label: string) => string | undefined,
): Gate {
  return async (method, call) => {
    // Known from here on, to the gate's own log as well.
    const requestId = requestIdOf(call);
    try {
      await gate(method, call);
    } catch (thrown) {
      const error = errorFrom(thrown);
      if (error.kind === "denied" || error.kind === "unauthenticated") {
        const address = addressOf(call.peer);
        const id = provenIdOf(call)?.toString();
        const caller = {
          role: "unknown",
          ...(id === undefined ? {} : { id }),
          ...(address === undefined ? {} : { address }),
        };
        await trail.denied({ method, requestId, caller }, error);
      }
      throw thrown;
    }
  };
}

/**
 * `signs`: its issuances record themselves. `acts`: an administrator changes something. `spends`: an agent uses up what
 * counts once. Others only read.
 */
type Duty = "signs" | "acts" | "spends";

function dutyOf(method: string): Duty | undefined {
  if (SIGNS.test(method)) return "signs";
  if (SPENDS.test(method)) return "spends";
  const roles = rolesFor(method);
  const administrative = roles.has("local") || roles.has("admin") || roles.has("downstream");
  return administrative && !READS.test(method) ? "acts" : undefined;
}

function auditedUnary(
  handler: UnaryHandler<object, object>,
  duty: Duty,
  { trail, scope }: AuditedOptions,
): UnaryHandler<object, object> {
  return async (request, call) => {
    const origin = originOf(call);
    if (duty !== "signs") await trail.requireWritable();
    let response: object;
    try {
      response = await scope.run(origin, () => handler(request, call));
    } catch (thrown) {
      const error = errorFrom(thrown);
      if (duty !== "acts") await noteRefusal(trail, origin, error, request);
      else {
        const { kind: outcome, message: reason } = error;
        await trail.acted(origin, [{ outcome, reason, subject: subjectOf(request) }]);
      }
      throw thrown;
    }
    if (duty === "signs") await noteRefusedItems(trail, origin, request, response);
    else await trail.acted(origin, adminActs(call.method, request, response));
    return response;
  };
}

function auditedStream(
  handler: StreamHandler<object, object>,
  { trail, scope }: AuditedOptions,
): StreamHandler<object, object> {
  return async (call: StreamContext<object, object>) => {
    const origin = originOf(call);
    try {
      await scope.run(origin, () => handler(call));
    } catch (thrown) {
      await noteRefusal(trail, origin, errorFrom(thrown), undefined);
      throw thrown;
    }
  };
}

async function noteRefusal(
  trail: AuditedOptions["trail"],
  origin: CallOrigin,
  error: ReturnType<typeof errorFrom>,
  request: object | undefined,
): Promise<void> {
  if (NO_REFUSALS.has(error.kind)) return;
  const { kind, reason, message, withheld } = error;
  await trail.denied(origin, { kind, reason, message: withheld ?? message }, subjectOf(request));
}

/** Items of a batch that were not signed. */
async function noteRefusedItems(
  trail: AuditedOptions["trail"],
  origin: CallOrigin,
  request: object,
  response: object,
): Promise<void> {
  const { results } = response as { readonly results?: readonly ItemResult[] };
  const { params } = request as { readonly params?: readonly object[] };
  if (!Array.isArray(results) || !Array.isArray(params)) return;
  const refusals = results.map(async ({ status }: ItemResult, index) => {
    if (status === null || status === undefined || status.code === 0) return;
    const { code = 2, message = "" } = status;
    await noteRefusal(trail, origin, errorFromStatus({ code, message }), params[index]);
  });
  await Promise.all(refusals);
}

interface ItemResult {
  readonly status?: { readonly code?: number; readonly message?: string } | null;
}

function originOf(call: CallContext): CallOrigin {
  const { role, id, remoteAddress } = callerOf(call);
  return {
    method: call.method,
    requestId: requestIdOf(call),
    caller: {
      role,
      ...(id === undefined ? {} : { id: id.toString() }),
      ...(remoteAddress === undefined ? {} : { address: remoteAddress }),
    },
  };
}

const SIGNS =
  /\/(AttestAgent|RenewAgent|NewDownstreamX509CA|NewCertificateBy[A-Za-z]+|(BatchNew|New|Mint)[A-Z0-9]+SVID)$/;
const SPENDS = /\/Spend$/;
const READS = /\/(Batch)?(Get|List|Count|Check)[A-Za-z0-9]*$/;
/** Trouble, not decisions. */
const NO_REFUSALS: ReadonlySet<string> = new Set([
  "cancelled",
  "deadline",
  "internal",
  "unavailable",
  "unsupported",
]);
