import { pickOf } from "../../delivery/view.ts";
import type { Command } from "../program/command.ts";
import { UsageError } from "../program/grammar.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { AGENT_SOCKET_OPTION, connectAgent } from "../connection/rpc-clients.ts";
import { WAIT_OPTION, withWait } from "../connection/wait.ts";
import { VIA_OPTIONS, isViaToken, x509ViaToken } from "./via-token.ts";
import { firstX509Response } from "./streams.ts";
import { fetchedSvids, svidJson, svidLines } from "./svid.ts";
import { writeSvid } from "./write-svid.ts";

export const command: Command = {
  name: "fetch x509",
  options: [
    {
      name: "write",
      value: "DIR",
      help: "write svid.pem, key.pem, bundle.pem and federated/*.pem of the first SVID there",
    },
    { name: "hint", value: "TEXT", help: "write the SVID with this hint, not the first" },
    {
      name: "spiffe-id",
      value: "ID",
      help: "identity to fetch, for a process that has several",
      fallback: "all of them",
    },
    ...VIA_OPTIONS,
    WAIT_OPTION,
    AGENT_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: [
    "assay fetch x509",
    "assay fetch x509 --write ./identity --wait 30s",
    "assay fetch x509 --via oidc --token-file token --server assay.example.org:8081 --trust-bundle bundle.pem --write ./identity",
  ],
  notes: ["The private key is only ever written to a file (key.pem, 0600), never printed."],
  async run(context) {
    const { options, output } = context;
    const folder = options.text("write");
    const hint = options.text("hint");
    const isVia = isViaToken(context);
    const spiffeId = options.text("spiffe-id");
    const patience = isVia ? VIA_PATIENCE : AGENT_PATIENCE;
    const svids = await withWait(context, patience, async () => {
      if (isVia) return x509ViaToken(context, spiffeId);
      using agent = await connectAgent(context);
      const all = fetchedSvids(await firstX509Response(agent, context.signal));
      if (spiffeId === undefined) return all;
      const one = pickOf(all, { spiffeId });
      return all.filter((svid) => svid.spiffeId === one.spiffeId);
    });
    const wanted = hint === undefined ? svids[0] : svids.find((svid) => svid.hint === hint);
    if (wanted === undefined) {
      const hints = svids.filter((svid) => svid.hint !== "").map((svid) => `'${svid.hint}'`);
      const known = hints.length === 0 ? "none has any" : `there are ${hints.join(", ")}`;
      throw new UsageError(`--hint: no SVID has the hint '${hint}'; ${known}`);
    }
    const files = folder === undefined ? [] : await writeSvid(folder, wanted);
    output.data(svids.map(svidJson), () => [
      ...svids.flatMap((svid) => svidLines(svid, Date.now())),
      ...files.map((file) => `wrote ${file}`),
    ]);
    return undefined;
  },
};

const AGENT_PATIENCE = ["not_found", "unavailable", "denied"] as const;
/** A refusal of a token is final. */
const VIA_PATIENCE = ["unavailable"] as const;
