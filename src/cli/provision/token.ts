import type { AuthorizeResponse__Output } from "../../rpc/gen/assay/provision/v1/AuthorizeResponse.ts";
import type { CreateApiTokenResponse__Output } from "../../rpc/gen/assay/provision/v1/CreateApiTokenResponse.ts";
import type { Command, CommandContext } from "../program/command.ts";
import { factLines, isoTime, timeText } from "../text/facts.ts";
import { UsageError } from "../program/grammar.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { checkWritable, replaceFile } from "../files/replace-file.ts";
import { SERVER_SOCKET_OPTION, connectServer } from "../connection/rpc-clients.ts";
import { GRANT_OPTIONS, PROVISION_SERVICE } from "./provision-facts.ts";

export const command: Command = {
  name: "provision token",
  options: [
    {
      name: "name",
      formerly: "cn",
      value: "NAME",
      help: "common name, and a DNS name of the certificate where it is one",
    },
    {
      name: "san",
      value: "NAME",
      help: "DNS name or IP address besides it",
      many: true,
    },
    { name: "life", value: "DURATION", help: "life of the certificate", fallback: "the server's" },
    { name: "entry", value: "ID", help: "an entry whose SPIFFE ID is to be in the certificate" },
    { name: "spiffe-id", value: "ID", help: "the same by the ID of some entry" },
    { name: "api", value: "NAME", help: "make an API token that may authorize over HTTP instead" },
    {
      name: "allow-name",
      value: "NAME",
      help: "hold the API token to names; *.example.org is all below",
      many: true,
    },
    { name: "allow-entries", help: "let the API token authorize SPIFFE IDs and entries" },
    {
      name: "ttl",
      value: "DURATION",
      help: "time in which the token counts",
      fallback: "the server's; of an API token 90d",
    },
    { name: "write", value: "FILE", help: "write the token there (0600) instead of printing it" },
    SERVER_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: [
    "assay provision token --name web.example.org --life 12h --write token",
    "assay provision token --name web --san 10.0.0.7 --entry web --ttl 10m",
    "assay provision token --api ci --allow-name *.ci.example.org --ttl 30d --write ci.token",
  ],
  notes: [
    "A one-time token gives one certificate; an API token makes one-time tokens.",
    "'ca fingerprint' is the SHA-256 of the root above the listener's certificate, for clients that know nothing yet.",
  ],
  async run(context) {
    const { options } = context;
    const file = options.text("write");
    if (file !== undefined) await checkWritable(file, "--write");
    if (options.text("api") !== undefined) return apiToken(context);
    if (options.list("allow-name").length > 0 || options.flag("allow-entries")) {
      throw new UsageError("--allow-name and --allow-entries go with --api");
    }
    return oneTimeToken(context);
  },
};

async function oneTimeToken(context: CommandContext): Promise<undefined> {
  const { options, output } = context;
  const request = {
    common_name: options.required("name"),
    names: options.list("san"),
    life: options.life("life") ?? 0,
    ttl: options.life("ttl") ?? 0,
    entry_id: options.text("entry") ?? "",
    spiffe_id: options.text("spiffe-id") ?? "",
  };
  using server = await connectServer(context);
  const made = await server.call<AuthorizeResponse__Output>(
    PROVISION_SERVICE,
    "Authorize",
    request,
    "assay entry list",
    GRANT_OPTIONS,
  );
  const { token, ca_fingerprints: caFingerprints } = made;
  const expiresAt = Number(made.grant?.expires_at);
  const shown = await show(context, token);
  const tokenHash = made.grant?.token_hash;
  output.data(
    { ...shown, cn: request.common_name, tokenHash, expiresAt: isoTime(expiresAt), caFingerprints },
    () =>
      factLines([
        shown.file === undefined ? ["token", token] : ["written to", shown.file],
        ["name", request.common_name],
        ["expires", timeText(expiresAt, Date.now())],
        ...caFingerprints.map((each) => ["ca fingerprint", each] as const),
      ]),
  );
  return undefined;
}

async function apiToken(context: CommandContext): Promise<undefined> {
  const { options, output } = context;
  for (const name of ["name", "life", "entry", "spiffe-id"]) {
    if (options.text(name) !== undefined)
      throw new UsageError(`--api and --${name} exclude each other`);
  }
  using server = await connectServer(context);
  const made = await server.call<CreateApiTokenResponse__Output>(
    PROVISION_SERVICE,
    "CreateApiToken",
    {
      name: options.required("api"),
      ttl: options.life("ttl") ?? DEFAULT_API_TTL_SECONDS,
      allow_names: options.list("allow-name"),
      allow_entries: options.flag("allow-entries"),
    },
    undefined,
    GRANT_OPTIONS,
  );
  const expiresAt = Number(made.api_token?.expires_at);
  const shown = await show(context, made.token);
  const name = options.required("api");
  output.data({ ...shown, name, expiresAt: isoTime(expiresAt) }, () =>
    factLines([
      shown.file === undefined ? ["token", made.token] : ["written to", shown.file],
      ["name", name],
      ["expires", timeText(expiresAt, Date.now())],
    ]),
  );
  return undefined;
}

/** Puts the token where it was asked for. */
async function show(
  { options }: CommandContext,
  token: string,
): Promise<{ readonly token?: string; readonly file?: string }> {
  const file = options.text("write");
  if (file === undefined) return { token };
  await replaceFile(file, `${token}\n`, 0o600);
  return { file };
}

const DEFAULT_API_TTL_SECONDS = 90 * 24 * 3600;
