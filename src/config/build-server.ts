import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { fail } from "../base/errors.ts";
import { KEY_TYPES } from "../keys/contract.ts";
import { LOG_LEVELS } from "../observe/logger.ts";
import { TrustDomain } from "../spiffe/trust-domain.ts";
import { parseAddress } from "./address.ts";
import { formatDuration } from "./duration.ts";
import { type PathContext, checkSocketPath, defaultPaths, socketPathOf } from "./paths.ts";
import { type KeyManagerConfig, SERVER_DEFAULTS, type ServerConfig } from "./server.ts";
import type { Settings } from "./source.ts";

/** Completes and checks a server's settings. @throws invalid, naming the setting */
export function buildServerConfig(settings: Settings, context: PathContext): ServerConfig {
  const paths = defaultPaths(context);
  const dataDir = resolve(settings.text("data-dir") ?? paths.serverData);
  const listen = settings.text("listen") ?? SERVER_DEFAULTS.listen;
  parseAddress(listen, settings.where("listen"), { zeroPort: true });
  const config: ServerConfig = {
    trustDomain: trustDomainSetting(settings),
    dataDir,
    listen,
    socket: socketSetting(settings, "socket", paths.serverSocket),
    ...metricsListenSetting(settings),
    logLevel: settings.choice("log-level", LOG_LEVELS) ?? "info",
    logFormat: settings.choice("log-format", ["text", "json"]) ?? "text",
    keyManager: keyManagerSetting(settings, dataDir, context),
    ca: {
      keyType: settings.choice("ca-key-type", KEY_TYPES) ?? "ec-p256",
      ttlSeconds: settings.seconds("ca-ttl", 60) ?? SERVER_DEFAULTS.caTtlSeconds,
      jwtKeyType: settings.choice("jwt-key-type", KEY_TYPES) ?? "ec-p256",
      jwtIssuer: settings.text("jwt-issuer") ?? "",
    },
    ttl: {
      x509SvidSeconds: settings.seconds("x509-ttl", 5) ?? SERVER_DEFAULTS.x509SvidSeconds,
      jwtSvidSeconds: settings.seconds("jwt-ttl", 5) ?? SERVER_DEFAULTS.jwtSvidSeconds,
      agentSvidSeconds: settings.seconds("agent-ttl", 10) ?? SERVER_DEFAULTS.x509SvidSeconds,
    },
    ...x509popSetting(settings),
    limits: {
      attestPerSecond:
        settings.count("attest-limit", 1, 100_000) ?? SERVER_DEFAULTS.attestPerSecond,
      signPerSecond: settings.count("sign-limit", 1, 1_000_000) ?? SERVER_DEFAULTS.signPerSecond,
    },
  };
  checkLifetimes(config, settings);
  return config;
}

export function trustDomainSetting(settings: Settings): string {
  const text = settings.text("trust-domain") ?? DEFAULT_TRUST_DOMAIN;
  try {
    return TrustDomain.parse(text).name;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw fail("invalid", `${settings.where("trust-domain")}: ${reason}`);
  }
}

/** Anyone who reaches it may read it: it is off unless asked for, and best asked for on a loopback address. */
export function metricsListenSetting(settings: Settings): { readonly metricsListen?: string } {
  const metricsListen = settings.text("metrics-listen");
  if (metricsListen === undefined) return {};
  parseAddress(metricsListen, settings.where("metrics-listen"), { zeroPort: true });
  return { metricsListen };
}

export function socketSetting(settings: Settings, name: string, fallback: string): string {
  const given = settings.text(name);
  if (given === undefined) return checkSocketPath(fallback, `--${name}`);
  return socketPathOf(given, settings.where(name));
}

function x509popSetting(settings: Settings): Pick<ServerConfig, "x509pop"> {
  const mode = settings.choice("x509pop-mode", ["external_pki", "spiffe"]);
  const file = settings.text("x509pop-ca");
  if (mode === "spiffe") {
    if (file === undefined) return { x509pop: { mode } };
    throw fail(
      "invalid",
      "--x509pop-ca has no meaning with --x509pop-mode spiffe, which trusts the own trust domain; leave one out",
    );
  }
  if (file === undefined) {
    if (mode === undefined) return {};
    throw fail("invalid", "--x509pop-mode external_pki needs the authorities' file: --x509pop-ca");
  }
  if (!existsSync(file)) {
    throw fail("not_found", `${settings.where("x509pop-ca")}: there is no file ${file}`);
  }
  return { x509pop: { mode: "external_pki", caFile: resolve(file) } };
}

/** A leaf must fit into an authority that was prepared, published and activated before: half of its life at most. */
function checkLifetimes({ ca, ttl }: ServerConfig, settings: Settings): void {
  const leaves = [
    ["x509-ttl", ttl.x509SvidSeconds],
    ["jwt-ttl", ttl.jwtSvidSeconds],
    ["agent-ttl", ttl.agentSvidSeconds],
  ] as const;
  for (const [name, seconds] of leaves) {
    if (seconds * 2 <= ca.ttlSeconds) continue;
    throw fail(
      "invalid",
      `${settings.where(name)} (${formatDuration(seconds)}) is more than half of ca-ttl (${formatDuration(ca.ttlSeconds)}), so authorities could not rotate before what they signed ends; lower it or raise --ca-ttl`,
    );
  }
}

function keyManagerSetting(
  settings: Settings,
  dataDir: string,
  context: PathContext,
): KeyManagerConfig {
  const kind = settings.choice("key-manager", ["disk", "memory"]) ?? "disk";
  const keyFile = settings.text("key-file");
  if (kind === "memory") {
    if (keyFile !== undefined) {
      throw fail("invalid", "--key-file has no meaning with --key-manager memory; leave one out");
    }
    return { kind };
  }
  const keyText = context.env["ASSAY_KEY_ENCRYPTION_KEY"];
  if (keyText !== undefined && keyText !== "") {
    if (keyFile !== undefined) {
      throw fail(
        "invalid",
        "--key-file and ASSAY_KEY_ENCRYPTION_KEY are both given; leave one out",
      );
    }
    return { kind, keyFile: join(dataDir, KEY_FILE), keyText };
  }
  if (keyFile !== undefined) return { kind, keyFile: resolve(keyFile) };
  // systemd puts credentials of the unit here (systemd.exec(5), LoadCredential=).
  const credentials = context.env["CREDENTIALS_DIRECTORY"];
  if (credentials !== undefined && existsSync(join(credentials, CREDENTIAL_NAME))) {
    return { kind, keyFile: join(credentials, CREDENTIAL_NAME) };
  }
  return { kind, keyFile: join(dataDir, KEY_FILE) };
}

export const DEFAULT_TRUST_DOMAIN = "example.org";
const KEY_FILE = "keys.key";
const CREDENTIAL_NAME = "assay-key";
