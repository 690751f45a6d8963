/** `federation` of a server's file: the rules between its fields. */
import t from "tap";
import { serverConfigOf } from "../support/file-settings.ts";

function build(federation: unknown) {
  return serverConfigOf({ trustDomain: "example.org", federation }).federation;
}

const web = { endpointUrl: "https://partner.example/bundle", profile: "https_web" };
const spiffe = {
  endpointUrl: "https://10.0.0.7:8443",
  profile: "https_spiffe",
  endpointSpiffeId: "spiffe://partner.example/spire/server",
};

t.test("what is right", async (t) => {
  t.same(build({ bundleEndpoint: { listen: "0.0.0.0:8443" } }), {
    bundleEndpoint: { listen: "0.0.0.0:8443", profile: "https_spiffe", refreshHint: 300 },
  });
  const files = { certificateFile: "/c", keyFile: "/k", listen: "[::]:443", profile: "https_web" };
  t.match(build({ bundleEndpoint: { ...files, refreshHint: "10s" } }), {
    bundleEndpoint: { ...files, refreshHint: 10 },
  });
  const federatesWith = {
    "partner.example": { ...spiffe, bundleFile: "/b" },
    "a.b_c-1": { ...web, caFile: "/r" },
  };
  const built = build({ federatesWith });
  t.same(Object.fromEntries(built?.federatesWith ?? []), federatesWith);
});

t.test("what is wrong, each with its place", async (t) => {
  const domain = (fields: object, name = "partner.example") => ({
    federatesWith: { [name]: fields },
  });
  const at = "federation\\.federatesWith\\.partner\\.example in FILE: ";
  const endpoint = (fields: object) => ({ bundleEndpoint: { listen: "127.0.0.1:0", ...fields } });
  for (const [given, message] of [
    [domain({ ...web, endpointUrl: "http://x" }), `${at}the bundle endpoint URL has to be https`],
    [domain({ ...web, endpointUrl: "https://u:p@x" }), `${at}.*user information`],
    [domain({ ...web, endpointSpiffeId: "spiffe://a/b" }), `${at}endpointSpiffeId goes with`],
    [domain({ ...spiffe, endpointSpiffeId: "x" }), `${at}endpointSpiffeId: `],
    [domain({ ...spiffe, caFile: "/r" }), `${at}caFile goes with https_web`],
    [
      domain({ endpointUrl: "https://x", profile: "https_spiffe" }),
      `${at}.*needs endpointSpiffeId`,
    ],
    [domain({ endpointUrl: "https://x" }), "profile"],
    [domain({ ...web, profile: "http" }), "profile"],
    [domain(web, "Partner"), "Partner"],
    [domain(web, "example.org"), "example\\.org in FILE: is the server's own trust domain"],
    [
      endpoint({ profile: "https_web" }),
      "bundleEndpoint in FILE: .*needs certificateFile and keyFile",
    ],
    [
      endpoint({ certificateFile: "/c" }),
      "bundleEndpoint in FILE: .*no meaning with profile https_spiffe",
    ],
    [endpoint({ refreshHint: "6m" }), "bundleEndpoint in FILE: refreshHint is more than 5m"],
    [endpoint({ refreshHint: 0 }), "refreshHint"],
    [{ bundleEndpoint: {} }, "listen"],
  ] as const) {
    t.throws(() => build(given), { message: new RegExp(message) }, message);
  }
  t.throws(
    () => build({ ...endpoint({ profile: "https_web" }), ...domain({ ...web, endpointUrl: "x" }) }),
    { message: /needs certificateFile.*; .*URL/ },
    "all of them at once",
  );
});
