import { createRequire } from "node:module";
import { arch } from "node:os";
import type SystemInformation from "systeminformation";
import type { WorkloadAttestor } from "../attestors/contract.ts";
import { errorFrom } from "../base/errors.ts";
import type { Logger } from "../observe/logger.ts";
import type { HostFacts } from "../rpc/gen/assay/agent/v1/HostFacts.ts";

export interface ReportHostParams {
  readonly client: { reportHost(facts: HostFacts, signal: AbortSignal): Promise<void> };
  readonly attestors: readonly Pick<WorkloadAttestor, "type" | "names">[];
  readonly version: string;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** For people to read only: a server without a place for it, or none at all, changes nothing. */
export function reportHost({ client, attestors, version, logger, signal }: ReportHostParams): void {
  const names = attestors.flatMap((each) => each.names.map((name) => `${each.type}:${name}`));
  collectHostFacts(version, names)
    .then((facts) => client.reportHost(facts, signal))
    .catch((error: unknown) =>
      logger.debug("host facts were not reported", { error: errorFrom(error) }),
    );
}

/**
 * What people want to know of the host an agent runs on. Told by the agent itself and proven by nobody. The library is
 * loaded here and not before: it is of no use to serving.
 */
async function collectHostFacts(
  agentVersion: string,
  selectorNames: readonly string[],
): Promise<HostFacts> {
  const require = createRequire(import.meta.url);
  const si = require("systeminformation") as typeof SystemInformation;
  const [os, system, versions] = await Promise.all([
    si.osInfo(),
    si.system(),
    si.versions("docker, podman, containerd").catch(() => undefined),
  ]);
  // Its text and code are some 2 MB, which an idle agent need not keep.
  for (const path of Object.keys(require.cache)) {
    if (path.includes(LIBRARY_FOLDER)) Reflect.deleteProperty(require.cache, path);
  }
  return {
    hostname: os.hostname,
    os: [os.distro, os.release].filter((text) => text !== "").join(" "),
    kernel: os.kernel,
    arch: arch(),
    container_runtime: runtimeOf(versions as Readonly<Record<string, unknown>> | undefined),
    virtualization: system.virtual ? (system.virtualHost ?? system.model) : "",
    agent_version: agentVersion,
    node_version: process.versions.node,
    selector_names: [...selectorNames],
  };
}

function runtimeOf(versions: Readonly<Record<string, unknown>> | undefined): string {
  for (const name of ["docker", "podman", "containerd"]) {
    const version = versions?.[name];
    if (typeof version === "string" && version !== "") return `${name} ${version}`;
  }
  return "";
}

const LIBRARY_FOLDER = "/node_modules/systeminformation/";
