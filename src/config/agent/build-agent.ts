import { checkKeyType } from "../sections/common-settings.ts";
import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { errorFrom, fail } from "../../base/errors.ts";
import { SpiffeId } from "../../spiffe/spiffe-id.ts";
import { TrustDomain } from "../../spiffe/trust-domain.ts";
import { attestorSetting } from "./agent-attestor.ts";
import type { AgentSettings } from "./agent-settings.ts";
import type { BrokerConfig } from "../sections/broker-section.ts";
import type { AgentConfig, BootstrapConfig } from "./agent-config.ts";
import { type PathContext, socketPathOf } from "../paths.ts";
import { allOf } from "../settings/problems.ts";
import { SDS_DEFAULTS, type SdsConfig } from "../sections/sds-section.ts";
import { readSecretFile } from "../secret.ts";
import type { Settings } from "../settings/source.ts";

type Given = Settings<AgentSettings>;

/** Completes and checks an agent's settings. @throws ConfigError with all that is wrong, naming the settings */
export function buildAgentConfig(settings: Given, context: PathContext): AgentConfig {
  const made = allOf({
    settings: () => settings.check(),
    trustDomain: () => TrustDomain.parse(settings.get("trust-domain")).name,
    dataDir: () => resolve(settings.get("data-dir")),
    server: () => serverSetting(settings),
    socket: () => socketPathOf(settings.get("socket"), settings.where("socket")),
    adminSocket: () => adminSocketSetting(settings),
    metricsListen: () => settings.get("metrics-listen"),
    logLevel: () => settings.get("log-level"),
    logFormat: () => settings.get("log-format"),
    bootstrap: () => bootstrapSetting(settings),
    joinToken: () => joinTokenSetting(settings, context),
    x509pop: () => x509popSetting(settings, context),
    attestor: () => attestorSetting(settings, joinTokenForms(settings, context).length > 0),
    nodeAttestors: () => settings.get("node-attestors") ?? {},
    workloadAttestors: () => settings.get("workload-attestors") ?? {},
    svidStores: () => settings.get("svid-stores") ?? {},
    sds: () => sdsSetting(settings),
    experimental: () => settings.get("experimental"),
    workloadKeyType: () =>
      checkKeyType(
        settings.get("workload-key-type"),
        settings.get("experimental"),
        settings.where("workload-key-type"),
      ),
    syncIntervalMs: () => settings.get("sync-interval"),
    x509CacheMax: () => settings.get("x509-cache"),
    jwtCacheMax: () => settings.get("jwt-cache"),
    allowUnauthenticatedVerifiers: () => settings.get("allow-unauthenticated-verifiers"),
    broker: () => brokerSetting(settings),
    authorizedDelegates: () => delegatesSetting(settings),
    allowedForeignJwtClaims: () => settings.get("allowed-foreign-jwt-claims"),
  });
  const {
    settings: _,
    broker,
    adminSocket,
    metricsListen,
    joinToken,
    x509pop,
    attestor,
    ...config
  } = made;
  return {
    ...config,
    ...(broker === undefined ? {} : { broker }),
    ...(adminSocket === undefined ? {} : { adminSocket }),
    ...(metricsListen === undefined ? {} : { metricsListen }),
    ...(joinToken === undefined ? {} : { joinToken }),
    ...(x509pop === undefined ? {} : { x509pop }),
    ...(attestor === undefined ? {} : { attestor }),
  };
}

function serverSetting(settings: Given): string {
  const server = settings.get("server");
  if (server !== undefined) return server;
  throw fail("invalid", "--server is missing; for example --server 127.0.0.1:8081");
}

function adminSocketSetting(settings: Given): string | undefined {
  const given = settings.get("admin-socket");
  if (given === undefined) return undefined;
  return apartFromWorkloads(settings, given, settings.where("admin-socket"));
}

/** Workloads can reach what lies beside or below the Workload API's socket; what others are to reach must not. */
function apartFromWorkloads(settings: Given, given: string, where: string): string {
  const path = resolve(socketPathOf(given, where));
  const workloadSocket = socketPathOf(settings.get("socket"), settings.where("socket"));
  const folder = dirname(resolve(workloadSocket));
  if (dirname(path) === folder) {
    throw fail(
      "invalid",
      `${where}: ${path} is in the folder of the Workload API socket; give it a folder of its own`,
    );
  }
  if (path.startsWith(folder.endsWith("/") ? folder : `${folder}/`)) {
    throw fail(
      "invalid",
      `${where}: ${path} is below ${folder}, the folder of the Workload API socket, where workloads reach it; name a folder that is not in that one`,
    );
  }
  return path;
}

function delegatesSetting(settings: Given): readonly string[] {
  const where = settings.where("authorized-delegates");
  const given = settings.get("authorized-delegates");
  const ids = given.map((text) => {
    try {
      return SpiffeId.parse(text).toString();
    } catch (cause) {
      throw fail("invalid", `${where}: ${errorFrom(cause).message}`, { cause });
    }
  });
  if (ids.length > 0 && settings.get("admin-socket") === undefined) {
    throw fail("invalid", `${where} has a meaning with admin-socket only`);
  }
  return ids;
}

