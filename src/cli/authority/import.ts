import { fail } from "../../base/errors.ts";
import type { ImportX509AuthorityResponse__Output } from "../../rpc/gen/assay/authority/v1/ImportX509AuthorityResponse.ts";
import type { ListAuthoritiesResponse__Output } from "../../rpc/gen/assay/authority/v1/ListAuthoritiesResponse.ts";
import { parseCertificate } from "../../x509/certificate.ts";
import { hasNoUris } from "../../x509/name-constraints.ts";
import { decodeCertificates } from "../../x509/pem.ts";
import type { Command } from "../program/command.ts";
import { isoTime } from "../text/facts.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { readNamedFile } from "../files/named-file.ts";
import { type RpcClient, SERVER_SOCKET_OPTION, connectServer } from "../connection/rpc-clients.ts";
import { type AuthorityItem, SETS_SERVICE, SET_OPTION, setOf } from "./sets.ts";
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
    "'assay authority x509 activate' says so. What the one before signed stays good. Cross certificates, with their root,",
    "give an authority that is there another chain, for ACME clients that ask for it.",
  ],
  async run(context) {
    const file = context.options.required("file");
    const certificates = decodeCertificates(readNamedFile(file, "file")).map((der) =>
      Buffer.from(der),
    );
    if (certificates.length === 0) throw fail("invalid", `${file} holds no certificate (PEM)`);
    using server = await connectServer(context);
    const set = setOf("x509", context.options);
    const { authority } = await server.call<ImportX509AuthorityResponse__Output>(
      SETS_SERVICE,
      "ImportX509Authority",
      { certificates, set },
    );
    if (authority === null) throw fail("internal", "the server did not say what it imported");
    const mayNameIds = set !== "" && !isConstrained(certificates, authority.authority_id);
    if (mayNameIds && (await standsBelow(server, authority))) {
      context.output.note(
        "assay: the trust domain's own authorities stand below the same root, and the certificate has no name constraints against URIs: whoever gets this set's key could sign SPIFFE IDs that verify; 'assay ca root sign' puts them in, and a root of its own keeps them apart",
      );
    }
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

/** Whether it is kept from naming SPIFFE IDs. */
function isConstrained(certificates: readonly Uint8Array[], id: string): boolean {
  const own = certificates
    .map((der) => parseCertificate(der))
    .find(({ subjectKeyId }) => subjectKeyId === id);
  return own?.nameConstraints !== undefined && hasNoUris(own.nameConstraints);
}

/** Whether its root is also that of one of the trust domain's own. */
async function standsBelow(
  server: RpcClient,
  { upstream_authority_subject_key_id: root }: AuthorityItem,
): Promise<boolean> {
  const { authorities } = await server.call<ListAuthoritiesResponse__Output>(
    SETS_SERVICE,
    "ListAuthorities",
    { kind: "X509" },
  );
  return authorities.some(({ upstream_authority_subject_key_id: id }) => id !== "" && id === root);
}
