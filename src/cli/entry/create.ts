import type { BatchCreateEntryResponse__Output } from "../../rpc/gen/spire/api/server/entry/v1/BatchCreateEntryResponse.ts";
import type { Command } from "../program/command.ts";
import { UsageError } from "../program/grammar.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { SERVER_SOCKET_OPTION, connectServer } from "../connection/rpc-clients.ts";
import { CLAIM_OPTION, claimsOption } from "./claims.ts";
import { type EntryBeside, createMessage, createService } from "./beside.ts";
import type { Options } from "../program/options.ts";
import { TEMPLATE_OPTIONS, templateOption } from "./templates.ts";
import { entryOfBatch } from "./batch.ts";
import { entryJson, entryLines } from "./entry-json.ts";
import { FIELD_OPTIONS, RIGHTS, STRICT_OPTION, entryFields } from "./fields.ts";

export const command: Command = {
  name: "entry create",
  options: [
    { name: "spiffe-id", value: "ID", help: "SPIFFE ID that the workload gets", required: true },
    {
      name: "parent-id",
      value: "ID",
      help: "agent or node alias that may ask for it; spiffe://TD/spire/server makes a node alias",
      required: true,
    },
    {
      name: "selector",
      value: "TYPE:VALUE",
      help: "what must be true of the workload; all must be",
      required: true,
      many: true,
    },
    ...TEMPLATE_OPTIONS,
    CLAIM_OPTION,
    ...FIELD_OPTIONS,
    { name: "entry-id", value: "ID", help: "the entry's own ID", fallback: "a random one" },
    ...RIGHTS.map(([name, help]) => ({ name, help })),
    STRICT_OPTION,
    SERVER_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: [
    "assay entry create --spiffe-id spiffe://example.org/web --parent-id spiffe://example.org/host --selector unix:uid:1000",
    "assay entry create --spiffe-id spiffe://example.org/db --parent-id spiffe://example.org/host --selector unix:user:postgres --selector unix:path:/usr/bin/postgres --x509-ttl 10m --dns-name db.example.org",
    "assay entry create --spiffe-id spiffe://example.org/api --parent-id spiffe://example.org/host --selector k8s:ns:prod --jwt-claim 'env={{k8s.ns}}' --jwt-claim 'roles:=[\"reader\"]'",
    "assay entry create --spiffe-id spiffe://example.org/ns --template 'spiffe://example.org/ns/{{k8s.ns}}/sa/{{k8s.sa}}' --parent-id spiffe://example.org/cluster --selector k8s:ns:prod",
  ],
  notes: [
    "With --template the entry names a family: --spiffe-id is their prefix and nobody's identity (doc/templates.md).",
  ],
  async run(context) {
    const { options, output } = context;
    if (options.flag("template-trust-agent") && options.text("template") === undefined) {
      throw new UsageError("--template-trust-agent is for entries with --template");
    }
    const entry = {
      ...entryFields(options),
      id: options.text("entry-id") ?? "",
      admin: options.flag("admin"),
      downstream: options.flag("downstream"),
      store_svid: options.flag("store-svid"),
      additional_attributes: {
        disable_x509_svid_prefetch: options.flag("no-x509-prefetch"),
        jwt_svid_include_jti: options.flag("jwt-jti"),
      },
    };
    using server = await connectServer(context);
    const beside = besideOptions(options);
    const { results } = await server.call<BatchCreateEntryResponse__Output>(
      createService(beside),
      "BatchCreateEntry",
      { entries: [createMessage(entry, beside)] },
    );
    const created = entryOfBatch(results[0]);
    output.data(entryJson(created, beside), () => entryLines(created, beside, Date.now()));
    return undefined;
  },
};

function besideOptions(options: Options): EntryBeside {
  const template = templateOption(options);
  const claims = claimsOption(options);
  return {
    ...(template === undefined ? {} : { template }),
    ...(claims === undefined ? {} : { claims }),
  };
}
