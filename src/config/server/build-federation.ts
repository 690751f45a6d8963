import { AssayError, errorFrom, fail } from "../../base/errors.ts";
import { checkEndpointUrl } from "../../spiffe/endpoint-url.ts";
import { SpiffeId } from "../../spiffe/spiffe-id.ts";
import { TrustDomain } from "../../spiffe/trust-domain.ts";
import { ConfigError, problemsOf } from "../settings/problems.ts";
import type { ServerSettings } from "./server-settings.ts";
import type { ServerConfig } from "./server-config.ts";
import type { Settings } from "../settings/source.ts";

type Federation = NonNullable<ServerConfig["federation"]>;
type BundleEndpoint = NonNullable<Federation["bundleEndpoint"]>;
type ForeignDomain = NonNullable<ReturnType<NonNullable<Federation["federatesWith"]>["get"]>>;

/** @throws ConfigError, invalid: the rules between the fields of `federation` */
export function federationSetting(settings: Settings<ServerSettings>): Federation | undefined {
  const federation = settings.get("federation");
  if (federation === undefined) return undefined;
  const where = settings.where("federation");
  const own = TrustDomain.parse(settings.get("trust-domain")).name;
  const problems: string[] = [];
  const rule = (at: string, check: () => void): void => {
    try {
      check();
    } catch (thrown) {
      if (!(thrown instanceof AssayError)) throw thrown;
      problems.push(
        ...problemsOf(thrown).map(
          (problem) => `${where.replace(/^federation/, `federation.${at}`)}: ${problem}`,
        ),
      );
    }
  };
  const { bundleEndpoint, federatesWith = new Map<string, ForeignDomain>() } = federation;
  if (bundleEndpoint !== undefined) rule("bundleEndpoint", () => checkEndpoint(bundleEndpoint));
  for (const [name, domain] of federatesWith) {
    rule(`federatesWith.${name}`, () => {
      if (name === own) throw fail("invalid", "is the server's own trust domain; leave it out");
      checkDomain(domain);
    });
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return federation;
}

function checkEndpoint({ profile, certificateFile, keyFile, refreshHint }: BundleEndpoint): void {
  if (refreshHint > MAX_REFRESH_HINT) {
    throw fail(
      "invalid",
      "refreshHint is more than 5m; a new authority would sign before others have seen it",
    );
  }
  if (profile === "https_web") {
    if (certificateFile !== undefined && keyFile !== undefined) return;
    throw fail("invalid", "profile https_web needs certificateFile and keyFile");
  }
  if (certificateFile === undefined && keyFile === undefined) return;
  throw fail(
    "invalid",
    "certificateFile and keyFile have no meaning with profile https_spiffe, which shows the server's SVID; leave them out",
  );
}

function checkDomain({ endpointUrl, profile, endpointSpiffeId, caFile }: ForeignDomain): void {
  checkEndpointUrl(endpointUrl);
  if (profile === "https_web") {
    if (endpointSpiffeId === undefined) return;
    throw fail("invalid", "endpointSpiffeId goes with https_spiffe; leave one of them out");
  }
  if (caFile !== undefined) {
    throw fail("invalid", "caFile goes with https_web; leave one of them out");
  }
  if (endpointSpiffeId === undefined) {
    throw fail("invalid", "profile https_spiffe needs endpointSpiffeId");
  }
  try {
    SpiffeId.parse(endpointSpiffeId);
  } catch (cause) {
    throw fail("invalid", `endpointSpiffeId: ${errorFrom(cause).message}`, { cause });
  }
}

/** Seconds. Authorities are published for more than three of these before they sign (server/ca/rotation-plan.ts). */
const MAX_REFRESH_HINT = 300;
