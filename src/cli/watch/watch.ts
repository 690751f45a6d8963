import type { Command } from "../program/command.ts";
import { followX509 } from "../fetch/streams.ts";
import { fetchedSvids, svidJson, svidLines } from "../fetch/svid.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { createLines } from "../program/output.ts";
import { AGENT_SOCKET_OPTION, connectAgent } from "../connection/rpc-clients.ts";
import { WAIT_OPTION, withWait } from "../connection/wait.ts";
import { DELIVERY_OPTIONS, wantedTargets } from "./targets.ts";

export const command: Command = {
  name: "watch",
  options: [...DELIVERY_OPTIONS, WAIT_OPTION, AGENT_SOCKET_OPTION, OUTPUT_OPTION],
  examples: [
    "assay watch",
    "assay watch --output json",
    "assay watch --dir /etc/nginx/identity --run 'nginx -s reload'",
    "assay watch --dir /etc/haproxy/identity --format haproxy --signal /run/haproxy.pid --signal-name USR2",
    "assay watch --dir /identity --once --wait 60s",
  ],
  notes: [
    "Ends with Ctrl-C. In the JSON form, each update is one line: a list of SVIDs, or what was written.",
    "All files of a folder change at once; doc/delivery.md has nginx, HAProxy, PostgreSQL and Java.",
  ],
  async run(context) {
    const wanted = await wantedTargets(context);
    if (wanted !== undefined) return (await import("./deliver.ts")).deliver(context, wanted);
    const { output, signal } = context;
    const lines = createLines(output.format);
    using agent = await withWait(context, ["not_found", "unavailable"], () =>
      connectAgent(context),
    );
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
