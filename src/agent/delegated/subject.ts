import { fail } from "../../base/errors.ts";
import type { GrpcCall } from "../../rpc/grpc/call.ts";
import type { Selector__Output } from "../../rpc/gen/spire/api/types/Selector.ts";
import { type Selector, checkSelector } from "../../spiffe/selector.ts";
import type { Attestation } from "../attestation/attestation.ts";
import type { PeerWatch } from "../peer/peer-watch.ts";
import { type Peer, openPeer } from "../peer/peer.ts";

/** The workload that a delegate asks for: by its selectors, which are believed, or by its PID, which is attested. */
export interface SubjectRequest {
  readonly selectors: readonly Selector__Output[];
  readonly pid: number;
}

export interface SubjectOptions {
  readonly attestation: Attestation;
  readonly watch: PeerWatch;
  /** The process that a delegate named has ended: nothing more is for it. */
  readonly onGone: (reason: Error) => void;
}

export interface Subject extends Disposable {
  readonly selectors: readonly Selector[];
  /** Of the process; undefined for one named by selectors. */
  readonly pid: number | undefined;
}

/**
 * Finds out whom the request means. A process is held from here on, so that its PID cannot come to mean another one.
 * @throws invalid unless there is either a PID or selectors; not_found when there is no such process; unavailable when it
 * could not be attested
 */
export async function subjectOf(
  request: SubjectRequest,
  call: GrpcCall<Peer>,
  { attestation, watch, onGone }: SubjectOptions,
): Promise<Subject> {
  const { selectors, pid } = request;
  if (selectors.length > 0 === (pid !== 0)) {
    throw fail("invalid", "name the workload either by selectors or by its pid");
  }
  if (selectors.length > MAX_SELECTORS) {
    throw fail("invalid", `a workload has at most ${MAX_SELECTORS} selectors`);
  }
  if (pid === 0) {
    const given = selectors.map(({ type, value }) => checkSelector({ type, value }));
    return { selectors: given, pid: undefined, [Symbol.dispose]: () => undefined };
  }
  if (pid < 0) throw fail("invalid", "a pid is above 0");
  const peer = openPeer(pid);
  const forget = watch.add(peer, () => onGone(fail("not_found", `the process ${pid} has ended`)));
  const dispose = (): void => {
    forget();
    peer.release();
  };
  try {
    return { selectors: await attestation.attest(peer, call), pid, [Symbol.dispose]: dispose };
  } catch (thrown) {
    dispose();
    throw thrown;
  }
}

/** As many as an entry of the server's API may have, and more than any attestor gives. */
const MAX_SELECTORS = 1000;
