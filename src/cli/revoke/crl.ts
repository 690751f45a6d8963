import { fail } from "../../base/errors.ts";
import type { ListCRLsResponse__Output } from "../../rpc/gen/assay/revocation/v1/ListCRLsResponse.ts";
import { encodePem } from "../../x509/pem.ts";
import type { Command } from "../program/command.ts";
import { isoTime } from "../text/facts.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { SERVER_SOCKET_OPTION, connectServer } from "../connection/rpc-clients.ts";
import { REVOCATION_SERVICE } from "./revocation-facts.ts";

export const command: Command = {
  name: "x509 crl",
  options: [
    { name: "authority", value: "ID", help: "of this X.509 authority only", fallback: "all" },
    SERVER_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: ["assay x509 crl > crls.pem"],
  notes: ["The revocation lists as PEM, as 'openssl verify -crl_check -CRLfile' takes them."],
  async run(context) {
    const wanted = context.options.text("authority");
    using server = await connectServer(context);
    const { crls } = await server.call<ListCRLsResponse__Output>(
      REVOCATION_SERVICE,
      "ListCRLs",
      {},
    );
    const shown = crls.filter(({ authority_id: id }) => wanted === undefined || id === wanted);
    if (shown.length === 0) {
      throw fail(
        "not_found",
        crls.length === 0
          ? "there is no revocation list; revocation is off unless 'revocation' is in the server's file"
          : `there is no revocation list of authority '${wanted}'; 'assay authority x509 show' lists them`,
      );
    }
    const pem = (item: (typeof shown)[number]): string => encodePem("X509 CRL", item.crl);
    context.output.data(
      shown.map((item) => ({
        authorityId: item.authority_id,
        number: Number(item.number),
        nextUpdate: isoTime(Number(item.next_update)),
        pem: pem(item),
      })),
      () => shown.map((item) => pem(item).trimEnd()),
    );
    return undefined;
  },
};
