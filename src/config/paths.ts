import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fail } from "../base/errors.ts";

/** Who asks and with which environment; injected so that tests ask as anybody. */
export interface PathContext {
  readonly uid: number;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface DefaultPaths {
  /** The server's admin socket. */
  readonly serverSocket: string;
  /** The Workload API socket; in a folder of its own, since workloads mount that folder. */
  readonly agentSocket: string;
  readonly serverData: string;
  readonly agentData: string;
  readonly devData: string;
  /** Folder for sockets. */
  readonly runtime: string;
}

/** Root's processes use the system's folders, everybody else's the XDG ones (XDG Base Directory §3). */
export function defaultPaths({ uid, env }: PathContext): DefaultPaths {
  const root = uid === 0;
  const runtime = root ? "/run/assay" : userRuntime(uid, env);
  const home = env["HOME"] ?? homedir();
  const userState = join(absolute(env["XDG_STATE_HOME"]) ?? join(home, ".local/state"), "assay");
  const state = root ? "/var/lib/assay" : userState;
  return {
    runtime,
    serverSocket: join(runtime, "server.sock"),
    agentSocket: join(runtime, "agent/api.sock"),
    serverData: join(state, "server"),
    agentData: join(state, "agent"),
    devData: join(userState, "dev"),
  };
}

/** The bound of `sockaddr_un.sun_path`, terminating NUL included: Linux 108, macOS and the BSDs 104. */
export function checkSocketPath(path: string, option: string): string {
  const length = Buffer.byteLength(path);
  const most = (process.platform === "linux" ? 108 : 104) - 1;
  if (length > most) {
    throw fail(
      "invalid",
      `${option}: the socket path has ${length} bytes and the system allows ${most}; choose a shorter one: ${path}`,
    );
  }
  return path;
}

/**
 * Takes `unix:///path` and `unix:/path` (SPIFFE Workload Endpoint §4), or a path, which may be relative.
 * @throws invalid
 */
export function socketPathOf(text: string, option: string): string {
  if (text.startsWith("tcp:")) {
    throw fail("invalid", `${option}: TCP endpoints are not served; give unix:///path`);
  }
  const path = text.startsWith("unix:") ? unixUriPath(text, option) : resolve(text);
  if (!path.startsWith("/")) {
    throw fail(
      "invalid",
      `${option}: '${text}' has a relative path; write unix:///path or a plain path`,
    );
  }
  return checkSocketPath(path, option);
}

function unixUriPath(text: string, option: string): string {
  const rest = text.slice("unix:".length);
  if (!rest.startsWith("//")) return rest;
  if (!rest.startsWith("///")) {
    throw fail(
      "invalid",
      `${option}: '${text}' names a host; write unix:///path with three slashes`,
    );
  }
  return rest.slice(2);
}

function userRuntime(uid: number, env: PathContext["env"]): string {
  const given = absolute(env["XDG_RUNTIME_DIR"]);
  // Without a session (ssh, cron, containers): a folder in the temporary one, made 0700 and checked before use.
  return given === undefined ? join(tmpdir(), `assay-${uid}`) : join(given, "assay");
}

/** XDG says that relative paths are to be ignored. */
function absolute(path: string | undefined): string | undefined {
  return path?.startsWith("/") === true ? path : undefined;
}
