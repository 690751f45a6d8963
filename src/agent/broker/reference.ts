import type { PodReference } from "../../attestors/workload/kubernetes/pod-search.ts";
import { errorFrom, fail, isKind } from "../../base/errors.ts";
import type { KubernetesObjectReference__Output } from "../../rpc/gen/spiffe/broker/KubernetesObjectReference.ts";
import type { WorkloadPIDReference__Output } from "../../rpc/gen/spiffe/broker/WorkloadPIDReference.ts";
import type { WorkloadReference__Output } from "../../rpc/gen/spiffe/broker/WorkloadReference.ts";
import { messageType } from "../../rpc/protos.ts";
import {
  WORKLOAD_NOT_ENTITLED,
  WORKLOAD_NOT_FOUND,
  WORKLOAD_REFERENCE_INVALID,
} from "../../rpc/status.ts";
import { type Peer, openPeer } from "../peer/peer.ts";
import type { Broker } from "./broker-caller.ts";

/** What a broker refers to. */
export type Reference =
  | { readonly kind: "process"; readonly pid: number }
  | { readonly kind: "pod"; readonly pod: PodReference };

/**
 * Reads a reference (SPIFFE Broker API §3.1, §4.8).
 * @throws invalid for none, one of an unknown type or a broken one; denied where the broker may not refer to such
 */
export function readReference(
  { reference }: { readonly reference: WorkloadReference__Output | null },
  { mayNamePids, mayNamePods }: Pick<Broker, "mayNamePids" | "mayNamePods">,
): Reference {
  const any = reference?.reference;
  if (any === undefined || any === null) throw invalid("the request names no workload");
  if (any.type_url === PID_TYPE) {
    if (!mayNamePids) {
      throw fail(
        "denied",
        "a process is named on the Unix socket; over TCP pidOverTcp must allow it",
      );
    }
    return { kind: "process", pid: pidOf(any.value) };
  }
  if (any.type_url === OBJECT_TYPE) {
    const pod = podOf(any.value);
    if (mayNamePods) return { kind: "pod", pod };
    throw fail("denied", "the broker may not name pods; 'pods' of the agent's brokers allows it");
  }
  throw invalid(`workloads are referred to here by ${PID_TYPE} or ${OBJECT_TYPE}`);
}

/** The process, held from here on. @throws not_found */
export function holdProcess(pid: number): Peer {
  try {
    return openPeer(pid);
  } catch (thrown) {
    if (isKind(thrown, "not_found")) throw gone(errorFrom(thrown).message);
    throw thrown;
  }
}

/** @returns what a stream for a workload ends with when the workload does */
export function gone(message: string): Error {
  return fail("not_found", message, { reason: WORKLOAD_NOT_FOUND });
}

export function notEntitled(message: string): Error {
  return fail("denied", message, { reason: WORKLOAD_NOT_ENTITLED });
}

export function invalid(message: string): Error {
  return fail("invalid", message, { reason: WORKLOAD_REFERENCE_INVALID });
}

function pidOf(bytes: Uint8Array): number {
  const { pid } = decode(PID_NAME, bytes) as WorkloadPIDReference__Output;
  if (pid > 0) return pid;
  throw invalid("a pid is above 0");
}

/** The only kind of object whose identity a node knows: entries select pods, and the kubelet lists them. */
function podOf(bytes: Uint8Array): PodReference {
  const { type, key, uid } = decode(OBJECT_NAME, bytes) as KubernetesObjectReference__Output;
  if (type?.plural !== "pods" || type.group !== "core") {
    throw invalid("objects are referred to here by the type 'pods' of the group 'core' alone");
  }
  if (uid !== "" && !UUID.test(uid)) throw invalid("a uid is a UUID");
  if (key === null && uid === "") throw invalid("a pod is named by key, uid or both");
  if (key !== null && !(LABELS.test(key.name) && LABELS.test(key.namespace))) {
    throw invalid("the key of a pod has its namespace and its name");
  }
  return {
    ...(uid === "" ? {} : { uid: uid.toLowerCase() }),
    ...(key === null ? {} : { key: { namespace: key.namespace, name: key.name } }),
  };
}

/** @returns what the name says, whose type was made from the same declaration */
function decode(name: string, bytes: Uint8Array): unknown {
  try {
    return messageType(name).decode(bytes);
  } catch (thrown) {
    throw invalid(errorFrom(thrown).message);
  }
}

const PID_NAME = "spiffe.broker.WorkloadPIDReference";
const PID_TYPE = `type.googleapis.com/${PID_NAME}`;
const OBJECT_NAME = "spiffe.broker.KubernetesObjectReference";
const OBJECT_TYPE = `type.googleapis.com/${OBJECT_NAME}`;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** Names of pods and namespaces: DNS labels, for pods with dots between them. */
const LABELS = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;
