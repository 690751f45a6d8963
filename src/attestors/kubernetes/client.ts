/** A small client for Kubernetes, and for what speaks like it: JSON over HTTPS, every answer bounded in size and time, redirects not followed. */
import type { Agent, IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { isIP } from "node:net";
import { checkServerIdentity } from "node:tls";
import { Agent as HttpAgent, request as httpRequest } from "../../base/node-http.ts";
import type { Clock } from "../../base/clock.ts";
import { AssayError, fail } from "../../base/errors.ts";
import { isObject } from "../../base/is-object.ts";
import { readAtMost } from "../../base/read-at-most.ts";
import type { KubernetesConnection } from "./connection.ts";
import { type Credentials, CredentialReader } from "./credentials.ts";

export interface KubernetesClientOptions {
  readonly connection: KubernetesConnection;
  readonly clock: Clock;
  /** For one answer. Default: 5 s. */
  readonly deadlineMs?: number;
  /** Default: 4 MiB. */
  readonly maxAnswerBytes?: number;
}

export interface KubernetesRequest {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  /** With its query, from the root: `/api/v1/nodes/n1`. */
  readonly path: string;
  readonly body?: object;
  /** Server-side apply, which creates what is missing and conflicts with other owners of a field. */
  readonly isApply?: true;
  readonly signal?: AbortSignal;
}

export interface KubernetesAnswer {
  readonly status: number;
  /** Whatever JSON it was; an empty object where it was none and the status is no success. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** One API server or kubelet. Connections are kept and few. */
export class KubernetesClient implements Disposable {
  readonly #options: KubernetesClientOptions;
  readonly #credentials: CredentialReader;
  #transport: Transport | undefined;

  constructor(options: KubernetesClientOptions) {
    this.#options = options;
    this.#credentials = new CredentialReader(options.connection);
  }

  /** As operators know it. */
  get server(): string {
    return this.#options.connection.server;
  }

  /**
   * @throws unavailable when there is no answer, or one that is too long or no JSON; unauthenticated when the server's
   * certificate is not accepted; precondition when a credential file cannot be read; deadline
   */
  async ask(request: KubernetesRequest): Promise<KubernetesAnswer> {
    const { clock, deadlineMs = DEADLINE_MS } = this.#options;
    const deadline = new AbortController();
    const cancel = clock.after(deadlineMs, () =>
      deadline.abort(fail("deadline", `${this.server} did not answer within ${deadlineMs} ms`)),
    );
    const signal =
      request.signal === undefined
        ? deadline.signal
        : AbortSignal.any([request.signal, deadline.signal]);
    try {
      const credentials = await this.#credentials.read();
      signal.throwIfAborted();
      return await this.#send(request, credentials, signal).catch((thrown: unknown) => {
        if (!(thrown instanceof StaleConnection)) throw thrown;
        // Once: the next one is new, or was not closed by the same restart.
        return this.#send(request, credentials, signal);
      });
    } catch (cause) {
      signal.throwIfAborted();
      if (cause instanceof AssayError) throw cause;
      const code = codeOf(cause) ?? "connection failed";
      if (isCertificateError(code)) {
        throw fail("unauthenticated", `${this.server}: its certificate is not accepted (${code})`, {
          cause,
        });
      }
      throw fail("unavailable", `${this.server} cannot be reached (${code})`, { cause });
    } finally {
      cancel();
    }
  }

  [Symbol.dispose](): void {
    this.#transport?.agent.destroy();
    this.#transport = undefined;
  }

  #send(
    { method, path, body, isApply }: KubernetesRequest,
    credentials: Credentials,
    signal: AbortSignal,
  ): Promise<KubernetesAnswer> {
    const url = new URL(path, this.server);
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = {
      accept: "application/json",
      "user-agent": "assay",
      ...(credentials.token === undefined ? {} : { authorization: `Bearer ${credentials.token}` }),
      ...(text === undefined
        ? {}
        : {
            "content-type": contentType(method, isApply),
            "content-length": Buffer.byteLength(text),
          }),
    };
    const agent = this.#agentFor(credentials);
    const send = url.protocol === "https:" ? httpsRequest : httpRequest;
    return new Promise<KubernetesAnswer>((resolve, reject) => {
      const call = send(url, { method, headers, agent, signal }, (answer) => {
        this.#read(answer).then(resolve, (thrown: unknown) => {
          answer.destroy();
          reject(thrown);
        });
      });
      call.on("error", (thrown) =>
        reject(call.reusedSocket ? new StaleConnection(thrown) : thrown),
      );
      call.end(text);
    });
  }

  async #read(answer: IncomingMessage): Promise<KubernetesAnswer> {
    const { maxAnswerBytes = MAX_ANSWER_BYTES } = this.#options;
    const bytes = await readAtMost(answer, maxAnswerBytes);
    if (bytes === undefined) {
      throw fail("unavailable", `${this.server} answered with more than ${maxAnswerBytes} bytes`);
    }
    const status = answer.statusCode ?? 0;
    // RFC 9110 §15.3.5: without content.
    if (status === 204) return { status, body: {} };
    const body = parseObject(new TextDecoder().decode(bytes));
    if (body === undefined && status >= 200 && status < 300) {
      throw fail("unavailable", `${this.server} answered with something that is no JSON object`);
    }
    return { status, body: body ?? {} };
  }

  /** Connections know one set of credentials; renewed ones get connections of their own. */
  #agentFor({ tls }: Credentials): Agent | HttpsAgent {
    const held = this.#transport;
    if (held !== undefined && held.tls === tls) return held.agent;
    const { server, serverName, isUnverified } = this.#options.connection;
    const pool = { keepAlive: true, maxSockets: MAX_SOCKETS, scheduling: "lifo" as const };
    const agent = server.startsWith("https:")
      ? new HttpsAgent({
          ...pool,
          ...tls,
          minVersion: "TLSv1.2",
          rejectUnauthorized: isUnverified !== true,
          ...(serverName === undefined
            ? {}
            : {
                ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
                checkServerIdentity: (_host, certificate) =>
                  checkServerIdentity(serverName, certificate),
              }),
        })
      : new HttpAgent(pool);
    // What is under way fails and is asked again; what is idle would wait for the server to close it.
    held?.agent.destroy();
    this.#transport = { tls, agent };
    return agent;
  }
}

