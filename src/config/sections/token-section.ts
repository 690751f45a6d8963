import { AGENT_API_ACCESS } from "./kubernetes-sections.ts";
import { ISSUER_FIELDS } from "./issuer-fields.ts";
import { flag, list, section, text } from "../settings/shape.ts";

/** `workloadAttestors.token` of an agent's file: whose tokens count when they come with a call. */
export const TOKEN_SECTION = section({
  issuers: {
    help: "issuers whose tokens count",
    shape: list(
      section({
        ...ISSUER_FIELDS,
        audiences: {
          shape: list(text({ maxLength: 1024 }), { least: 1, most: 32 }),
          help: "a token must be meant for one of them; absent: the trust domain's ID",
        },
        review: {
          shape: section({
            ...AGENT_API_ACCESS,
            tokenFile: {
              ...AGENT_API_ACCESS.tokenFile,
              help: "token for that API server, which needs the right to create tokenreviews; that of the pod",
            },
          }),
          help: "the issuer is a cluster, and is asked about each token (TokenReview): what it has taken back counts no more",
        },
        pods: {
          shape: flag(),
          help: "it is this node's cluster: a pod's token has the pod's k8s selectors where no PID tells the pod",
          default: false,
        },
      }),
      { least: 1, most: 64 },
    ),
  },
  oneTime: {
    shape: flag(),
    help: "one-time tokens that the server gave out count",
    default: true,
  },
});
