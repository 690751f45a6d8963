/** The attestors of hosts that have a DNS name or an SSH host certificate, as a configuration asks for them. */
import { readFileSync, statSync } from "node:fs";
import { AgentPathTemplate } from "../attestors/node/agent-path.ts";
import { httpChallengeServer } from "../attestors/node/http-challenge/server.ts";
import { SSHPOP_TYPE } from "../attestors/node/sshpop/payload.ts";
import { parseAuthorityLine, sshpopServer } from "../attestors/node/sshpop/server.ts";
import type { NodeAttestorServer } from "../attestors/contract.ts";
import type { Clock } from "../base/clock.ts";
import { errorFrom, fail } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import type { ServerConfig } from "../config/server.ts";

interface Parts {
  readonly clock: Clock;
  readonly random: Random;
}

/** @throws precondition when a file is not there or not what it should be; invalid */
export function hostAttestors(
  { httpChallenge, sshpop }: ServerConfig["nodeAttestors"],
  { clock, random }: Parts,
): readonly NodeAttestorServer[] {
  return [
    ...(httpChallenge === undefined
      ? []
      : [httpChallengeServer({ ...httpChallenge, clock, random })]),
    ...(sshpop === undefined ? [] : [sshpopOf(sshpop, { clock, random })]),
  ];
}

function sshpopOf(
  section: NonNullable<ServerConfig["nodeAttestors"]["sshpop"]>,
  { clock, random }: Parts,
): NodeAttestorServer {
  const { certAuthorities, certAuthoritiesFile, canonicalDomain, agentPath } = section;
  const lines = [
    ...certAuthorities,
    ...(certAuthoritiesFile === undefined ? [] : readLines(certAuthoritiesFile)),
  ].filter((line) => line.trim() !== "" && !line.startsWith("#"));
  if (lines.length === 0) {
    throw fail("precondition", "sshpop has no authority; name certAuthorities or a file of them");
  }
  return sshpopServer({
    authorities: lines.map(parseAuthorityLine),
    ...(canonicalDomain === undefined ? {} : { canonicalDomain }),
    agentPath: AgentPathTemplate.parse(agentPath, SSHPOP_TYPE),
    clock,
    random,
  });
}

function readLines(file: string): readonly string[] {
  try {
    if (statSync(file).size > MAX_FILE_BYTES) throw fail("invalid", "it is too large");
    return readFileSync(file, "utf8").split("\n");
  } catch (cause) {
    throw fail("precondition", `sshpop authorities ${file}: ${errorFrom(cause).message}`, {
      cause,
    });
  }
}

const MAX_FILE_BYTES = 1024 * 1024;
