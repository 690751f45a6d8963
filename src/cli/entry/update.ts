import type { BatchSetClaimsResponse__Output } from "../../rpc/gen/assay/claims/v1/BatchSetClaimsResponse.ts";
import type { BatchSetTemplateResponse__Output } from "../../rpc/gen/assay/template/v1/BatchSetTemplateResponse.ts";
import type { BatchUpdateEntryResponse__Output } from "../../rpc/gen/spire/api/server/entry/v1/BatchUpdateEntryResponse.ts";
import type { Entry__Output } from "../../rpc/gen/spire/api/types/Entry.ts";
import type { Command } from "../program/command.ts";
import { UsageError } from "../program/grammar.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import {
  CLAIMS_SERVICE,
  ENTRY_SERVICE,
  type RpcClient,
  SERVER_SOCKET_OPTION,
  TEMPLATE_SERVICE,
  connectServer,
} from "../connection/rpc-clients.ts";
import { OK, entryOfBatch, statusError } from "./batch.ts";
import {
  type EntryTemplate,
  TEMPLATE_OPTIONS,
  templateMessage,
  templateOption,
} from "./templates.ts";
import { readBeside } from "./beside.ts";
import { CLAIM_OPTION, type EntryClaims, claimsMessage, claimsOption } from "./claims.ts";
import { entryJson, entryLines } from "./entry-json.ts";
import { FIELD_OPTIONS, RIGHTS, STRICT_OPTION, entryFields } from "./fields.ts";

export const command: Command = {
  name: "entry update",
  operand: "id",
  options: [
    { name: "id", value: "ID", help: "the entry's own ID", required: true },
    { name: "spiffe-id", value: "ID", help: "SPIFFE ID that the workload gets" },
    { name: "parent-id", value: "ID", help: "agent or node alias that may ask for it" },
    {
      name: "selector",
      value: "TYPE:VALUE",
      help: "replaces all selectors of the entry",
      many: true,
    },
    ...TEMPLATE_OPTIONS,
    { ...CLAIM_OPTION, help: "replaces all claims of its own; NAME:=JSON for what is no text" },
    { name: "no-jwt-claims", help: "takes all claims of its own away" },
    ...FIELD_OPTIONS,
    ...RIGHTS.map(([name, help]) => ({
      name,
      value: "BOOL",
      help,
      choices: ["true", "false"],
    })),
    STRICT_OPTION,
    SERVER_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: [
    "assay entry update 8f0c4f57-6dd0-4b67-a7f5-0b3f5f9f1c11 --x509-ttl 30m --selector unix:uid:1001",
  ],
  notes: ["What is not given stays as it is."],
  async run(context) {
    const { options, output } = context;
    const id = options.required("id");
    const fields = { ...entryFields(options), ...rights(options) };
    const attributes = {
      ...choice(options.text("no-x509-prefetch"), "disable_x509_svid_prefetch"),
      ...choice(options.text("jwt-jti"), "jwt_svid_include_jti"),
    };
    const template = templateOption(options);
    const claims = options.flag("no-jwt-claims") ? {} : claimsOption(options);
    if (options.flag("no-jwt-claims") && claimsOption(options) !== undefined) {
      throw new UsageError("--jwt-claim and --no-jwt-claims are both given; leave one out");
    }
    const isPlain = Object.keys(fields).length + Object.keys(attributes).length > 0;
    const sorts = [template !== undefined, claims !== undefined, isPlain].filter(Boolean).length;
    if (sorts > 1) {
      throw new UsageError(
        "a template and claims are changed by themselves; give --template, --jwt-claim or --no-jwt-claims alone",
      );
    }
    if (template !== undefined || claims !== undefined) {
      using registry = await connectServer(context);
      if (template !== undefined) await setTemplate(registry, id, template);
      if (claims !== undefined) await setClaims(registry, id, claims);
      const changed = await registry.call<Entry__Output>(ENTRY_SERVICE, "GetEntry", { id });
      const beside = (await readBeside(registry, [id]))(id);
      output.data(entryJson(changed, beside), () => entryLines(changed, beside, Date.now()));
      return undefined;
    }
    if (!isPlain) {
      throw new UsageError("nothing to change was given; for example --x509-ttl 30m");
    }
    using server = await connectServer(context);
    const entry = { id, ...fields, ...(await mergedAttributes()) };
    const { results } = await server.call<BatchUpdateEntryResponse__Output>(
      ENTRY_SERVICE,
      "BatchUpdateEntry",
      { entries: [entry], input_mask: maskOf(entry) },
    );
    const updated = entryOfBatch(results[0]);
    const kept = (await readBeside(server, [id]))(id);
    output.data(entryJson(updated, kept), () => entryLines(updated, kept, Date.now()));
    return undefined;

    /** The mask takes these two together; the one that was not given must keep its value. */
    async function mergedAttributes(): Promise<object> {
      if (Object.keys(attributes).length === 0) return {};
      const before = await server.call<Entry__Output>(
        ENTRY_SERVICE,
        "GetEntry",
        { id },
        "assay entry list",
      );
      return { additional_attributes: { ...before.additional_attributes, ...attributes } };
    }
  },
};

async function setTemplate(server: RpcClient, id: string, template: EntryTemplate): Promise<void> {
  const { results } = await server.call<BatchSetTemplateResponse__Output>(
    TEMPLATE_SERVICE,
    "BatchSetTemplate",
    { templates: [{ id, template: templateMessage(template) }] },
  );
  const { code, message } = results[0]?.status ?? { code: OK, message: "" };
  if (code !== OK) throw statusError(code, message);
}

async function setClaims(server: RpcClient, id: string, claims: EntryClaims): Promise<void> {
  const { results } = await server.call<BatchSetClaimsResponse__Output>(
    CLAIMS_SERVICE,
    "BatchSetClaims",
    { claims: [{ id, claims: claimsMessage(claims) }] },
  );
  const { code, message } = results[0]?.status ?? { code: OK, message: "" };
  if (code !== OK) throw statusError(code, message);
}

function rights(options: { text(name: string): string | undefined }): Record<string, boolean> {
  return {
    ...choice(options.text("admin"), "admin"),
    ...choice(options.text("downstream"), "downstream"),
    ...choice(options.text("store-svid"), "store_svid"),
  };
}

function choice(text: string | undefined, field: string): Record<string, boolean> {
  return text === undefined ? {} : { [field]: text === "true" };
}

function maskOf(entry: object): Record<string, boolean> {
  return Object.fromEntries(
    Object.keys(entry)
      .filter((field) => field !== "id")
      .map((field) => [field, true]),
  );
}
