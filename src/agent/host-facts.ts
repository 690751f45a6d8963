import { arch } from "node:os";
import type { HostFacts } from "../rpc/gen/assay/agent/v1/HostFacts.ts";

/**
 * What people want to know of the host an agent runs on. Told by the agent itself and proven by nobody. The library is
 * loaded here and not before: it is of no use to serving.
 */
export async function collectHostFacts(
  agentVersion: string,
  selectorNames: readonly string[],
): Promise<HostFacts> {
  const { default: si } = await import("systeminformation");
  const [os, system, versions] = await Promise.all([
    si.osInfo(),
    si.system(),
    si.versions("docker, podman, containerd").catch(() => undefined),
  ]);
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
