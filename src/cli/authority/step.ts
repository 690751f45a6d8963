import type { Command } from "../program/command.ts";
import { type OptionSpec, UsageError } from "../program/grammar.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { SERVER_SOCKET_OPTION, connectServer } from "../connection/rpc-clients.ts";
import { callStep, setOf, setOptions } from "./sets.ts";
import {
  AUTHORITY_ID_OPTION,
  AUTHORITY_SERVICE,
  type AuthorityWord,
  EXAMPLE_IDS,
} from "./kinds.ts";

export type AuthorityStep = "activate" | "taint" | "revoke";

/** `authority x509 activate` and its like: a step with one authority. */
export function stepCommand(step: AuthorityStep, kind: AuthorityWord): Command {
  const words = STEPS[step];
  const { method, done, note } = words;
  const name = `authority ${kind} ${step}`;
  const hasUpstream = kind === "x509" && step !== "activate";
  return {
    name,
    operand: AUTHORITY_ID_OPTION.name,
    options: [
      AUTHORITY_ID_OPTION,
      ...(hasUpstream ? [UPSTREAM_OPTION] : []),
      ...setOptions(kind),
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
        if (setOf(kind, context.options) !== "") {
          throw new UsageError(
            "--upstream is for what stands in the trust domain's bundle; with --set name the authority itself",
          );
        }
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
      const set = setOf(kind, context.options);
      const { authority_id: id } = await callStep(server, kind, words, { set, id: authorityId });
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
