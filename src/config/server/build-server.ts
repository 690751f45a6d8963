import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { errorFrom, fail } from "../../base/errors.ts";
import { PathTemplate } from "../../spiffe/path-template.ts";
import { TrustDomain } from "../../spiffe/trust-domain.ts";
import { acmeFrontEnd } from "./acme-front-end.ts";
import { authoritySetsSetting } from "./build-authority-sets.ts";
import { federationSetting } from "./build-federation.ts";
import { certificatesFrontEnd } from "./certificates-front-end.ts";
import { checkKeyType } from "../sections/common-settings.ts";
import { formatDuration } from "../settings/duration.ts";
import { bundlePublishersSetting } from "./bundle-publishers.ts";
import { keyManagerSetting } from "./key-manager.ts";
import { type PathContext, socketPathOf } from "../paths.ts";
import { allOf } from "../settings/problems.ts";
import { issuerOfTokens, oidcFrontEnd } from "./oidc-front-end.ts";
import { provisionFrontEnd } from "./provision-front-end.ts";
import type { ServerSettings } from "./server-settings.ts";
import type { ServerConfig } from "./server-config.ts";
import type { Settings } from "../settings/source.ts";

type Given = Settings<ServerSettings>;

/** Completes and checks a server's settings. @throws ConfigError with all that is wrong, naming the settings */
export function buildServerConfig(settings: Given, context: PathContext): ServerConfig {
  const made = allOf({
    settings: () => settings.check(),
    trustDomain: () => TrustDomain.parse(settings.get("trust-domain")).name,
    dataDir: () => resolve(settings.get("data-dir")),
    listen: () => settings.get("listen"),
    socket: () => socketPathOf(settings.get("socket"), settings.where("socket")),
    metricsListen: () => settings.get("metrics-listen"),
    logLevel: () => settings.get("log-level"),
    logFormat: () => settings.get("log-format"),
    keyManager: () => keyManagerSetting(settings, context),
    ca: () => ({
      keyType: checkKeyType(
        settings.get("ca-key-type"),
        settings.get("experimental"),
        settings.where("ca-key-type"),
      ),
      ttlSeconds: settings.get("ca-ttl"),
      jwtKeyType: settings.get("jwt-key-type"),
      jwtIssuer: issuerOfTokens(settings.get("jwt-issuer"), settings.get("frontends") ?? {}),
    }),
    upstreamAuthority: () => upstreamSetting(settings),
    authoritySets: () => authoritySetsSetting(settings),
    ttl: () => ttlSettings(settings),
    x509pop: () => x509popSetting(settings),
    nodeAttestors: () => settings.get("node-attestors") ?? {},
    federation: () => federationSetting(settings),
    bundlePublishers: () =>
      bundlePublishersSetting(settings.get("bundle-publishers") ?? {}, context),
    frontends: () => frontEnds(settings, context),
    experimental: () => settings.get("experimental"),
    revocation: () => revocationSetting(settings),
    limits: () => ({
      attestPerSecond: settings.get("attest-limit"),
      signPerSecond: settings.get("sign-limit"),
    }),
  });
  const {
    settings: _,
    metricsListen,
    x509pop,
    frontends,
    revocation,
    federation,
    authoritySets: { sets, profiles },
    ...config
  } = made;
  return {
    ...config,
    authoritySets: sets,
    certificateProfiles: profiles,
    // Anyone who reaches it may read it: it is off unless asked for, and best asked for on a loopback address.
    ...(metricsListen === undefined ? {} : { metricsListen }),
    ...(x509pop === undefined ? {} : { x509pop }),
    ...(frontends === undefined ? {} : { frontends }),
    ...(federation === undefined ? {} : { federation }),
    ...(revocation === undefined ? {} : { revocation }),
  };
}

function revocationSetting(settings: Given): ServerConfig["revocation"] {
  const given = settings.get("revocation");
  if (given === undefined) return undefined;
  const { folder, url, ...rest } = given;
  return {
    ...rest,
    ...(folder === undefined ? {} : { folder: resolve(folder) }),
    ...(url === undefined ? {} : { url: url.replace(/\/+$/, "") }),
  };
}

