import { makeFolder } from "../../base/make-folder.ts";
import { ALL_KEY_TYPES } from "../../keys/contract.ts";
import { generateKey } from "../../keys/software-signer.ts";
import type { MintX509SVIDResponse__Output } from "../../rpc/gen/spire/api/server/svid/v1/MintX509SVIDResponse.ts";
import { createCsr } from "../../x509/csr.ts";
import { bundlePem } from "../bundle/bundle-message.ts";
import { fetchBundle } from "../bundle/show.ts";
import type { Command } from "../program/command.ts";
import { svidJson, svidLines, svidOf } from "../fetch/svid.ts";
import { writeSvid } from "../fetch/write-svid.ts";
import { idMessage, idText } from "../text/ids.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { SERVER_SOCKET_OPTION, SVID_SERVICE, connectServer } from "../connection/rpc-clients.ts";
import { shorterLife } from "./shorter-life.ts";

export const command: Command = {
  name: "x509 mint",
  options: [
    { name: "spiffe-id", value: "ID", help: "SPIFFE ID of the SVID", required: true },
    {
      name: "write",
      value: "DIR",
      help: "folder for svid.pem, key.pem (0600) and bundle.pem",
      required: true,
    },
    { name: "ttl", value: "DURATION", help: "life of the SVID", fallback: "the server's" },
    { name: "dns-name", value: "NAME", help: "DNS name in the SVID", many: true },
    {
      name: "key-type",
      value: "TYPE",
      help: "key to make",
      choices: ALL_KEY_TYPES,
      fallback: "ec-p256",
    },
    SERVER_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: ["assay x509 mint --spiffe-id spiffe://example.org/backup --write ./identity --ttl 1h"],
  notes: ["The key is made here and never sent. Nobody renews such an SVID."],
  async run(context) {
    const { options, output } = context;
    const spiffeId = idText(idMessage(options.required("spiffe-id"), "spiffe-id"));
    const keyType = ALL_KEY_TYPES.find((type) => type === options.text("key-type")) ?? "ec-p256";
    const ttl = options.life("ttl") ?? 0;
    const folder = options.required("write");
    using server = await connectServer(context);
    makeFolder(folder, 0o700); // before there is an SVID that could not be kept
    const { signer, pkcs8 } = await generateKey(keyType);
    const csr = await createCsr({ uris: [spiffeId], dnsNames: options.list("dns-name"), signer });
    const { svid } = await server.call<MintX509SVIDResponse__Output>(SVID_SERVICE, "MintX509SVID", {
      csr,
      ttl,
    });
    const minted = {
      ...svidOf(Buffer.concat(svid?.cert_chain ?? []), pkcs8),
      hint: "",
      bundlePem: bundlePem(await fetchBundle(server)),
    };
    const files = await writeSvid(folder, minted);
    // Servers date SVIDs back by some seconds: what is cut by less is not worth a word.
    const { notBefore: beginsAt, expiresAt } = minted;
    const shorter = shorterLife({ kind: "x509", asked: ttl, beginsAt, expiresAt });
    if (shorter !== undefined) output.note(shorter);
    output.data({ ...svidJson(minted), files }, () => [
      ...svidLines(minted, Date.now()),
      ...files.map((file) => `wrote ${file}`),
    ]);
    return undefined;
  },
};
