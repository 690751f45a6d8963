import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fail } from "../base/errors.ts";
import { KEY_TYPES } from "../keys/contract.ts";
import { LOG_LEVELS } from "../observe/logger.ts";
import { parseAddress } from "./address.ts";
import { AGENT_DEFAULTS, type AgentConfig, type BootstrapConfig } from "./agent.ts";
import { metricsListenSetting, socketSetting, trustDomainSetting } from "./build-server.ts";
import { type PathContext, defaultPaths, socketPathOf } from "./paths.ts";
import { readSecretFile } from "./secret.ts";
import type { Settings } from "./source.ts";

/** Completes and checks an agent's settings. @throws invalid, naming the setting */
export function buildAgentConfig(settings: Settings, context: PathContext): AgentConfig {
  const paths = defaultPaths(context);
  const server = settings.text("server");
  if (server === undefined) {
    throw fail("invalid", "--server is missing; for example --server 127.0.0.1:8081");
  }
  parseAddress(server, settings.where("server"), { zeroPort: false });
  const socket = socketSetting(settings, "socket", paths.agentSocket);
  const joinToken = joinTokenSetting(settings, context);
  return {
    trustDomain: trustDomainSetting(settings),
    dataDir: resolve(settings.text("data-dir") ?? paths.agentData),
    server,
    socket,
    ...metricsListenSetting(settings),
    logLevel: settings.choice("log-level", LOG_LEVELS) ?? "info",
    logFormat: settings.choice("log-format", ["text", "json"]) ?? "text",
    bootstrap: bootstrapSetting(settings),
    ...adminSocketSetting(settings, socket),
    ...(joinToken === undefined ? {} : { joinToken }),
    workloadKeyType: settings.choice("workload-key-type", KEY_TYPES) ?? "ec-p256",
    syncIntervalMs: syncIntervalSetting(settings),
    x509CacheMax: settings.count("x509-cache", 1, 1_000_000) ?? AGENT_DEFAULTS.x509CacheMax,
    jwtCacheMax: settings.count("jwt-cache", 1, 1_000_000) ?? AGENT_DEFAULTS.jwtCacheMax,
    allowUnauthenticatedVerifiers: settings.flag("allow-unauthenticated-verifiers"),
    allowedForeignJwtClaims: (settings.text("allowed-foreign-jwt-claims") ?? "")
      .split(",")
      .map((claim) => claim.trim())
      .filter((claim) => claim !== ""),
  };
}

/** Workloads can reach what lies beside or below the Workload API's socket; an administrator's socket must not. */
function adminSocketSetting(
  settings: Settings,
  workloadSocket: string,
): Pick<AgentConfig, "adminSocket"> {
  const given = settings.text("admin-socket");
  if (given === undefined) return {};
  const where = settings.where("admin-socket");
  const adminSocket = resolve(socketPathOf(given, where));
  const folder = `${dirname(resolve(workloadSocket))}/`;
  if (`${dirname(adminSocket)}/`.startsWith(folder)) {
    throw fail(
      "invalid",
      `${where}: ${adminSocket} is in the folder of the Workload API socket; give it a folder of its own`,
    );
  }
  return { adminSocket };
}

function bootstrapSetting(settings: Settings): BootstrapConfig {
  const file = settings.text("trust-bundle");
  const insecure = settings.flag("insecure-bootstrap");
  if (file !== undefined && insecure) {
    throw fail("invalid", "--trust-bundle and --insecure-bootstrap are both given; leave one out");
  }
  if (insecure) return { kind: "insecure" };
  if (file === undefined) return { kind: "stored" };
  if (!existsSync(file)) {
    throw fail(
      "not_found",
      `${settings.where("trust-bundle")}: there is no file ${file}; write it on the server with 'assay bundle show > ${file}'`,
    );
  }
  return { kind: "bundle", file: resolve(file) };
}

function joinTokenSetting(settings: Settings, { env }: PathContext): string | undefined {
  const forms = [
    ["--join-token-file", settings.text("join-token-file")],
    ["--join-token", settings.text("join-token")],
    ["ASSAY_JOIN_TOKEN", env["ASSAY_JOIN_TOKEN"] === "" ? undefined : env["ASSAY_JOIN_TOKEN"]],
  ].filter(([, value]) => value !== undefined);
  if (forms.length > 1) {
    const names = forms.map(([name]) => name).join(" and ");
    throw fail("invalid", `${names} are both given; leave one out`);
  }
  const file = settings.text("join-token-file");
  if (file !== undefined) {
    // A spent token's file is best deleted, and a restart needs no token: a missing file is no token.
    return existsSync(file) ? readSecretFile(file, settings.where("join-token-file")) : undefined;
  }
  return forms[0]?.[1]?.trim();
}

function syncIntervalSetting(settings: Settings): number {
  const text = settings.text("sync-interval");
  // Milliseconds are for tests and for `assay dev`, where a person waits.
  if (text !== undefined && /^\d{2,5}ms$/.test(text))
    return Math.max(50, Number.parseInt(text, 10));
  const seconds = settings.seconds("sync-interval", 1);
  return seconds === undefined ? AGENT_DEFAULTS.syncIntervalMs : seconds * 1000;
}
