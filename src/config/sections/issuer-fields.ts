import { duration, flag, list, map, text } from "../settings/shape.ts";

/** How an OIDC issuer is known, whatever its tokens are for. */
export const ISSUER_FIELDS = {
  alias: {
    shape: text({
      pattern: "^[a-z0-9][a-z0-9._\\-]{0,62}$",
      rule: "is not 1 to 63 of a-z, 0-9, dot, dash and underscore",
    }),
    help: "names the issuer in selectors and agent paths",
    required: true,
  },
  url: { shape: text(), help: "exactly the tokens' iss", required: true },
  jwksUrl: { shape: text(), help: "address of the key set, in place of discovery" },
  jwksFile: { shape: text(), help: "file with the key set, in place of any fetching" },
  caFile: { shape: text(), help: "TLS authorities (PEM) in place of the host's" },
  loopbackHttp: {
    shape: flag(),
    help: "allow plain http to loopback addresses",
    default: false,
  },
  maxLife: {
    shape: duration(1),
    help: "tokens with more life left are refused",
    default: "24h",
  },
  requiredClaims: {
    shape: map(list(text({ maxLength: 1024 }), { least: 1, most: 256 }), {
      keyPattern: "^[^:\\s]{1,255}$",
      most: 64,
    }),
    help: "values that claims must have before a token counts",
  },
} as const;
