import { orAborted } from "../../../base/abort.ts";
import { fail } from "../../../base/errors.ts";
import { SocketHttp } from "./get-json.ts";

/** What a container engine says of a container. */
export interface ContainerDetails {
  /** Without the leading slash. */
  readonly name: string;
  /** The image as it was named when the container was made; may be empty. */
  readonly image: string;
  /** The image that it was made from, `sha256:...`; empty when the engine does not say. */
  readonly imageDigest: string;
  readonly labels: ReadonlyMap<string, string>;
  /** `NAME=value`. */
  readonly env: readonly string[];
}

/** The Docker Engine API, as Docker and Podman speak it, on a Unix socket. */
export class Engine implements Disposable {
  readonly #http: SocketHttp;
  /** Found out by one request for all: an engine starts its runtimes to answer it, once for each time that it is asked. */
  #version: Promise<string> | undefined;

  constructor(socket: string) {
    this.#http = new SocketHttp(socket);
  }

  get socket(): string {
    return this.#http.socket;
  }

  /**
   * `undefined` when the engine has no such container.
   * @param containerId 64 hex digits
   * @param signal the end of the patience with the engine: who waits for its version as well is told the same
   * @throws unavailable, unsupported; what the signal is aborted with
   */
  async inspect(containerId: string, signal: AbortSignal): Promise<ContainerDetails | undefined> {
    this.#version ??= this.#negotiate(signal);
    const version = this.#version;
    try {
      const path = `/v${await orAborted(version, signal)}/containers/${containerId}/json`;
      const { status, body } = await this.#http.get(path, signal);
      if (status === 404) return undefined;
      if (status !== 200) throw refused(this.socket, status, body);
      return detailsOf(body, containerId, this.socket);
    } catch (thrown) {
      // It may come back as another version.
      if (this.#version === version) this.#version = undefined;
      throw thrown;
    }
  }

  [Symbol.dispose](): void {
    this.#http[Symbol.dispose]();
  }

  /** The newest version that both know. */
  async #negotiate(signal: AbortSignal): Promise<string> {
    const { status, body } = await this.#http.get("/version", signal);
    if (status !== 200) throw refused(this.socket, status, body);
    const newest = textAt(body, "ApiVersion");
    const oldest = textAt(body, "MinAPIVersion") || newest;
    if (!VERSION.test(newest) || !VERSION.test(oldest)) {
      throw fail("unavailable", `the engine at ${this.socket} names no version of its API`);
    }
    if (compareVersions(oldest, NEWEST_API) > 0 || compareVersions(newest, OLDEST_API) < 0) {
      throw fail(
        "unsupported",
        `the engine at ${this.socket} speaks versions ${oldest} to ${newest} of its API; known are ${OLDEST_API} to ${NEWEST_API}`,
      );
    }
    return compareVersions(newest, NEWEST_API) > 0 ? NEWEST_API : newest;
  }
}

function detailsOf(body: unknown, containerId: string, socket: string): ContainerDetails {
  // Engines also find a container by its name, and a name may be 64 hex digits.
  if (textAt(body, "Id") !== containerId) {
    throw fail("unavailable", `the engine at ${socket} answered for another container`);
  }
  const config = at(body, "Config");
  const labels = new Map<string, string>();
  for (const [key, value] of Object.entries(objectOf(at(config, "Labels")))) {
    if (typeof value === "string") labels.set(key, value);
  }
  const image = textAt(body, "Image");
  const env = at(config, "Env");
  return {
    name: textAt(body, "Name").replace(/^\//, ""),
    image: textAt(config, "Image"),
    // Podman before 4.3 gives the name of the image here.
    imageDigest: DIGEST.test(image) ? image : "",
    labels,
    env: Array.isArray(env) ? env.filter((line) => typeof line === "string") : [],
  };
}

function refused(socket: string, status: number, body: unknown): Error {
  const said = textAt(body, "message").trim().slice(0, MAX_SAID);
  const why = said === "" ? "" : `: ${JSON.stringify(said).slice(1, -1)}`;
  return fail("unavailable", `the engine at ${socket} answered with status ${status}${why}`);
}

function compareVersions(a: string, b: string): number {
  const [aMajor = 0, aMinor = 0] = a.split(".").map(Number);
  const [bMajor = 0, bMinor = 0] = b.split(".").map(Number);
  return aMajor - bMajor || aMinor - bMinor;
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  // Own keys of a parsed JSON value.
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function at(value: unknown, key: string): unknown {
  const object = objectOf(value);
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

function textAt(value: unknown, key: string): string {
  const text = at(value, key);
  return typeof text === "string" ? text : "";
}

const DIGEST = /^sha256:[0-9a-f]{64}$/;
const VERSION = /^\d{1,3}\.\d{1,3}$/;
/** Docker 1.12 (2016); what is read here has been so since. */
const OLDEST_API = "1.24";
/** Docker 29 (2025). */
const NEWEST_API = "1.52";
const MAX_SAID = 200;
