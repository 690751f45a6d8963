import { ISSUER_FIELDS } from "./issuer-fields.ts";
import { duration, flag, list, section, text } from "../settings/shape.ts";

/** `nodeAttestors.oidc` of a server's file: issuers whose tokens count, and what for. */
export const OIDC_SECTION = section({
  issuers: {
    help: "issuers whose tokens count",
    required: true,
    shape: list(
      section({
        ...ISSUER_FIELDS,
        audiences: {
          shape: list(text({ maxLength: 1024 }), { least: 1, most: 32 }),
          help: "a token must be meant for one of them",
          required: true,
        },
        attestNodes: { shape: flag(), help: "its tokens attest agents", default: true },
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
