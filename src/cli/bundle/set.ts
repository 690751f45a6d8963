import type { BatchSetFederatedBundleResponse__Output } from "../../rpc/gen/spire/api/server/bundle/v1/BatchSetFederatedBundleResponse.ts";
import type { Command } from "../program/command.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { BUNDLE_SERVICE, SERVER_SOCKET_OPTION, connectServer } from "../connection/rpc-clients.ts";
import { checkItem } from "../text/status.ts";
import { readBundleFile, trustDomainName } from "./bundle-message.ts";

export const command: Command = {
  name: "bundle set",
  operand: "trust-domain",
  options: [
    { name: "trust-domain", value: "TD", help: "the foreign trust domain", required: true },
    {
      name: "file",
      value: "FILE",
      help: "SPIFFE bundle document or PEM certificates; - for standard input",
      required: true,
    },
    SERVER_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: ["assay bundle set partner.example --file partner.json"],
  notes: ["It replaces the bundle that is there. PEM certificates make a bundle without JWT keys."],
  async run(context) {
    const { options, output } = context;
    const trustDomain = trustDomainName(options.required("trust-domain"), "trust-domain");
    const bundle = readBundleFile(trustDomain, options.required("file"), "file");
    using server = await connectServer(context);
    const { results } = await server.call<BatchSetFederatedBundleResponse__Output>(
      BUNDLE_SERVICE,
      "BatchSetFederatedBundle",
      { bundle: [bundle] },
    );
    checkItem(results[0]?.status);
    const written = results[0]?.bundle;
    const counts = {
      trustDomain,
      x509Authorities: written?.x509_authorities.length ?? 0,
      jwtAuthorities: written?.jwt_authorities.length ?? 0,
    };
    output.data(counts, () => [
      `set ${trustDomain}: ${counts.x509Authorities} X.509 and ${counts.jwtAuthorities} JWT authorities`,
    ]);
    return undefined;
  },
};
