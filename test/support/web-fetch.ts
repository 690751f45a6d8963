/** `fetch` with TLS authorities of a test, or over a Unix socket: what Node's own cannot be told. */
import { type IncomingMessage, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";

export interface WebPeer {
  /** PEM. */
  readonly ca?: string;
  readonly socketPath?: string;
}

/** What `fetch` takes of a request here. */
export interface WebRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One GET without redirects; rejects as the network or TLS does. */
export function webFetch({
  ca,
  socketPath,
}: WebPeer = {}): (url: string, options?: WebRequest) => Promise<Response> {
  return async (url, { method = "GET", headers = {} } = {}) => {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const request = url.startsWith("https:") ? httpsRequest : httpRequest;
    request(
      url,
      {
        method,
        headers,
        agent: false,
        ...(ca === undefined ? {} : { ca }),
        ...(socketPath === undefined ? {} : { socketPath }),
      },
      resolve,
    )
      .on("error", reject)
      .end();
    const answer = await promise;
    const chunks: Buffer[] = [];
    for await (const chunk of answer) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const status = answer.statusCode ?? 0;
    const named = Object.entries(answer.headers).map(([name, value]) => [name, String(value)]);
    return new Response(body.length === 0 || status === 304 ? null : body, {
      status,
      headers: Object.fromEntries(named) as Record<string, string>,
    });
  };
}
