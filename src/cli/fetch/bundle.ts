import type { JWTBundlesResponse__Output } from "../../rpc/gen/JWTBundlesResponse.ts";
import type { X509BundlesResponse__Output } from "../../rpc/gen/X509BundlesResponse.ts";
import type { Command } from "../program/command.ts";
import { factLines } from "../text/facts.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { AGENT_SOCKET_OPTION, connectAgent } from "../connection/rpc-clients.ts";
import { firstMessage } from "./streams.ts";
import { pemOfConcatenated } from "./svid.ts";

interface TrustDomainBundle {
  readonly trustDomain: string;
  /** PEM certificates. */
  readonly x509: string;
  readonly jwks: { readonly keys: readonly unknown[] };
}

export const command: Command = {
  name: "fetch bundle",
  options: [AGENT_SOCKET_OPTION, OUTPUT_OPTION],
  examples: ["assay fetch bundle --output json"],
  async run(context) {
    const { output, signal } = context;
    using agent = await connectAgent(context);
    const [x509, jwt] = await Promise.all([
      firstMessage<X509BundlesResponse__Output>(agent, "FetchX509Bundles", signal),
      firstMessage<JWTBundlesResponse__Output>(agent, "FetchJWTBundles", signal),
    ]);
    const bundles = merged(x509, jwt);
    output.data(bundles, () =>
      bundles.flatMap(({ trustDomain, x509, jwks }) => [
        trustDomain,
        ...factLines([["jwt keys", String(jwks.keys.length)]], "  "),
        x509.trimEnd(),
      ]),
    );
    return undefined;
  },
};

function merged(
  x509: X509BundlesResponse__Output,
  jwt: JWTBundlesResponse__Output,
): TrustDomainBundle[] {
  const names = [...new Set([...Object.keys(x509.bundles), ...Object.keys(jwt.bundles)])].sort();
  return names.map((trustDomain) => {
    const jwks = jwt.bundles[trustDomain]?.toString("utf8") ?? '{"keys":[]}';
    return {
      trustDomain,
      x509: pemOfConcatenated(x509.bundles[trustDomain] ?? new Uint8Array()),
      jwks: JSON.parse(jwks) as { keys: unknown[] },
    };
  });
}
