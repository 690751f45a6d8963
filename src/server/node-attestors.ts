/** The node attestors that a configuration asks for, by type. */
import { readFileSync, statSync } from "node:fs";
import { type JoinTokenLookup, joinTokenServer } from "../attestors/node/join-token/server.ts";
import { x509popServer } from "../attestors/node/x509pop/server.ts";
import type { NodeAttestorServer } from "../attestors/contract.ts";
import type { Clock } from "../base/clock.ts";
import { errorFrom, fail } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import type { ServerConfig, X509PopServerConfig } from "../config/server.ts";
import type { TrustDomain } from "../spiffe/trust-domain.ts";
import { type Certificate, parseCertificate } from "../x509/certificate.ts";
import { decodePem } from "../x509/pem.ts";

export interface NodeAttestorParts {
  readonly tokens: JoinTokenLookup;
  readonly trustDomain: TrustDomain;
  /** The own trust domain's authorities, as of now. */
  readonly ownRoots: () => readonly Certificate[];
  readonly clock: Clock;
  readonly random: Random;
}

/** @throws precondition when a file that an attestor needs is not there or not what it should be */
export function nodeAttestors(
  config: Pick<ServerConfig, "x509pop">,
  parts: NodeAttestorParts,
): ReadonlyMap<string, NodeAttestorServer> {
  const attestors = [joinTokenServer(parts.tokens, parts.clock)];
  if (config.x509pop !== undefined) attestors.push(x509pop(config.x509pop, parts));
  return new Map(attestors.map((attestor) => [attestor.type, attestor]));
}

function x509pop(config: X509PopServerConfig, parts: NodeAttestorParts): NodeAttestorServer {
  if (config.mode === "spiffe") {
    return x509popServer({ ...parts, mode: config.mode, roots: parts.ownRoots });
  }
  const roots = readRoots(config.caFile);
  return x509popServer({ ...parts, mode: config.mode, roots: () => roots });
}

function readRoots(file: string): readonly Certificate[] {
  try {
    if (statSync(file).size > MAX_CA_BYTES) throw fail("invalid", "it is too large");
    const roots = decodePem(readFileSync(file, "utf8"))
      .filter(({ label }) => label === "CERTIFICATE")
      .map(({ der }) => parseCertificate(der));
    if (roots.length === 0) throw fail("invalid", "there is no certificate in it");
    return roots;
  } catch (cause) {
    throw fail("precondition", `x509pop authorities ${file}: ${errorFrom(cause).message}`, {
      cause,
    });
  }
}

const MAX_CA_BYTES = 1024 * 1024;
