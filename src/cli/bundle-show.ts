import { encodeBundleDocument } from "../spiffe/bundle-document.ts";
import type { Bundle__Output } from "../rpc/gen/spire/api/types/Bundle.ts";
import type { Bundle } from "../spiffe/bundle.ts";
import { encodePem } from "../x509/pem.ts";
import type { Command } from "./command.ts";
import { OUTPUT_OPTION } from "./options.ts";
import {
  BUNDLE_SERVICE,
  type RpcClient,
  SERVER_SOCKET_OPTION,
  connectServer,
} from "./rpc-clients.ts";

export const command: Command = {
  name: "bundle show",
  options: [
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
  examples: ["assay bundle show > bundle.pem", "assay bundle show --output json"],
  async run(context) {
    const { options, output } = context;
    using server = await connectServer(context);
    const bundle = await fetchBundle(server);
    const document = JSON.parse(encodeBundleDocument(bundle)) as unknown;
    output.data(document, () => [
      options.text("format") === "spiffe"
        ? JSON.stringify(document, null, 2)
        : bundlePem(bundle).trimEnd(),
    ]);
    return undefined;
  },
};

export async function fetchBundle(server: RpcClient): Promise<Bundle> {
  const message = await server.call<Bundle__Output>(BUNDLE_SERVICE, "GetBundle", {});
  return {
    trustDomain: message.trust_domain,
    x509Authorities: message.x509_authorities.map(({ asn1, tainted }) => ({ der: asn1, tainted })),
    jwtAuthorities: message.jwt_authorities.map((key) => ({
      keyId: key.key_id,
      publicKey: key.public_key,
      expiresAt: Number(key.expires_at),
      tainted: key.tainted,
    })),
    refreshHint: Number(message.refresh_hint),
    sequence: Number(message.sequence_number),
  };
}

export function bundlePem(bundle: Bundle): string {
  return bundle.x509Authorities.map(({ der }) => encodePem("CERTIFICATE", der)).join("");
}
