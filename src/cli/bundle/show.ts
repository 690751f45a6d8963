import { fail } from "../../base/errors.ts";
import { encodeBundleDocument } from "../../spiffe/bundle-document.ts";
import type { Bundle__Output } from "../../rpc/gen/spire/api/types/Bundle.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import type { Command } from "../program/command.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import {
  BUNDLE_SERVICE,
  type RpcClient,
  SERVER_SOCKET_OPTION,
  connectServer,
} from "../connection/rpc-clients.ts";
import { bundleOfMessage, bundlePem, trustDomainName } from "./bundle-message.ts";

export const command: Command = {
  name: "bundle show",
  operand: "trust-domain",
  options: [
    {
      name: "trust-domain",
      value: "TD",
      help: "a foreign trust domain",
      fallback: "the server's own",
    },
    {
      name: "format",
      value: "FORM",
      help: "PEM certificates, as --trust-bundle takes them, or the SPIFFE bundle document",
      choices: ["pem", "spiffe"],
      fallback: "pem; spiffe with --output json",
    },
    SERVER_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: [
    "assay bundle show > bundle.pem",
    "assay bundle show --output json",
    "assay bundle show partner.example",
  ],
  async run(context) {
    const { options, output } = context;
    const foreign = options.text("trust-domain");
    const trustDomain = foreign && trustDomainName(foreign, "trust-domain");
    using server = await connectServer(context);
    const bundle = await fetchBundle(server, trustDomain);
    const isPem = output.format === "text" && options.text("format") !== "spiffe";
    if (isPem && bundle.x509Authorities.length === 0) throw fail("precondition", empty(foreign));
    const document = JSON.parse(encodeBundleDocument(bundle)) as unknown;
    output.data(document, () => [
      options.text("format") === "spiffe"
        ? JSON.stringify(document, null, 2)
        : bundlePem(bundle).trimEnd(),
    ]);
    return undefined;
  },
};

function empty(foreign: string | undefined): string {
  return foreign === undefined
    ? "the bundle has no X.509 authority yet; below an offline root 'assay authority x509 csr' is the first step to one, and else the server's log says what is missing"
    : `the bundle of ${foreign} has no X.509 authority; '--format spiffe' shows what it has`;
}

/** The domain's own bundle, or a foreign one. */
export async function fetchBundle(server: RpcClient, trustDomain?: string): Promise<Bundle> {
  const message =
    trustDomain === undefined
      ? server.call<Bundle__Output>(BUNDLE_SERVICE, "GetBundle", {})
      : server.call<Bundle__Output>(
          BUNDLE_SERVICE,
          "GetFederatedBundle",
          { trust_domain: trustDomain },
          "assay bundle list",
        );
  return bundleOfMessage(await message);
}
