import { connect } from "node:net";
import { AssayError, fail, isKind } from "../../base/errors.ts";
import { defaultPaths, socketPathOf } from "../../config/paths.ts";
import type { Channel } from "../../rpc/channel.ts";
import type { CommandContext } from "../program/command.ts";
import { type FieldNames, withFieldWords } from "../text/field-words.ts";
import type { OptionSpec } from "../program/grammar.ts";
import { afterNoIdentity } from "./no-identity.ts";
import { type Answerer, atWrongSocket } from "./who-answers.ts";

/** Takes a command to the server: its admin socket. */
export const SERVER_SOCKET_OPTION: OptionSpec = {
  name: "socket",
  value: "PATH",
  help: "the server's admin socket",
  env: "ASSAY_SERVER_SOCKET",
  fallback: "/run/assay/server.sock, or below $XDG_RUNTIME_DIR",
};

/** Takes a command to the agent: the Workload API, as any workload would. */
export const AGENT_SOCKET_OPTION: OptionSpec = {
  name: "socket",
  value: "PATH",
  help: "the agent's Workload API socket",
  env: "SPIFFE_ENDPOINT_SOCKET",
  fallback: "/run/assay/agent/api.sock, or below $XDG_RUNTIME_DIR",
};

export interface RpcClient extends Disposable {
  readonly socket: string;
  readonly channel: Channel;
  /**
   * One call; errors carry the next step.
   * @param listedBy the command that shows what there is, for the case that what was asked for is not
   * @param names the command's own names for the request's fields
   */
  call<Response extends object>(
    service: string,
    method: string,
    request: object,
    listedBy?: string,
    names?: FieldNames,
  ): Promise<Response>;
}

export function connectServer(
  { options, env, signal, output }: CommandContext,
  given = options.text("socket"),
): Promise<RpcClient> {
  const path = given ?? defaultPaths({ uid: currentUid(), env }).serverSocket;
  return connectTo("server", path, signal, { note: output.note });
}

export function connectAgent(
  { options, env, signal }: CommandContext,
  given = options.text("socket"),
): Promise<RpcClient> {
  const path = given ?? defaultPaths({ uid: currentUid(), env }).agentSocket;
  return connectTo("agent", path, signal);
}

/** @throws not_found, denied or unavailable when nobody answers there, saying what to do */
export async function connectTo(
  role: "server" | "agent",
  given: string,
  signal: AbortSignal,
  {
    note = () => undefined,
    meant = role,
  }: {
    readonly note?: (text: string) => void;
    /** Which of an agent's two sockets. */
    readonly meant?: Answerer;
  } = {},
): Promise<RpcClient> {
  const onWarning = (warning: string): void => note(`assay: warning: ${warning}`);
  const socket = socketPathOf(given, "--socket");
  const [{ connectUnix }] = await Promise.all([
    import("../../rpc/channel.ts"),
    probe(role, socket, meant),
  ]);
  const channel = connectUnix(socket);
  const metadata = role === "agent" ? WORKLOAD_HEADER : {};
  const substituted = new Map<string, string>();
  return {
    socket,
    channel,
    async call<Response extends object>(
      service: string,
      method: string,
      request: object,
      listedBy?: string,
      names?: FieldNames,
    ): Promise<Response> {
      try {
        const options = { signal, deadlineMs: DEADLINE_MS, metadata, onWarning };
        const known = substituted.get(service) ?? service;
        return await channel
          .unary<Response>(known, method, request, options)
          .catch((thrown: unknown) => {
            const other = SUBSTITUTES.get(known);
            if (other === undefined || !isKind(thrown, "unsupported")) throw thrown;
            substituted.set(service, other);
            return channel.unary<Response>(other, method, request, options);
          });
      } catch (raw) {
        const thrown = inWords(raw, names);
        if (listedBy !== undefined && isKind(thrown, "not_found")) {
          throw fail("not_found", `${thrown.message}; '${listedBy}' shows what there is`);
        }
        throw explained(await atWrongSocket(thrown, meant, socket, channel, signal), role, socket);
      }
    },
    [Symbol.dispose]: () => channel.close(),
  };
}

function inWords(thrown: unknown, names: FieldNames | undefined): unknown {
  if (!(thrown instanceof AssayError)) return thrown;
  const message = withFieldWords(thrown.message, names);
  if (message === thrown.message) return thrown;
  const { kind, reason } = thrown;
  return fail(kind, message, { cause: thrown, ...(reason === undefined ? {} : { reason }) });
}

