/** RFC 8555 §8.3, and for addresses RFC 8738 §4. */
import type { IncomingMessage } from "node:http";
import { type Socket, isIP } from "node:net";
import { type TLSSocket, connect as connectTls } from "node:tls";
import { get } from "../../../../base/node-http.ts";
import { readAtMost } from "../../../../base/read-at-most.ts";
import type { AcmeIdentifier } from "../contract.ts";
import { type DialTools, dial, handshake } from "./dial.ts";
import { refuse, shown } from "./refusal.ts";

export interface Http01Params {
  readonly identifier: AcmeIdentifier;
  readonly token: string;
  readonly keyAuthorization: string;
}

export interface Http01Tools extends DialTools {
  readonly httpPort: number;
  readonly httpsPort: number;
  readonly redirects: number;
}

/**
 * Fetches the key authorization. Redirects lead to another host or to https, never to another document: whoever chooses
 * where they lead must not choose what is asked there.
 * @throws refuse: `dns`, `connection`, `tls`, `unauthorized` when nothing is there, `incorrectResponse` for another thing
 */
export async function checkHttp01(params: Http01Params, tools: Http01Tools): Promise<void> {
  const path = `/.well-known/acme-challenge/${params.token}`;
  let place: Place = { scheme: "http", host: params.identifier.value };
  for (let redirects = 0; ; redirects++) {
    const answer = await fetchOnce(place, path, tools);
    if (answer.kind === "body") {
      if (answer.text.trimEnd() === params.keyAuthorization) return;
      throw refuse(
        "incorrectResponse",
        `${nameOf(place)} shows something that is not the key authorization`,
      );
    }
    if (redirects >= tools.redirects) {
      throw refuse(
        "connection",
        `${nameOf(place)} redirects once more, after ${redirects} redirects`,
      );
    }
    place = redirected(place, answer.location, path, tools);
  }
}

interface Place {
  readonly scheme: "http" | "https";
  /** A DNS name, or an address without brackets. */
  readonly host: string;
}

type Answer =
  | { readonly kind: "body"; readonly text: string }
  | { readonly kind: "redirect"; readonly location: string };

async function fetchOnce(place: Place, path: string, tools: Http01Tools): Promise<Answer> {
  const { signal } = tools;
  const plain = await dial(place.host, portOf(place, tools), tools);
  // Errors come out where something waits for them.
  plain.on("error", ignore);
  try {
    const socket = place.scheme === "https" ? await startTls(plain, place) : plain;
    const answer = await request(socket, place, path, tools);
    return await readAnswer(answer, place);
  } catch (thrown) {
    signal.throwIfAborted();
    throw thrown;
  } finally {
    plain.destroy();
  }
}

/** Whoever answers is proven by what it shows, not by a certificate: it may be there to get its first. */
async function startTls(plain: Socket, place: Place): Promise<TLSSocket> {
  const socket = connectTls({
    socket: plain,
    ...(isIP(place.host) === 0 ? { servername: place.host } : {}),
    ALPNProtocols: ["http/1.1"],
    minVersion: "TLSv1.2",
    rejectUnauthorized: false,
  });
  try {
    await handshake(socket);
    return socket;
  } catch (cause) {
    socket.destroy();
    throw refuse("tls", `${nameOf(place)} does not complete a TLS handshake`, cause);
  }
}

async function request(
  socket: Socket,
  place: Place,
  path: string,
  tools: Http01Tools,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const call = get({
    createConnection: () => socket,
    path,
    signal: tools.signal,
    maxHeaderSize: MAX_HEADER_BYTES,
    headers: {
      host: hostHeader(place, portOf(place, tools)),
      accept: "*/*",
      "accept-encoding": "identity",
      "user-agent": "assay-acme-validation",
      connection: "close",
    },
  });
  call.on("response", resolve);
  call.on("upgrade", () => reject(new Error("it changes protocols")));
  call.on("error", reject);
  try {
    return await promise;
  } catch (cause) {
    throw refuse("connection", `${nameOf(place)} does not answer as HTTP servers do`, cause);
  }
}

async function readAnswer(answer: IncomingMessage, place: Place): Promise<Answer> {
  const { statusCode: status = 0, headers } = answer;
  if (REDIRECTS.has(status)) {
    if (headers.location !== undefined) return { kind: "redirect", location: headers.location };
    throw refuse("connection", `${nameOf(place)} redirects without saying where to`);
  }
  if (status !== 200) {
    throw refuse(
      "unauthorized",
      `${nameOf(place)} answers with status ${status}, not with the key authorization`,
    );
  }
  const bytes = await readAtMost(answer, MAX_BODY_BYTES).catch((cause: unknown) => {
    throw refuse("connection", `${nameOf(place)} breaks off its answer`, cause);
  });
  if (bytes === undefined) {
    throw refuse(
      "incorrectResponse",
      `${nameOf(place)} answers with more than ${MAX_BODY_BYTES} bytes`,
    );
  }
  return { kind: "body", text: Buffer.from(bytes).toString("latin1") };
}

function redirected(from: Place, location: string, path: string, tools: Http01Tools): Place {
  const url = URL.parse(location, `${from.scheme}://${bracketed(from.host)}`);
  const refused = (why: string): Error =>
    refuse(
      "connection",
      `${nameOf(from)} redirects to '${shown(location)}', which is not followed: ${why}`,
    );
  if (url === null) throw refused("it is no address");
  if (url.protocol !== "http:" && url.protocol !== "https:")
    throw refused("it is not http or https");
  const place: Place = {
    scheme: url.protocol === "http:" ? "http" : "https",
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
  };
  const port = portOf(place, tools);
  const standard = place.scheme === "http" ? 80 : 443;
  // Where ports are configured, a server behind them may well name the standard ones: those are meant then.
  const named = url.port === "" ? standard : Number(url.port);
  if (named !== port && named !== standard) throw refused(`its port is not ${port}`);
  if (url.username !== "" || url.password !== "") throw refused("it holds a user name");
  if (url.pathname !== path || url.search !== "") throw refused("it leads to another document");
  return place;
}

function portOf({ scheme }: Place, { httpPort, httpsPort }: Http01Tools): number {
  return scheme === "http" ? httpPort : httpsPort;
}

function hostHeader({ scheme, host }: Place, port: number): string {
  const name = bracketed(host);
  return port === (scheme === "http" ? 80 : 443) ? name : `${name}:${port}`;
}

function bracketed(host: string): string {
  return isIP(host) === 6 ? `[${host}]` : host;
}

function nameOf({ scheme, host }: Place): string {
  return `${scheme}://${shown(bracketed(host))}`;
}

function ignore(): void {
  // Whoever waits for the socket is told by its request.
}

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const MAX_HEADER_BYTES = 16 * 1024;
/** A key authorization has 87 characters with a token of 43. */
const MAX_BODY_BYTES = 1024;
