import type { AttestAgentRequest__Output } from "../../rpc/gen/spire/api/server/agent/v1/AttestAgentRequest.ts";
import type { AttestAgentResponse } from "../../rpc/gen/spire/api/server/agent/v1/AttestAgentResponse.ts";
import type { NodeAttestorServer } from "../../attestors/contract.ts";
import type { CallContext, StreamHandler } from "../../rpc/service.ts";
import type { Issuance } from "../issuance/issuance.ts";
import type { Limits } from "../endpoints/limits.ts";
import type { NodeService } from "../nodes/node-service.ts";
import type { Clock } from "../../base/clock.ts";
import { type CertificateRequest, parseCsr } from "../../x509/csr.ts";
import { MAX_CSR_BYTES, bytesField, inField, textField } from "./fields.ts";
import { type AssayError, errorFrom, fail, isKind } from "../../base/errors.ts";
import type { Logger } from "../../observe/logger.ts";
import { requestIdOf } from "../../rpc/request-id.ts";
import { nextRequest } from "./next-request.ts";
import { x509SvidMessage } from "./messages.ts";

export interface AttestDeps {
  readonly attestors: { get(type: string): NodeAttestorServer | undefined };
  readonly nodes: NodeService;
  readonly issuance: Issuance;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Aborted when the server begins to stop. */
  readonly stopping: AbortSignal;
}

/** AttestAgent: the agent's parameters, as many challenges as its attestor wants, then its first SVID. */
export function attestAgent(
  deps: AttestDeps,
): StreamHandler<AttestAgentRequest__Output, AttestAgentResponse> {
  return async (call) => {
    await deps.limits.attest(call);
    const requests = call.requests[Symbol.asyncIterator]();
    // A stream that says nothing is not kept open for long: nobody has proved anything on it yet.
    const next = () => nextRequest(requests, { ...deps, timeoutMs: MESSAGE_TIMEOUT_MS });
    const { type, payload, csr } = parseParams(await next());
    const attestor = deps.attestors.get(type);
    if (attestor === undefined) {
      throw fail("precondition", `data.type: no node attestor '${type}' is configured`);
    }
    let challenges = 0;
    const challengeAgent = async (challenge: Uint8Array): Promise<Uint8Array> => {
      challenges += 1;
      if (challenges > MAX_CHALLENGES) throw fail("internal", "node attestor never ends");
      await call.send({ challenge });
      return parseAnswer(await next());
    };
    const signal = AbortSignal.any([call.signal, deps.stopping]);
    const admission = await attestor
      .admit(payload, challengeAgent, signal)
      .catch((thrown: unknown) => {
        throw toldToStranger(thrown, type, call, deps.logger);
      });
    const svid = await deps.nodes.admit({
      admission,
      attestationType: type,
      publicKey: csr.publicKey,
      issue: (spiffeId) => deps.issuance.agentX509({ spiffeId, csr }),
    });
    await call.send({
      result: { svid: x509SvidMessage(svid), reattestable: admission.canReattest },
    });
  };
}

/**
 * Whoever attests has proved nothing yet. What is wrong with its proof it may know; what is wrong here (a file, an
 * issuer, a cluster's API) stands in the log, under the request's ID.
 */
function toldToStranger(
  thrown: unknown,
  type: string,
  call: Pick<CallContext, "metadata" | "store">,
  logger: Logger,
): AssayError {
  const error = errorFrom(thrown);
  if (!isKind(error, "unavailable", "deadline", "precondition", "unauthenticated")) return error;
  const requestId = requestIdOf(call);
  logger.warn("a node's proof could not be checked", { attestor: type, error, requestId });
  return fail(
    "unavailable",
    `${type}: the proof cannot be checked now; the server's log says why (request ${requestId})`,
    { cause: error },
  );
}

function parseParams(request: AttestAgentRequest__Output | undefined): {
  type: string;
  payload: Uint8Array;
  csr: CertificateRequest;
} {
  const { params } = requirePresent(request);
  if (params === undefined || params === null) throw fail("invalid", "params: is missing");
  if (params.data === null) throw fail("invalid", "params.data: is missing");
  if (params.params === null) throw fail("invalid", "params.params: is missing");
  const { type, payload } = params.data;
  if (type === "") throw fail("invalid", "params.data.type: is missing");
  return {
    type: textField("params.data.type", type, MAX_TYPE_LENGTH),
    payload: bytesField("params.data.payload", payload, MAX_PAYLOAD_BYTES),
    csr: parseCsrField("params.params.csr", params.params.csr),
  };
}

/** @throws invalid, naming the field */
export function parseCsrField(name: string, csr: Uint8Array): CertificateRequest {
  const bytes = bytesField(name, csr, MAX_CSR_BYTES);
  return inField(name, () => parseCsr(bytes));
}

function parseAnswer(request: AttestAgentRequest__Output | undefined): Uint8Array {
  const { challenge_response } = requirePresent(request);
  if (challenge_response === undefined) throw fail("invalid", "challenge_response: is missing");
  if (challenge_response.length > MAX_PAYLOAD_BYTES) {
    throw fail("invalid", `challenge_response: is longer than ${MAX_PAYLOAD_BYTES} bytes`);
  }
  return challenge_response;
}

function requirePresent<T>(request: T | undefined): T {
  if (request === undefined) throw fail("invalid", "the stream ended before its next message");
  return request;
}

const MESSAGE_TIMEOUT_MS = 10_000;
const MAX_CHALLENGES = 8;
const MAX_PAYLOAD_BYTES = 64 * 1024;
const MAX_TYPE_LENGTH = 255;
