import type { MintJWTSVIDResponse__Output } from "../../rpc/gen/spire/api/server/svid/v1/MintJWTSVIDResponse.ts";
import type { Command } from "../program/command.ts";
import { isoTime } from "../text/facts.ts";
import { idMessage, idText } from "../text/ids.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { checkWritable, replaceFile } from "../files/replace-file.ts";
import { SERVER_SOCKET_OPTION, SVID_SERVICE, connectServer } from "../connection/rpc-clients.ts";
import { shorterLife } from "./shorter-life.ts";

export const command: Command = {
  name: "jwt mint",
  options: [
    { name: "spiffe-id", value: "ID", help: "SPIFFE ID of the token", required: true },
    {
      name: "audience",
      value: "TEXT",
      help: "whom the token is for",
      required: true,
      many: true,
    },
    { name: "ttl", value: "DURATION", help: "life of the token", fallback: "the server's" },
    { name: "write", value: "FILE", help: "write the token there (0600) instead of printing it" },
    SERVER_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: ["assay jwt mint --spiffe-id spiffe://example.org/backup --audience store --ttl 5m"],
  async run(context) {
    const { options, output } = context;
    const id = idMessage(options.required("spiffe-id"), "spiffe-id");
    const audience = options.list("audience");
    const ttl = options.life("ttl") ?? 0;
    const file = options.text("write");
    if (file !== undefined) await checkWritable(file, "--write");
    using server = await connectServer(context);
    const { svid } = await server.call<MintJWTSVIDResponse__Output>(
      SVID_SERVICE,
      "MintJWTSVID",
      { id, audience, ttl },
      undefined,
      { id: "--spiffe-id", audience: "--audience", ttl: "--ttl" },
    );
    const token = svid?.token ?? "";
    if (file !== undefined) await replaceFile(file, `${token}\n`, 0o600);
    const shorter = shorterLife({
      kind: "jwt",
      asked: ttl,
      beginsAt: Number(svid?.issued_at ?? 0),
      expiresAt: Number(svid?.expires_at ?? 0),
    });
    if (shorter !== undefined) output.note(shorter);
    const shown = file === undefined ? { token } : { file };
    output.data(
      { ...shown, spiffeId: idText(id), expiresAt: isoTime(Number(svid?.expires_at ?? 0)) },
      () => [file === undefined ? token : `wrote ${file}`],
    );
    return undefined;
  },
};