function brokerSetting(settings: Given): BrokerConfig | undefined {
  const broker = settings.get("broker");
  if (broker === undefined) return undefined;
  const where = settings.where("broker");
  if (!settings.get("experimental").includes("broker-api")) {
    throw fail("invalid", `${where} is experimental; set experimental to broker-api as well`);
  }
  const { socket, listen } = broker;
  if (socket === undefined && listen === undefined) {
    throw fail("invalid", `${where} has neither socket nor listen`);
  }
  const brokers = broker.brokers.map((one, i) => {
    try {
      return { ...one, id: SpiffeId.parse(one.id).toString() };
    } catch (cause) {
      throw fail("invalid", `${where}: brokers[${i}].id: ${errorFrom(cause).message}`, { cause });
    }
  });
  if (new Set(brokers.map(({ id }) => id)).size < brokers.length) {
    throw fail("invalid", `${where}: two brokers have the same id`);
  }
  if (socket === undefined) return { ...broker, brokers };
  return { ...broker, brokers, socket: apartFromWorkloads(settings, socket, where) };
}

function sdsSetting(settings: Given): SdsConfig {
  const sds = settings.get("sds") ?? SDS_DEFAULTS;
  const names = [sds.defaultSvidName, sds.defaultBundleName, sds.defaultAllBundlesName];
  if (new Set(names).size < names.length) {
    throw fail("invalid", `${settings.where("sds")}: two secrets have the same name`);
  }
  return sds;
}

function x509popSetting(settings: Given, context: PathContext): AgentConfig["x509pop"] {
  const names = ["x509pop-cert", "x509pop-key", "x509pop-chain"] as const;
  const stray = names.find((name) => settings.get(name) !== undefined);
  if (settings.get("attestor") !== "x509pop") {
    if (stray === undefined) return undefined;
    throw fail("invalid", `${settings.where(stray)} has a meaning with attestor x509pop only`);
  }
  if (joinTokenForms(settings, context).length > 0) {
    throw fail("invalid", "a join token has no meaning with attestor x509pop; leave one out");
  }
  const certFile = settings.get("x509pop-cert");
  const keyFile = settings.get("x509pop-key");
  const chainFile = settings.get("x509pop-chain");
  if (certFile === undefined || keyFile === undefined) {
    throw fail(
      "invalid",
      `${settings.where("attestor")}: x509pop needs x509pop-cert and x509pop-key`,
    );
  }
  // The files are read at each attestation: that they are not there yet is no error of the configuration.
  return {
    certFile: resolve(certFile),
    keyFile: resolve(keyFile),
    ...(chainFile === undefined ? {} : { chainFile: resolve(chainFile) }),
  };
}

function bootstrapSetting(settings: Given): BootstrapConfig {
  const file = settings.get("trust-bundle");
  const insecure = settings.get("insecure-bootstrap");
  const url = settings.get("trust-bundle-url");
  const forms = [
    ["trust-bundle", file !== undefined],
    ["trust-bundle-url", url !== undefined],
    ["insecure-bootstrap", insecure],
  ] as const;
  const given = forms.filter(([, isGiven]) => isGiven).map(([name]) => settings.where(name));
  if (given.length > 1) {
    throw fail("invalid", `${given.join(" and ")} are both given; leave one out`);
  }
  const pin = settings.get("trust-bundle-sha256");
  if (url !== undefined) return bundleUrlSetting(settings, url, pin);
  if (pin !== undefined) {
    throw fail(
      "invalid",
      `${settings.where("trust-bundle-sha256")} has a meaning with trust-bundle-url only`,
    );
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

function bundleUrlSetting(settings: Given, text: string, pin: string | undefined): BootstrapConfig {
  const where = settings.where("trust-bundle-url");
  const url = URL.parse(text);
  if (url === null || url.protocol !== "https:") {
    throw fail("invalid", `${where} is no https address`);
  }
  if (url.username !== "" || url.password !== "") {
    throw fail("invalid", `${where} holds a user name or password, which would stand in logs`);
  }
  return { kind: "url", url: url.href, ...(pin === undefined ? {} : { pin: pin.toLowerCase() }) };
}

function joinTokenForms(
  settings: Given,
  { env }: PathContext,
): readonly (readonly [string, string])[] {
  const forms: readonly (readonly [string, string | undefined])[] = [
    [settings.where("join-token-file"), settings.get("join-token-file")],
    [settings.where("join-token"), settings.get("join-token")],
    ["ASSAY_JOIN_TOKEN", env["ASSAY_JOIN_TOKEN"] === "" ? undefined : env["ASSAY_JOIN_TOKEN"]],
  ];
  return forms.flatMap(([where, value]) => (value === undefined ? [] : [[where, value] as const]));
}

function joinTokenSetting(settings: Given, context: PathContext): string | undefined {
  const forms = joinTokenForms(settings, context);
  if (forms.length > 1) {
    const names = forms.map(([name]) => name).join(" and ");
    throw fail("invalid", `${names} are both given; leave one out`);
  }
  const file = settings.get("join-token-file");
  if (file !== undefined) {
    // A spent token's file is best deleted, and a restart needs no token: a missing file is no token.
    return existsSync(file) ? readSecretFile(file, settings.where("join-token-file")) : undefined;
  }
  return forms[0]?.[1]?.trim();
}
