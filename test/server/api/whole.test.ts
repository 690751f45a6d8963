/** SPIRE's server API v1 as a whole: what is not implemented is on a list, and doc/spire.md says so. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { errorFrom } from "../../../src/base/errors.ts";
import type { Channel } from "../../../src/rpc/channel.ts";
import { serviceDefinition } from "../../../src/rpc/protos.ts";
import { AUTHORIZATION } from "../../../src/server/endpoints/authorization.ts";
import { startTestServer } from "../../support/server.ts";
import { id, mint, uid } from "./calls.ts";
import { PATIENCE_MS } from "../../support/patience.ts";

/** WIT-SVIDs are there with `experimental` alone. */
const MISSING = [
  "bundle.v1.Bundle/PublishWITAuthority",
  "localauthority.v1.LocalAuthority/ActivateWITAuthority",
  "localauthority.v1.LocalAuthority/GetWITAuthorityState",
  "localauthority.v1.LocalAuthority/PrepareWITAuthority",
  "localauthority.v1.LocalAuthority/RevokeWITAuthority",
  "localauthority.v1.LocalAuthority/TaintWITAuthority",
  "svid.v1.SVID/BatchNewWITSVID",
  "svid.v1.SVID/MintWITSVID",
];

/** The kind of error that a call with nothing in it gets; `ok` for none. */
async function kindOf(channel: Channel, service: string, name: string): Promise<string> {
  const method = serviceDefinition(service)[name];
  if (method === undefined) throw new Error(`${service} has no ${name}`);
  try {
    if (!method.requestStream && !method.responseStream) {
      await channel.unary(service, name, {}, { deadlineMs: PATIENCE_MS });
      return "ok";
    }
    using stream = channel.stream<object, object>(service, name, { deadlineMs: PATIENCE_MS });
    stream.end();
    for await (const _ of stream) return "ok";
    return "ok";
  } catch (thrown) {
    return errorFrom(thrown).kind;
  }
}

t.test("every published method is served, but for those on the list", async (t) => {
  const server = await startTestServer(t);
  await server.createEntry({
    spiffe_id: id("/below"),
    parent_id: id("/host"),
    selectors: [uid("1")],
    downstream: true,
  });
  const agent = await server.attest();
  const below = server.connect(await mint(server, "/below", 600));
  const missing: string[] = [];
  const internal: string[] = [];
  let seen = 0;
  for (const [method, roles] of AUTHORIZATION) {
    const [, service = "", name = ""] = /^\/(spire\.api\.server\..*)\/(\w+)$/.exec(method) ?? [];
    if (service === "") continue;
    seen += 1;
    const channel = roles.has("agent")
      ? agent.channel
      : roles.has("downstream")
        ? below
        : server.admin;
    const kind = await kindOf(channel, service, name);
    t.not(kind, "denied", `${method}: the gate has let the call in`);
    const short = `${service.slice("spire.api.server.".length)}/${name}`;
    if (kind === "unsupported") missing.push(short);
    if (kind === "internal") internal.push(short);
  }
  t.ok(seen >= 60, `${seen} methods were called`);
  t.same(missing.sort(), MISSING);
  t.same(internal, [], "nothing in a call is no surprise");
  const page = readFileSync(join(import.meta.dirname, "../../../doc/spire.md"), "utf8");
  t.match(page, /^\| WIT methods \| there \| Unimplemented unless /m);
});
