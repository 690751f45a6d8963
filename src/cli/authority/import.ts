import { fail } from "../../base/errors.ts";
import type { ImportX509AuthorityResponse__Output } from "../../rpc/gen/assay/authority/v1/ImportX509AuthorityResponse.ts";
import { decodePem } from "../../x509/pem.ts";
import type { Command } from "../command.ts";
import { isoTime } from "../facts.ts";
import { OUTPUT_OPTION } from "../options.ts";
import { readTextFile } from "../read-file.ts";
import { SERVER_SOCKET_OPTION, connectServer } from "../rpc-clients.ts";
import { SETS_SERVICE, SET_OPTION, setOf } from "./sets.ts";
import { authorityLines } from "./kinds.ts";

/** `authority x509 import`: what the offline root signed. */
export const command: Command = {
  name: "authority x509 import",
  operand: "file",
  options: [
    {
      name: "file",
      value: "FILE",
      help: "certificate, those above it and the root (PEM); - is standard input",
      required: true,
    },
    SET_OPTION,
    SERVER_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: [
    "assay authority x509 import server.pem",
    "assay authority x509 import web.pem --set web",
  ],
  notes: [
    "The authority is published at once and signs before the active one ends, at once where none signs yet, or when",
    "'assay authority x509 activate' says so. What the one before signed stays good.",
  ],
  async run(context) {
    const file = context.options.required("file");
    const certificates = decodePem(readTextFile(file, "file"))
      .filter(({ label }) => label === "CERTIFICATE")
      .map(({ der }) => Buffer.from(der));
    if (certificates.length === 0) throw fail("invalid", `${file} holds no certificate (PEM)`);
    using server = await connectServer(context);
    const { authority } = await server.call<ImportX509AuthorityResponse__Output>(
      SETS_SERVICE,
      "ImportX509Authority",
      { certificates, set: setOf("x509", context.options) },
    );
    if (authority === null) throw fail("internal", "the server did not say what it imported");
    const status = authority.slot.toLowerCase();
    context.output.data(
      {
        id: authority.authority_id,
        status,
        expiresAt: isoTime(Number(authority.expires_at)),
        upstreamAuthorityId: authority.upstream_authority_subject_key_id,
      },
      () => authorityLines([[status, authority]], Date.now()),
    );
    return undefined;
  },
};