function contentType(method: string, isApply: true | undefined): string {
  if (method !== "PATCH") return "application/json";
  // JSON is YAML.
  return isApply === true ? "application/apply-patch+yaml" : "application/merge-patch+json";
}

/** What the server said was wrong, for an operator: its status and its own sentence. */
export function refusalOf({ status, body }: KubernetesAnswer): string {
  const message = body["message"];
  return typeof message === "string" && message !== ""
    ? `status ${status}: ${message.slice(0, MAX_MESSAGE).replaceAll(/\p{Cc}/gu, " ")}`
    : `status ${status}`;
}

/** A kept connection that the server closed as it was used again. What is asked here may be asked twice. */
class StaleConnection extends Error {
  constructor(cause: Error) {
    super("a kept connection was closed", { cause });
  }
}

interface Transport {
  readonly tls: Credentials["tls"];
  readonly agent: Agent | HttpsAgent;
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined; // the caller names the server
  }
}

function codeOf(thrown: unknown): string | undefined {
  const error = thrown instanceof StaleConnection ? thrown.cause : thrown;
  return (error as NodeJS.ErrnoException).code;
}

/** OpenSSL's verify codes and Node's own for a name that does not fit. */
function isCertificateError(code: string): boolean {
  return /CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS_/.test(code);
}

const DEADLINE_MS = 5000;
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
const MAX_SOCKETS = 8;
const MAX_MESSAGE = 300;
