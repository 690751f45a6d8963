import type { Command } from "./command.ts";
import { followX509 } from "./fetch/streams.ts";
import { fetchedSvids, svidJson, svidLines } from "./fetch/svid.ts";
import { OUTPUT_OPTION } from "./options.ts";
import { createOutput } from "./output.ts";
import { AGENT_SOCKET_OPTION, connectAgent } from "./rpc-clients.ts";

export const command: Command = {
  name: "watch",
  options: [AGENT_SOCKET_OPTION, OUTPUT_OPTION],
  examples: ["assay watch", "assay watch --output json"],
  notes: ["Ends with Ctrl-C. In the JSON form, each update is one line with a list of SVIDs."],
  async run(context) {
    const { output, signal } = context;
    const lines = createOutput(
      output.format,
      {
        stdout: (text) => process.stdout.write(text),
        stderr: (text) => process.stderr.write(text),
      },
      0,
    );
    using agent = await connectAgent(context);
    for await (const response of followX509(agent, signal, output.note)) {
      const svids = fetchedSvids(response);
      lines.data(svids.map(svidJson), () => [
        `${new Date().toISOString()} update`,
        ...svids.flatMap((svid) => svidLines(svid, Date.now())),
      ]);
    }
    return undefined;
  },
};
