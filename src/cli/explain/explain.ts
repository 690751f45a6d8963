import type { ExplainPidResponse__Output } from "../../rpc/gen/assay/explain/v1/ExplainPidResponse.ts";
import type { Command } from "../program/command.ts";
import { UsageError } from "../program/grammar.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { connectTo } from "../connection/rpc-clients.ts";
import { explanationJson } from "./explanation-json.ts";
import { explanationLines } from "./explanation-lines.ts";

export const command: Command = {
  name: "explain",
  operand: "pid",
  options: [
    {
      name: "pid",
      value: "N",
      help: "the process to explain; 0: the last caller that the kernel does not name here",
      required: true,
    },
    { name: "uid", value: "N", help: "with pid 0: the last one of this user" },
    {
      name: "socket",
      value: "PATH",
      help: "the agent's admin socket; it has one when it was started with --admin-socket, and in 'assay dev'",
      env: "ASSAY_AGENT_ADMIN_SOCKET",
    },
    OUTPUT_OPTION,
  ],
  examples: [
    "assay explain --pid 4711 --socket /run/assay/agent-admin/admin.sock",
    "assay explain 4711 --output json",
  ],
  notes: [
    "Says what each attestor saw, which entries match, and why the nearest others do not.",
    "The process need not be connected to the agent; its number is that in the agent's PID namespace. A caller that has none",
    "there (a sandbox, another PID namespace) is known by the token of its call alone: 0 explains the last one.",
  ],
  async run({ options, output, signal }) {
    const pid = numberOf("pid", options.required("pid"), MAX_PID);
    const given = options.text("uid");
    if (given !== undefined && pid !== 0)
      throw new UsageError("--uid has a meaning with pid 0 only");
    const uid = given === undefined ? {} : { uid: numberOf("uid", given, MAX_UID) };
    const socket = options.text("socket");
    if (socket === undefined) {
      throw new UsageError(
        "--socket is missing; name the one that the agent was started with as --admin-socket (or set ASSAY_AGENT_ADMIN_SOCKET), which 'assay dev' shows",
      );
    }
    using agent = await connectTo("agent", socket, signal, { meant: "agent-admin" });
    const answer = await agent.call<ExplainPidResponse__Output>(
      "assay.explain.v1.Explain",
      "ExplainPid",
      { pid, ...uid },
    );
    output.data(explanationJson(answer), () => explanationLines(answer, Date.now()));
    return undefined;
  },
};

function numberOf(option: string, text: string, most: number): number {
  const number = Number(text);
  if (!/^\d{1,10}$/.test(text) || number > most) {
    const what = option === "pid" ? "process" : "user";
    throw new UsageError(`--${option}: '${text.slice(0, 40)}' is not the number of a ${what}`);
  }
  return number;
}

const MAX_PID = 2 ** 31 - 1;
const MAX_UID = 2 ** 32 - 1;
