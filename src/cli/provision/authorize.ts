/** Having a token count: by the server's admin socket, or over HTTP with an API token. */
import { toHex } from "../../base/bytes.ts";
import { errorFrom, fail } from "../../base/errors.ts";
import { systemRandom } from "../../base/random.ts";
import { readSecretFile } from "../../config/secret.ts";
import type { IdentitySource } from "../../provision/identity.ts";
import type { AuthorizeResponse__Output } from "../../rpc/gen/assay/provision/v1/AuthorizeResponse.ts";
import type { CommandContext } from "../program/command.ts";
import { withFieldWords } from "../text/field-words.ts";
import { type OptionSpec, UsageError } from "../program/grammar.ts";
import { SERVER_SOCKET_OPTION, connectServer } from "../connection/rpc-clients.ts";
import { GRANT_OPTIONS, PROVISION_SERVICE } from "./provision-facts.ts";

export const AUTHORIZE_OPTIONS: readonly OptionSpec[] = [
  SERVER_SOCKET_OPTION,
  {
    name: "api-token-file",
    value: "FILE",
    help: "authorize over HTTP with this API token, in place of the admin socket",
  },
  { name: "life", value: "DURATION", help: "life of the certificate", fallback: "the server's" },
  { name: "spiffe-id", value: "ID", help: "the certificate is an X.509-SVID with this ID, too" },
  { name: "entry", value: "ID", help: "the same, with the ID and DNS names of an entry" },
];

/** @returns the token. @throws what the server says */
export async function authorize(
  context: CommandContext,
  { names, client }: IdentitySource,
): Promise<string> {
  const { options, signal } = context;
  const life = options.life("life") ?? 0;
  const spiffeId = options.text("spiffe-id") ?? "";
  const entryId = options.text("entry") ?? "";
  if (spiffeId !== "" && entryId !== "") {
    throw new UsageError("--spiffe-id and --entry are both given; the entry says its ID");
  }
  const sans = [...names.dnsNames, ...names.ipAddresses];
  const apiToken = options.text("api-token-file");
  if (apiToken === undefined) {
    using server = await connectServer(context);
    const { token } = await server.call<AuthorizeResponse__Output>(
      PROVISION_SERVICE,
      "Authorize",
      {
        common_name: names.commonName,
        names: sans,
        life,
        spiffe_id: spiffeId,
        entry_id: entryId,
      },
      "assay entry list",
      GRANT_OPTIONS,
    );
    return token;
  }
  if (options.given("socket") !== undefined) {
    throw new UsageError("--socket has no meaning with --api-token-file, which asks over HTTP");
  }
  const token = toHex(systemRandom.bytes(32));
  const fields = new URLSearchParams({ cn: names.commonName, token });
  for (const san of sans) fields.append("san", san);
  if (life > 0) fields.set("lifeInSeconds", String(life));
  if (spiffeId !== "") fields.set("spiffeId", spiffeId);
  if (entryId !== "") fields.set("entry", entryId);
  try {
    await client.authorize(fields, readSecretFile(apiToken, "--api-token-file"), signal);
  } catch (thrown) {
    throw inOptions(thrown);
  }
  return token;
}

/** `...(400): lifeInSeconds: ...`: the option in the field's place. */
function inOptions(thrown: unknown): unknown {
  const error = errorFrom(thrown);
  const [, before = "", said = ""] = /^([^:]+\(\d{3}\): )([^]+)$/.exec(error.message) ?? [];
  const words = withFieldWords(said, GRANT_OPTIONS);
  return words === said ? thrown : fail(error.kind, `${before}${words}`, { cause: error });
}
