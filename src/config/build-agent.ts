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
    ...x509popSetting(settings, joinToken),
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

function x509popSetting(
  settings: Settings,
  joinToken: string | undefined,
): Pick<AgentConfig, "x509pop"> {
  const attestor = settings.choice("attestor", ["join_token", "x509pop"]) ?? "join_token";
  const files = ["x509pop-cert", "x509pop-key", "x509pop-chain"] as const;
  const stray = files.find((name) => settings.text(name) !== undefined);
  if (attestor === "join_token") {
    if (stray === undefined) return {};
    throw fail("invalid", `--${stray} has a meaning with --attestor x509pop only`);
  }
  if (joinToken !== undefined) {
    throw fail("invalid", "a join token has no meaning with --attestor x509pop; leave one out");
  }
  const certFile = settings.text("x509pop-cert");
  const keyFile = settings.text("x509pop-key");
  const chainFile = settings.text("x509pop-chain");
  if (certFile === undefined || keyFile === undefined) {
    throw fail("invalid", "--attestor x509pop needs --x509pop-cert and --x509pop-key");
  }
  // The files are read at each attestation: that they are not there yet is no error of the configuration.
  return {
    x509pop: {
      certFile: resolve(certFile),
      keyFile: resolve(keyFile),
      ...(chainFile === undefined ? {} : { chainFile: resolve(chainFile) }),
    },
  };
}

function bootstrapSetting(settings: Settings): BootstrapConfig {
  const file = settings.text("trust-bundle");
  const insecure = settings.flag("insecure-bootstrap");
  const url = settings.text("trust-bundle-url");
  const given = [
    ["--trust-bundle", file !== undefined],
    ["--trust-bundle-url", url !== undefined],
    ["--insecure-bootstrap", insecure],
  ].filter(([, isGiven]) => isGiven);
  if (given.length > 1) {
    const names = given.map(([name]) => name).join(" and ");
    throw fail("invalid", `${names} are both given; leave one out`);
  }
  const pin = settings.text("trust-bundle-sha256");
  if (url !== undefined) return bundleUrlSetting(settings, url, pin);
  if (pin !== undefined) {
    throw fail("invalid", "--trust-bundle-sha256 has a meaning with --trust-bundle-url only");
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

function bundleUrlSetting(
  settings: Settings,
  text: string,
  pin: string | undefined,
): BootstrapConfig {
  const where = settings.where("trust-bundle-url");
  const url = URL.parse(text);
  if (url === null || url.protocol !== "https:") {
    throw fail("invalid", `${where} is no https address`);
  }
  if (url.username !== "" || url.password !== "") {
    throw fail("invalid", `${where} holds a user name or password, which would stand in logs`);
  }
  if (pin === undefined) return { kind: "url", url: url.href };
  if (!/^[0-9a-fA-F]{64}$/.test(pin)) {
    throw fail(
      "invalid",
      `${settings.where("trust-bundle-sha256")} is not 64 hex digits: the SHA-256 of the TLS server's public key (SubjectPublicKeyInfo)`,
    );
  }
  return { kind: "url", url: url.href, pin: pin.toLowerCase() };
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
