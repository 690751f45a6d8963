import { request } from "../../../base/node-http.ts";
import { toBase64Url } from "../../../base/bytes.ts";
import type { Clock } from "../../../base/clock.ts";
import { fail } from "../../../base/errors.ts";
import type { Random } from "../../../base/random.ts";
import type { NodeAttestorServer } from "../../contract.ts";
import {
  HTTP_CHALLENGE_TYPE,
  type HttpChallengePlace,
  challengePath,
  encodeNonce,
  parsePlace,
} from "./payload.ts";

export interface HttpChallengeServerOptions {
  /** ECMAScript patterns; the whole host name must match one. */
  readonly allowedDnsPatterns: readonly string[];
  readonly requiredPort?: number;
  /** Also ports from 1024 on, which any process of the host may listen on. */
  readonly allowNonRootPorts: boolean;
  /** A host attests once, until an operator evicts its agent. */
  readonly tofu: boolean;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * The server's half of `http_challenge`: the host that a DNS name leads to may become the one agent of that name. The
 * server goes nowhere that the operator has not allowed, and whoever asked learns nothing of what it met there.
 * @throws invalid for a pattern that is none; precondition when anyone on a host could attest it again and again
 */
export function httpChallengeServer(options: HttpChallengeServerOptions): NodeAttestorServer {
  const { requiredPort, allowNonRootPorts, tofu, random } = options;
  const patterns = options.allowedDnsPatterns.map(wholePattern);
  const anyPort = requiredPort === undefined ? allowNonRootPorts : requiredPort >= FIRST_FREE_PORT;
  if (!tofu && anyPort) {
    throw fail(
      "precondition",
      "http_challenge without tofu needs a port below 1024, which root alone may listen on; set requiredPort or allowNonRootPorts: false",
    );
  }
  return {
    type: HTTP_CHALLENGE_TYPE,
    async admit(payload, challenge, signal) {
      const place = parsePlace(payload);
      const { hostname, port } = place;
      if (requiredPort !== undefined && port !== requiredPort) {
        throw fail("denied", `http_challenge port is not ${requiredPort}`);
      }
      if (!allowNonRootPorts && port >= FIRST_FREE_PORT) {
        throw fail("denied", `http_challenge port is not below ${FIRST_FREE_PORT}`);
      }
      // The server itself: a pattern that happens to match it has not meant it.
      const isMeant = !LOOPBACK.test(hostname) || options.allowedDnsPatterns.includes(hostname);
      if (!isMeant || !patterns.some((pattern) => pattern.test(hostname))) {
        throw fail("denied", "http_challenge hostname is none that the server allows");
      }
      const nonce = `${toBase64Url(random.bytes(NONCE_BYTES))}=`;
      await challenge(encodeNonce(nonce));
      if ((await ask(place, options.clock, signal)) !== nonce) {
        throw fail("denied", `http_challenge: ${hostname} does not show the nonce`);
      }
      return {
        agentPath: `/spire/agent/${HTTP_CHALLENGE_TYPE}/${hostname}`,
        selectors: [{ type: HTTP_CHALLENGE_TYPE, value: `hostname:${hostname}` }],
        canReattest: !tofu,
        ...(tofu ? { firstUseOnly: true } : {}),
      };
    },
  };
}

function wholePattern(pattern: string): RegExp {
  try {
    return new RegExp(`^(?:${pattern})$`);
  } catch (cause) {
    throw fail("invalid", `http_challenge: '${pattern}' is not a pattern`, { cause });
  }
}

/** What is shown there, or undefined. One answer for every way in which it can fail: the server is nobody's scanner. */
async function ask(
  { hostname, port, agentname }: HttpChallengePlace,
  clock: Clock,
  signal: AbortSignal,
): Promise<string | undefined> {
  const deadline = new AbortController();
  const cancel = clock.after(TIMEOUT_MS, () => deadline.abort());
  try {
    return await get(hostname, port, challengePath(agentname), [signal, deadline.signal]);
  } catch {
    signal.throwIfAborted();
    return undefined;
  } finally {
    cancel();
  }
}

function get(
  host: string,
  port: number,
  path: string,
  signals: AbortSignal[],
): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const call = request(
      { host, port, path, agent: false, maxHeaderSize: 4096, signal: AbortSignal.any(signals) },
      (answer) => {
        let shown = "";
        answer.setEncoding("latin1");
        answer.on("error", reject);
        answer.on("end", () => resolve(answer.statusCode === 200 ? shown.trim() : undefined));
        answer.on("data", (part: string) => {
          shown += part;
          if (shown.length <= MAX_ANSWER) return;
          answer.destroy();
          resolve(undefined);
        });
      },
    );
    call.on("error", reject);
    call.end();
  });
}

const NONCE_BYTES = 32;
/** SPIRE reads as much. */
const MAX_ANSWER = 64;
const TIMEOUT_MS = 10_000;
const FIRST_FREE_PORT = 1024;
const LOOPBACK = /(^|\.)localhost$/;
