import type { ListExternalAccountsResponse__Output } from "../../rpc/gen/assay/acme/v1/ListExternalAccountsResponse.ts";
import { allPages } from "../connection/all-pages.ts";
import type { Command } from "../program/command.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { SERVER_SOCKET_OPTION, connectServer } from "../connection/rpc-clients.ts";
import {
  EXTERNAL_ACCOUNTS_SERVICE,
  externalAccountJson,
  externalAccountLines,
} from "./external-account.ts";

export const command: Command = {
  name: "acme eab list",
  options: [SERVER_SOCKET_OPTION, OUTPUT_OPTION],
  examples: ["assay acme eab list"],
  notes: ["MAC keys are not shown again."],
  async run(context) {
    const { output } = context;
    using server = await connectServer(context);
    const found = await allPages({
      server,
      service: EXTERNAL_ACCOUNTS_SERVICE,
      method: "ListExternalAccounts",
      pageSize: PAGE_SIZE,
      itemsOf: (page: ListExternalAccountsResponse__Output) => page.external_accounts,
    });
    const accounts = found.map(externalAccountJson);
    output.data(accounts, () =>
      accounts.flatMap((account, index) => [
        ...(index === 0 ? [] : [""]),
        ...externalAccountLines(account, Date.now()),
      ]),
    );
    if (accounts.length === 0 && output.format === "text") {
      output.note("no external accounts; 'assay acme eab create --help' shows how one is made");
    }
    return undefined;
  },
};

const PAGE_SIZE = 1000;
