import { toBase64Url } from "../../base/bytes.ts";
import { fail } from "../../base/errors.ts";
import type { CreateExternalAccountResponse__Output } from "../../rpc/gen/assay/acme/v1/CreateExternalAccountResponse.ts";
import type { Command } from "../program/command.ts";
import { UsageError } from "../program/grammar.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { checkNew, checkWritable, replaceFile, writeNewFile } from "../files/replace-file.ts";
import { SERVER_SOCKET_OPTION, connectServer } from "../connection/rpc-clients.ts";
import {
  EXTERNAL_ACCOUNTS_SERVICE,
  externalAccountJson,
  externalAccountLines,
} from "./external-account.ts";

export const command: Command = {
  name: "acme eab create",
  options: [
    {
      name: "entry",
      value: "ID",
      help: "entry whose SPIFFE ID certificates of the account may have (profile spiffe)",
    },
    {
      name: "names",
      value: "NAME,...",
      help: "DNS names the account may have: a.example.org, .example.org, *.example.org",
      fallback: "the entry's DNS names, or what the server's file lists",
      many: true,
    },
    {
      name: "networks",
      value: "NETWORK,...",
      help: "addresses the account may have: 10.0.0.7, 10.0.0.0/8",
      many: true,
    },
    { name: "reusable", help: "for any number of accounts instead of one" },
    {
      name: "ttl",
      value: "DURATION",
      help: "time in which an account may be bound",
      fallback: "7d, and no end with --reusable",
    },
    { name: "write", value: "FILE", help: "write the MAC key there (0600) instead of printing it" },
    { name: "overwrite", help: "with --write: also where there is a file already" },
    SERVER_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: [
    "assay acme eab create --names www.example.org,.apps.example.org",
    "assay acme eab create --entry web --reusable --ttl 30d",
    "assay acme eab create --networks 10.0.0.0/8 --write eab.key",
  ],
  notes: [
    "The MAC key is shown once: for certbot --eab-hmac-key, for Traefik eab.hmacEncoded.",
    "An account that was bound keeps its names after --ttl; 'assay acme eab delete' takes them away.",
  ],
  async run(context) {
    const { options, output } = context;
    const request = {
      entry_id: options.text("entry") ?? "",
      names: commaParts(options.list("names")),
      networks: commaParts(options.list("networks")),
      reusable: options.flag("reusable"),
      ttl: options.life("ttl") ?? 0,
    };
    const file = options.text("write");
    const isFree = options.flag("overwrite");
    if (isFree && file === undefined) throw new UsageError("--overwrite goes with --write");
    if (file !== undefined) await (isFree ? checkWritable : checkNew)(file, "--write");
    using server = await connectServer(context);
    const made = await server.call<CreateExternalAccountResponse__Output>(
      EXTERNAL_ACCOUNTS_SERVICE,
      "CreateExternalAccount",
      request,
      "assay entry list",
    );
    if (made.external_account === null) throw fail("internal", "the server's answer is empty");
    const account = externalAccountJson(made.external_account);
    const macKey = toBase64Url(made.mac_key);
    const written = `${macKey}\n`;
    if (file !== undefined && isFree) await replaceFile(file, written, 0o600);
    if (file !== undefined && !isFree)
      await writeNewFile(file, written, { mode: 0o600, option: "--write" });
    const shown = file === undefined ? { macKey } : { file };
    output.data({ ...account, ...shown }, () => [
      ...externalAccountLines(account, Date.now(), file === undefined ? macKey : undefined),
      ...(file === undefined ? [] : [`the MAC key is in ${file}`]),
    ]);
    return undefined;
  },
};

function commaParts(texts: readonly string[]): string[] {
  return texts.flatMap((text) => text.split(",")).filter((part) => part !== "");
}
