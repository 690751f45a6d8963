/** The attestors of hosts that have a DNS name, an SSH host certificate or a TPM, as a configuration asks for them. */
import { readFileSync, statSync } from "node:fs";
import { AgentPathTemplate } from "../../attestors/node/agent-path.ts";
import { httpChallengeServer } from "../../attestors/node/http-challenge/server.ts";
import { SSHPOP_TYPE } from "../../attestors/node/sshpop/payload.ts";
import { parseAuthorityLine, sshpopServer } from "../../attestors/node/sshpop/server.ts";
import { tpmDevidServer } from "../../attestors/node/tpm-devid/server.ts";
import type { NodeAttestorServer } from "../../attestors/contract.ts";
import type { Clock } from "../../base/clock.ts";
import { errorFrom, fail } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import type { ServerConfig } from "../../config/server/server-config.ts";
import type { Logger } from "../../observe/logger.ts";
import { WatchedRoots } from "./watched-roots.ts";

interface Parts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** @throws precondition when a file is not there or not what it should be; invalid */
export function hostAttestors(
  { httpChallenge, sshpop, tpmDevid }: ServerConfig["nodeAttestors"],
  { clock, random, logger }: Parts,
): readonly NodeAttestorServer[] {
  return [
    ...(httpChallenge === undefined
      ? []
      : [httpChallengeServer({ ...httpChallenge, clock, random })]),
    ...(sshpop === undefined ? [] : [sshpopOf(sshpop, { clock, random })]),
    ...(tpmDevid === undefined ? [] : [tpmDevidOf(tpmDevid, { clock, random, logger })]),
  ];
}

function sshpopOf(
  section: NonNullable<ServerConfig["nodeAttestors"]["sshpop"]>,
  { clock, random }: Omit<Parts, "logger">,
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

function tpmDevidOf(
  { devidCaFile, endorsementCaFile }: NonNullable<ServerConfig["nodeAttestors"]["tpmDevid"]>,
  { clock, random, logger }: Parts,
): NodeAttestorServer {
  const devid = new WatchedRoots("tpm_devid device authorities", devidCaFile, logger);
  const endorsement = new WatchedRoots(
    "tpm_devid endorsement authorities",
    endorsementCaFile,
    logger,
  );
  return tpmDevidServer({
    devidRoots: () => devid.current(),
    endorsementRoots: () => endorsement.current(),
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
