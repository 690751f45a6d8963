import type { RequestX509AuthorityResponse__Output } from "../../rpc/gen/assay/authority/v1/RequestX509AuthorityResponse.ts";
import { encodePem } from "../../x509/pem.ts";
import type { Command } from "../program/command.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { SETS_SERVICE, SET_OPTION, setOf } from "./sets.ts";
import { SERVER_SOCKET_OPTION, connectServer } from "../connection/rpc-clients.ts";

/** `authority x509 csr`: what is carried to the offline root. */
export const command: Command = {
  name: "authority x509 csr",
  options: [
    {
      name: "new",
      help: "make a new key, although a request is open; a certificate for that one is refused then",
    },
    SET_OPTION,
    SERVER_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: ["assay authority x509 csr > server.csr", "assay authority x509 csr --set web --new"],
  notes: [
    "For a server with 'upstreamAuthority: { offline: {} }'. The key stays in the server's key manager. 'assay ca root",
    "sign' on the safe machine answers the request, 'assay authority x509 import' takes the answer.",
  ],
  async run(context) {
    using server = await connectServer(context);
    const { authority_id: id, csr } = await server.call<RequestX509AuthorityResponse__Output>(
      SETS_SERVICE,
      "RequestX509Authority",
      { renew: context.options.flag("new"), set: setOf("x509", context.options) },
    );
    const pem = encodePem("CERTIFICATE REQUEST", csr);
    context.output.data({ id, csr: pem }, () => [pem.trimEnd()]);
    return undefined;
  },
};
