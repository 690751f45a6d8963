import type { ListFederatedBundlesResponse__Output } from "../../rpc/gen/spire/api/server/bundle/v1/ListFederatedBundlesResponse.ts";
import { allPages } from "../connection/all-pages.ts";
import type { Command } from "../program/command.ts";
import { factLines } from "../text/facts.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { BUNDLE_SERVICE, SERVER_SOCKET_OPTION, connectServer } from "../connection/rpc-clients.ts";
import { bundleOfMessage } from "./bundle-message.ts";

export const command: Command = {
  name: "bundle list",
  options: [SERVER_SOCKET_OPTION, OUTPUT_OPTION],
  examples: ["assay bundle list"],
  notes: ["The domain's own bundle is not among them; 'assay bundle show' prints it."],
  async run(context) {
    const { output } = context;
    using server = await connectServer(context);
    const bundles = await allPages({
      server,
      service: BUNDLE_SERVICE,
      method: "ListFederatedBundles",
      pageSize: PAGE_SIZE,
      itemsOf: (page: ListFederatedBundlesResponse__Output) => page.bundles,
    });
    const rows = bundles.map(bundleOfMessage).map((bundle) => ({
      trustDomain: bundle.trustDomain,
      x509Authorities: bundle.x509Authorities.length,
      jwtAuthorities: bundle.jwtAuthorities.length,
      refreshHint: bundle.refreshHint,
      sequence: bundle.sequence,
    }));
    output.data(rows, () =>
      rows.flatMap(({ trustDomain, x509Authorities, jwtAuthorities, sequence }) => [
        trustDomain,
        ...factLines(
          [
            ["x509 authorities", String(x509Authorities)],
            ["jwt authorities", String(jwtAuthorities)],
            ["sequence", String(sequence)],
          ],
          "  ",
        ),
      ]),
    );
    if (rows.length === 0 && output.format === "text") {
      output.note("no foreign bundles; 'assay bundle set --help' shows how one gets here");
    }
    return undefined;
  },
};

const PAGE_SIZE = 500;
