import { setTimeout as wait } from "node:timers/promises";
import type { Command } from "../program/command.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { SERVER_SOCKET_OPTION, connectServer } from "../connection/rpc-clients.ts";
import { type AuthorityWord, authorityJson, authorityLines } from "./kinds.ts";
import { callStep, setOf, setOptions } from "./sets.ts";

/** `authority x509 rotate`, `authority jwt rotate`: the next authority, published and then signing. */
export function rotateCommand(kind: AuthorityWord): Command {
  return {
    name: `authority ${kind} rotate`,
    options: [
      {
        name: "wait",
        value: "DURATION",
        help: "how long the new one is published before it signs",
        fallback: "15s",
      },
      ...setOptions(kind),
      SERVER_SOCKET_OPTION,
      OUTPUT_OPTION,
    ],
    examples: [`assay authority ${kind} rotate`, `assay authority ${kind} rotate --wait 10m`],
    notes: [
      "Agents that poll ask every 5 s; federated domains ask every few minutes: wait longer where they must verify what",
      "is signed next. What the old one signed stays good: 'assay agents rotate --all' has it replaced.",
    ],
    async run(context) {
      const { options, output, signal } = context;
      const seconds = options.seconds("wait") ?? DEFAULT_WAIT_SECONDS;
      using server = await connectServer(context);
      const set = setOf(kind, options);
      const { authority_id: id } = await callStep(server, kind, PREPARE, { set });
      if (seconds > 0) {
        output.note(`assay: ${id} is published; it signs in ${seconds} s`);
        try {
          await wait(seconds * 1000, undefined, { signal });
        } catch (thrown) {
          output.note(
            `assay: stopped; 'assay authority ${kind} activate ${id}${set === "" ? "" : ` --set ${set}`}' goes on`,
          );
          throw thrown;
        }
      }
      const activated = await callStep(server, kind, ACTIVATE, { set, id });
      output.data(authorityJson(activated), () =>
        authorityLines([["active", activated]], Date.now()),
      );
      return undefined;
    },
  };
}

const DEFAULT_WAIT_SECONDS = 15;
const PREPARE = { method: "Prepare", done: "prepared" } as const;
const ACTIVATE = { method: "Activate", done: "activated" } as const;
