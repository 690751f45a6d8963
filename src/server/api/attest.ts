import type { AttestAgentRequest__Output } from "../../rpc/gen/spire/api/server/agent/v1/AttestAgentRequest.ts";
import type { AttestAgentResponse } from "../../rpc/gen/spire/api/server/agent/v1/AttestAgentResponse.ts";
import type { NodeAttestorServer } from "../../attestors/contract.ts";
import type { StreamContext, StreamHandler } from "../../rpc/service.ts";
import type { Issuance } from "../issuance/issuance.ts";
import type { Limits } from "../endpoints/limits.ts";
import type { NodeService } from "../nodes/node-service.ts";
import { type Clock, sleep } from "../../base/clock.ts";
import { type CertificateRequest, parseCsr } from "../../x509/csr.ts";
import { MAX_CSR_BYTES, bytesField, inField, textField } from "./fields.ts";
import { fail } from "../../base/errors.ts";
import { x509SvidMessage } from "./messages.ts";

export interface AttestDeps {
  readonly attestors: ReadonlyMap<string, NodeAttestorServer>;
  readonly nodes: NodeService;
  readonly issuance: Issuance;
  readonly limits: Limits;
  readonly clock: Clock;
}

type AttestCall = StreamContext<AttestAgentRequest__Output, AttestAgentResponse>;

/** AttestAgent: the agent's parameters, as many challenges as its attestor wants, then its first SVID. */
export function attestAgent(
  deps: AttestDeps,
): StreamHandler<AttestAgentRequest__Output, AttestAgentResponse> {
  return async (call) => {
    await deps.limits.attest(call);
    const requests = call.requests[Symbol.asyncIterator]();
    const { type, payload, csr } = parseParams(await nextRequest(deps.clock, requests, call));
    const attestor = deps.attestors.get(type);
    if (attestor === undefined) {
      throw fail("precondition", `data.type: no node attestor '${type}' is configured`);
    }
    let challenges = 0;
    const admission = await attestor.admit(payload, async (challenge) => {
      challenges += 1;
      if (challenges > MAX_CHALLENGES) throw fail("internal", "node attestor never ends");
      await call.send({ challenge });
      return parseAnswer(await nextRequest(deps.clock, requests, call));
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

function parseParams({ params }: AttestAgentRequest__Output): {
  type: string;
  payload: Uint8Array;
  csr: CertificateRequest;
} {
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
  return inField(name, () => parseCsr(bytesField(name, csr, MAX_CSR_BYTES)));
}

function parseAnswer({ challenge_response }: AttestAgentRequest__Output): Uint8Array {
  if (challenge_response === undefined) throw fail("invalid", "challenge_response: is missing");
  if (challenge_response.length > MAX_PAYLOAD_BYTES) {
    throw fail("invalid", `challenge_response: is longer than ${MAX_PAYLOAD_BYTES} bytes`);
  }
  return challenge_response;
}

/** A stream that says nothing is not kept open for long: nobody has proved anything on it yet. */
async function nextRequest(
  clock: Clock,
  requests: AsyncIterator<AttestAgentRequest__Output>,
  call: AttestCall,
): Promise<AttestAgentRequest__Output> {
  const answered = new AbortController();
  const silence = sleep(clock, MESSAGE_TIMEOUT_MS, answered.signal).then(() => {
    throw fail("deadline", `no message came within ${MESSAGE_TIMEOUT_MS / 1000} s`);
  });
  silence.catch(() => undefined); // lost the race: nobody waits for it any more
  try {
    const next = await Promise.race([requests.next(), silence]);
    if (next.done === true) {
      if (call.signal.aborted) throw fail("cancelled", "the agent ended the call");
      throw fail("invalid", "the stream ended before its next message");
    }
    return next.value;
  } finally {
    answered.abort();
  }
}

const MESSAGE_TIMEOUT_MS = 10_000;
const MAX_CHALLENGES = 8;
const MAX_PAYLOAD_BYTES = 64 * 1024;
const MAX_TYPE_LENGTH = 255;