export function currentUid(): number {
  return process.getuid?.() ?? 0;
}

/**
 * The same error with the next step, where the peer could not know it.
 * @param pid of a process that goes on, as an administrator of the host knows it
 */
export function explained(
  thrown: unknown,
  role: "server" | "agent",
  socket: string,
  pid?: number,
): unknown {
  if (!(thrown instanceof AssayError)) return thrown;
  if (thrown.kind === "unavailable") {
    if (NOBODY_THERE.test(thrown.message)) return gone(role, role, socket, thrown);
    return fail("unavailable", `the ${role} at ${socket} does not answer: ${thrown.message}`, {
      cause: thrown,
    });
  }
  if (thrown.kind === "deadline") {
    return fail("deadline", `the ${role} at ${socket} took longer than ${DEADLINE_MS / 1000} s`);
  }
  if (thrown.kind === "denied" && role === "agent" && /no identity/.test(thrown.message)) {
    return fail("denied", `${thrown.message}; ${afterNoIdentity(currentUid(), pid)}`);
  }
  return thrown;
}

/** Also while it is followed: the socket of a process that ended stays, or goes with it. */
function gone(
  role: "server" | "agent",
  meant: Answerer,
  socket: string,
  cause?: unknown,
): AssayError {
  const { start } = SOCKETS[meant];
  return fail(
    "unavailable",
    `nobody listens on ${socket}; the ${role} has stopped, start '${start}', or name another socket with --socket`,
    { cause },
  );
}

/** A plain connect first: its errno says more than a channel that keeps trying. */
function probe(role: "server" | "agent", socket: string, meant: Answerer): Promise<void> {
  const { what, start, variable } = SOCKETS[meant];
  return new Promise((resolve, reject) => {
    const connection = connect(socket);
    connection.on("connect", () => {
      connection.destroy();
      resolve();
    });
    connection.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") {
        reject(
          fail(
            "not_found",
            `there is no ${what} at ${socket}; start '${start}', or name the socket with --socket or ${variable}`,
          ),
        );
      } else if (error.code === "EACCES" || error.code === "EPERM") {
        const who =
          role === "server" ? "the user that runs the server" : "a user that may reach it";
        reject(fail("denied", `no permission to open ${socket}; run this command as ${who}`));
      } else if (error.code === "ECONNREFUSED" || error.code === "ENOTSOCK") {
        reject(gone(role, meant, socket));
      } else {
        reject(fail("unavailable", `cannot connect to ${socket} (${error.code ?? error.message})`));
      }
    });
  });
}

/** SPIFFE Workload Endpoint §6.2. */
export const WORKLOAD_HEADER: Readonly<Record<string, string>> = { "workload.spiffe.io": "true" };
export const WORKLOAD_API = "SpiffeWorkloadAPI";
/** As SPIRE has it, but that entries may federate with domains to come, and with all of them. */
export const ENTRY_SERVICE = "assay.entry.v1.Entry";
/** What a server of SPIRE's has in its place. */
const SUBSTITUTES: ReadonlyMap<string, string> = new Map([
  [ENTRY_SERVICE, "spire.api.server.entry.v1.Entry"],
]);
export const PLAN_SERVICE = "assay.entry.v1.Plan";
export const TEMPLATE_SERVICE = "assay.template.v1.Templates";
export const CLAIMS_SERVICE = "assay.claims.v1.Claims";
export const AGENT_SERVICE = "spire.api.server.agent.v1.Agent";
export const BUNDLE_SERVICE = "spire.api.server.bundle.v1.Bundle";
export const SVID_SERVICE = "spire.api.server.svid.v1.SVID";
const DEADLINE_MS = 30_000;
/** What a channel says that found no socket, or nobody behind it. */
const NOBODY_THERE = /^(nobody listens on|there is no socket at) /;

const SOCKETS: Readonly<Record<Answerer, { what: string; start: string; variable: string }>> = {
  server: { what: "server socket", start: "assay server", variable: "ASSAY_SERVER_SOCKET" },
  agent: { what: "agent socket", start: "assay agent", variable: "SPIFFE_ENDPOINT_SOCKET" },
  "agent-admin": {
    what: "agent's admin socket",
    start: "assay agent --admin-socket",
    variable: "ASSAY_AGENT_ADMIN_SOCKET",
  },
};