function frontEnds(settings: Given, context: PathContext): ServerConfig["frontends"] {
  const { acme, oidc, certificates } = settings.get("frontends") ?? {};
  const provision = provisionFrontEnd(settings, context);
  if ((acme ?? oidc ?? certificates ?? provision) === undefined) return undefined;
  const { k8sPsat } = settings.get("node-attestors") ?? {};
  return {
    ...(acme && { acme: acmeFrontEnd(acme, authoritySetsSetting(settings)) }),
    ...(oidc && { oidc: oidcFrontEnd(oidc, settings.get("jwt-issuer")) }),
    ...(certificates && {
      certificates: certificatesFrontEnd(certificates, {
        clusters: k8sPsat?.clusters ?? new Map(),
        ...authoritySetsSetting(settings),
      }),
    }),
    ...(provision && { provision }),
  };
}

function upstreamSetting(settings: Given): ServerConfig["upstreamAuthority"] {
  const given = settings.get("upstream-authority") ?? {};
  const names = Object.keys(given);
  if (names.length <= 1) return given;
  throw fail(
    "invalid",
    `${settings.where("upstream-authority")}: ${names.join(" and ")} exclude each other; name one`,
  );
}

function x509popSetting(settings: Given): ServerConfig["x509pop"] {
  const mode = settings.get("x509pop-mode");
  const file = settings.get("x509pop-ca");
  const prefix = settings.get("x509pop-svid-prefix");
  const named = templateSetting(settings);
  if (mode === "spiffe") {
    if (file === undefined) return { mode, ...named, ...prefixSetting(settings) };
    throw fail(
      "invalid",
      `${settings.where("x509pop-ca")} has no meaning with x509pop-mode spiffe, which trusts the own trust domain; leave one out`,
    );
  }
  if (prefix !== undefined) {
    throw fail(
      "invalid",
      `${settings.where("x509pop-svid-prefix")} has a meaning with x509pop-mode spiffe only`,
    );
  }
  if (file === undefined) {
    if (mode === undefined && named.pathTemplate === undefined) return undefined;
    if (mode === undefined) {
      throw fail(
        "invalid",
        `${settings.where("x509pop-path-template")} has no meaning without x509pop-ca or x509pop-mode`,
      );
    }
    throw fail(
      "invalid",
      `${settings.where("x509pop-mode")}: external_pki needs the authorities' file, x509pop-ca`,
    );
  }
  if (!existsSync(file)) {
    throw fail("not_found", `${settings.where("x509pop-ca")}: there is no file ${file}`);
  }
  return { mode: "external_pki", caFile: resolve(file), ...named };
}

function templateSetting(settings: Given): { readonly pathTemplate?: string } {
  const pathTemplate = settings.get("x509pop-path-template");
  if (pathTemplate === undefined) return {};
  try {
    PathTemplate.parse(pathTemplate);
  } catch (cause) {
    const where = settings.where("x509pop-path-template");
    throw fail("invalid", `${where}: ${errorFrom(cause).message}`, { cause });
  }
  return { pathTemplate };
}

function prefixSetting(settings: Given): { readonly svidPrefix?: string } {
  const given = settings.get("x509pop-svid-prefix");
  if (given === undefined) return {};
  const prefix = given.endsWith("/") ? given : `${given}/`;
  if (prefix.startsWith("/")) return { svidPrefix: prefix };
  throw fail("invalid", `${settings.where("x509pop-svid-prefix")}: a path begins with a slash`);
}

/** A leaf must fit into an authority that was prepared, published and activated before: half of its life at most. */
function ttlSettings(settings: Given): ServerConfig["ttl"] {
  const caTtlSeconds = settings.get("ca-ttl");
  const most = (name: "x509-ttl" | "jwt-ttl" | "agent-ttl"): number => {
    const seconds = settings.get(name);
    if (seconds * 2 <= caTtlSeconds) return seconds;
    throw fail(
      "invalid",
      `${settings.where(name)} (${formatDuration(seconds)}) is more than half of ca-ttl (${formatDuration(caTtlSeconds)}), so authorities could not rotate before what they signed ends; lower it or raise --ca-ttl`,
    );
  };
  return allOf({
    x509SvidSeconds: () => most("x509-ttl"),
    jwtSvidSeconds: () => most("jwt-ttl"),
    agentSvidSeconds: () => most("agent-ttl"),
  });
}
