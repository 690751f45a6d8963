import type { AuthorityState__Output } from "../../rpc/gen/spire/api/server/localauthority/v1/AuthorityState.ts";
import type { Command } from "../command.ts";
import type { OptionSpec } from "../grammar.ts";
import { OUTPUT_OPTION } from "../options.ts";
import { SERVER_SOCKET_OPTION, connectServer } from "../rpc-clients.ts";
import {
  API_NAMES,
  AUTHORITY_ID_OPTION,
  AUTHORITY_SERVICE,
  type AuthorityWord,
  EXAMPLE_IDS,
} from "./kinds.ts";

export type AuthorityStep = "activate" | "taint" | "revoke";

/** `authority x509 activate` and its like: a step with one authority. */
export function stepCommand(step: AuthorityStep, kind: AuthorityWord): Command {
  const { method, done, note } = STEPS[step];
  const name = `authority ${kind} ${step}`;
  const hasUpstream = kind === "x509" && step !== "activate";
  return {
    name,
    operand: AUTHORITY_ID_OPTION.name,
    options: [
      AUTHORITY_ID_OPTION,
      ...(hasUpstream ? [UPSTREAM_OPTION] : []),
      SERVER_SOCKET_OPTION,
      OUTPUT_OPTION,
    ],
    examples: [
      `assay ${name} ${EXAMPLE_IDS[kind]}`,
      ...(hasUpstream ? [`assay ${name} --upstream ${EXAMPLE_IDS[kind]}`] : []),
    ],
    notes: [note],
    async run(context) {
      const authorityId = context.options.required(AUTHORITY_ID_OPTION.name);
      if (hasUpstream && context.options.flag(UPSTREAM_OPTION.name)) {
        using peer = await connectServer(context);
        await peer.call(AUTHORITY_SERVICE, `${method}X509UpstreamAuthority`, {
          subject_key_id: authorityId,
        });
        context.output.data({ id: authorityId, upstream: true, [done]: true }, () => [
          `${done} upstream authority ${authorityId}`,
        ]);
        return undefined;
      }
      using server = await connectServer(context);
      const response = await server.call<Record<string, AuthorityState__Output | null>>(
        AUTHORITY_SERVICE,
        `${method}${API_NAMES[kind]}Authority`,
        { authority_id: authorityId },
      );
      const id = response[`${done}_authority`]?.authority_id ?? authorityId;
      context.output.data({ id, [done]: true }, () => [`${done} ${id}`]);
      return undefined;
    },
  };
}

const UPSTREAM_OPTION: OptionSpec = {
  name: "upstream",
  help: "the ID is that of the root above old authorities, which others signed",
};

const STEPS = {
  activate: {
    method: "Activate",
    done: "activated",
    note: "From now on it signs. The one that signed before stays in the bundle until it ends.",
  },
  taint: {
    method: "Taint",
    done: "tainted",
    note: "Agents replace what a tainted authority signed. It still verifies until it is revoked.",
  },
  revoke: {
    method: "Revoke",
    done: "revoked",
    note: "It leaves the bundle: whatever it signed no longer verifies. Taint it first and give agents time.",
  },
} as const;
