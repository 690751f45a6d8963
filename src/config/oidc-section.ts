import { duration, flag, list, map, section, text } from "./shape.ts";

/** `nodeAttestors.oidc` of a server's file: issuers whose tokens count, and what for. */
export const OIDC_SECTION = section({
  issuers: {
    help: "issuers whose tokens count",
    required: true,
    shape: list(
      section({
        alias: {
          shape: text({
            pattern: "^[a-z0-9][a-z0-9._\\-]{0,62}$",
            rule: "is not 1 to 63 of a-z, 0-9, dot, dash and underscore",
          }),
          help: "names the issuer in selectors and agent paths",
          required: true,
        },
        url: { shape: text(), help: "exactly the tokens' iss", required: true },
        audiences: {
          shape: list(text({ maxLength: 1024 }), { least: 1, most: 32 }),
          help: "a token must be meant for one of them",
          required: true,
        },
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
        attestNodes: { shape: flag(), help: "its tokens attest agents", default: true },
        requiredClaims: {
          shape: map(list(text({ maxLength: 1024 }), { least: 1, most: 256 }), {
            keyPattern: "^[^:\\s]{1,255}$",
            most: 64,
          }),
          help: "values that claims must have before a token attests an agent",
        },
        agentPath: {
          shape: text({ maxLength: 1024 }),
          help: "an agent's path below the alias, with {{claim}} in it; absent: the SHA-256 of issuer and subject",
        },
        reattest: {
          shape: flag(),
          help: "agents show a fresh token for each new SVID instead of renewing",
          default: false,
        },
        fetch: {
          shape: section({
            maxTtl: {
              shape: duration(5),
              help: "longest life of an X.509-SVID had this way",
              default: "15m",
            },
          }),
          help: "SVIDs without an agent for whoever shows a token",
        },
      }),
      { least: 1, most: 64 },
    ),
  },
});
