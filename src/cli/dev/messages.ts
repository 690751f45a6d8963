import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { formatDuration } from "../../config/settings/duration.ts";
import { factLines, isoTime, timeText } from "../text/facts.ts";
import type { FetchedSvid } from "../fetch/svid.ts";
import type { Caller } from "./caller.ts";

export interface FirstSvidParams {
  readonly socket: string;
  readonly adminSocket: string;
  readonly state: string;
  readonly caller: Caller;
  readonly svid: FetchedSvid;
  readonly nowMs: number;
  /** Server and agent end after this. */
  readonly once: boolean;
}

/** What a newcomer reads: the one line to copy, who they are now, and what to try next. */
export function firstSvidLines(params: FirstSvidParams): string[] {
  const { socket, state, caller, svid, nowMs, once } = params;
  const user = `${caller.name} (uid ${caller.uid})`;
  return [
    once
      ? `A server and an agent ran, and end now. Without --once they stay, and every process of ${user} gets its identity with:`
      : `A server and an agent are running. Every process of ${user} gets its identity with:`,
    "",
    `  export SPIFFE_ENDPOINT_SOCKET=unix://${socket}`,
    "",
    ...factLines([
      ["SPIFFE ID", svid.spiffeId],
      ["serial", svid.serialNumber],
      ["key", svid.keyType],
      ["valid from", timeText(svid.notBefore, nowMs)],
      ["expires", timeText(svid.expiresAt, nowMs)],
      ["state", state],
    ]),
  ];
}

export function nextStepLines({
  adminSocket,
  agentAdminSocket,
}: {
  readonly adminSocket: string;
  readonly agentAdminSocket: string | undefined;
}): string[] {
  const assay = programName();
  return [
    "",
    "Try in another terminal, after that export:",
    `  ${assay} fetch x509                  # the same identity, as any program would get it`,
    `  ${assay} fetch jwt --audience demo   # a token for the audience 'demo'`,
    `  ${assay} entry list --socket ${adminSocket}`,
    ...(agentAdminSocket === undefined
      ? []
      : [
          `  ${assay} explain --pid $$ --socket ${agentAdminSocket}   # why a process has it, or not`,
        ]),
    "",
    "Following rotations; Ctrl-C ends.",
  ];
}

/** After Ctrl-C: what is over and what is left. */
export function endLines({ state }: { readonly state: string }): string[] {
  return [
    "",
    "Stopped the agent and the server; their sockets are gone.",
    `What they know stays in ${state}: start again to go on with it, remove it to begin anew.`,
  ];
}

export function rotationLine(svid: FetchedSvid, nowMs: number): string {
  const left = formatDuration(svid.expiresAt - nowMs / 1000);
  return `${isoTime(Math.floor(nowMs / 1000))}  rotated: serial ${svid.serialNumber}, expires in ${left}`;
}

/** As the person can type it here: `bin/assay` in a checkout, `assay` where it is installed. */
function programName(): string {
  const source = fileURLToPath(import.meta.url);
  if (!source.endsWith(".ts")) return "assay";
  return relative(process.cwd(), fileURLToPath(new URL("../../../bin/assay", import.meta.url)));
}
