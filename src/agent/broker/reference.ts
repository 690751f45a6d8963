import { errorFrom, fail, isKind } from "../../base/errors.ts";
import type { WorkloadPIDReference__Output } from "../../rpc/gen/spiffe/broker/WorkloadPIDReference.ts";
import type { WorkloadReference__Output } from "../../rpc/gen/spiffe/broker/WorkloadReference.ts";
import { messageType } from "../../rpc/protos.ts";
import {
  WORKLOAD_NOT_ENTITLED,
  WORKLOAD_NOT_FOUND,
  WORKLOAD_REFERENCE_INVALID,
} from "../../rpc/status.ts";
import { type Peer, openPeer } from "../peer/peer.ts";

/**
 * The process that a broker refers to, held from here on (SPIFFE Broker API §3.1, §4.8).
 * @param mayNamePids whether the caller may refer to processes where it comes from
 * @throws invalid for no reference, one of an unknown type or a broken one; not_found; denied
 */
export function referredProcess(
  { reference }: { readonly reference: WorkloadReference__Output | null },
  mayNamePids: boolean,
): Peer {
  const any = reference?.reference;
  if (any === undefined || any === null) throw invalid("the request names no workload");
  if (any.type_url !== PID_TYPE) {
    throw invalid(`workloads are referred to here by ${PID_TYPE} alone`);
  }
  if (!mayNamePids) {
    throw fail(
      "denied",
      "a process is named on the Unix socket; over TCP pidOverTcp must allow it",
    );
  }
  const pid = pidOf(any.value);
  try {
    return openPeer(pid);
  } catch (thrown) {
    if (isKind(thrown, "not_found")) throw gone(errorFrom(thrown).message);
    throw thrown;
  }
}

/** @returns what a stream for a process ends with when the process does */
export function gone(message: string): Error {
  return fail("not_found", message, { reason: WORKLOAD_NOT_FOUND });
}

export function notEntitled(message: string): Error {
  return fail("denied", message, { reason: WORKLOAD_NOT_ENTITLED });
}

function pidOf(bytes: Uint8Array): number {
  const { pid } = decodePid(bytes);
  if (pid > 0) return pid;
  throw invalid("a pid is above 0");
}

function decodePid(bytes: Uint8Array): WorkloadPIDReference__Output {
  try {
    return messageType(PID_NAME).decode(bytes) as WorkloadPIDReference__Output;
  } catch (thrown) {
    throw invalid(errorFrom(thrown).message);
  }
}

function invalid(message: string): Error {
  return fail("invalid", message, { reason: WORKLOAD_REFERENCE_INVALID });
}

const PID_NAME = "spiffe.broker.WorkloadPIDReference";
const PID_TYPE = `type.googleapis.com/${PID_NAME}`;
