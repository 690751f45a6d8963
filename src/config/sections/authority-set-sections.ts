import { ANY_KEY_TYPE, KEY_TYPE } from "./common-settings.ts";
import { choice, count, duration, flag, list, map, section, text } from "../settings/shape.ts";
import { SET_UPSTREAM } from "./upstream-sections.ts";

const NAME = "^[a-z0-9][a-z0-9-]{0,62}$";
const PROFILE_NAME = text({
  maxLength: 63,
  pattern: NAME,
  rule: "is no name: lower-case letters, digits and dashes",
});

/** `authoritySets` of a server's file: X.509 authorities beside the trust domain's own, in nobody's SPIFFE bundle. */
export const AUTHORITY_SETS = map(
  section({
    keyType: { shape: ANY_KEY_TYPE, help: "key of its authorities", default: "ec-p256" },
    caTtl: { shape: duration(60), help: "life of an authority", default: "365d" },
    upstreamAuthority: {
      shape: SET_UPSTREAM,
      help: "who signs its authorities; without one they are their own roots",
    },
    profiles: {
      shape: list(PROFILE_NAME, { least: 1, most: 32 }),
      help: "certificate profiles that it signs; the longest of them decides when authorities follow each other",
      default: ["server-90d", "server-7d", "peer"],
    },
  }),
  { keyPattern: NAME, most: 16 },
);

/** `certificateProfiles` of a server's file, over the built-in ones. */
export const CERTIFICATE_PROFILES = map(
  section({
    ttl: { shape: duration(60), help: "life of a certificate that is asked for without one" },
    maxTtl: { shape: duration(60), help: "longest life that may be asked for; ttl" },
    usages: {
      shape: list(choice(["server", "client"]), { least: 1, most: 2 }),
      help: "which end of a TLS connection it may be",
    },
    names: {
      shape: choice(["web", "any"]),
      help: "web: at least one name, each with a dot, and no common name but one of them; any: hosts' names too",
    },
    wildcards: { shape: flag(), help: "names such as *.example.org" },
    ipAddresses: { shape: flag(), help: "addresses as names" },
    spiffeId: {
      shape: choice(["none", "allowed", "required"]),
      help: "a SPIFFE ID beside them, under the trust domain's own authorities",
    },
    maxNames: { shape: count(1, 256), help: "names and addresses in one certificate" },
    keyTypes: { shape: list(KEY_TYPE, { least: 1, most: 8 }), help: "keys that are certified" },
  }),
  { keyPattern: NAME, most: 32 },
);
