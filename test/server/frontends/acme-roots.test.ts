/** Listeners whose roots go before the clients that know them come again. */
import t from "tap";
import { type Logger, silentLogger } from "../../../src/observe/logger.ts";
import { shortLivedRoots } from "../../../src/server/frontends/acme/short-lived-roots.ts";
import { serverConfigOf as configOf } from "../../support/file-settings.ts";
import { startTestServer } from "../../support/server.ts";

const SETS = { web: {} };
const ACME = { listen: "127.0.0.1:0", url: "https://acme.example.org", svid: true, set: "web" };

t.test("the roots of an ACME listener, and when its clients return", (t) => {
  const cases: readonly [string, object, object, ReturnType<typeof shortLivedRoots>][] = [
    ["by default", {}, {}, { rootsLast: "1d", clientsReturnAfter: "60d" }],
    [
      "the longest profile counts",
      { profiles: ["server-7d", "server-90d"] },
      { caTtl: "30d" },
      { rootsLast: "30d", clientsReturnAfter: "60d" },
    ],
    [
      "short certificates",
      { profiles: ["server-7d"] },
      {},
      { rootsLast: "1d", clientsReturnAfter: "4d16h" },
    ],
    ["a life that does", {}, { caTtl: "60d" }, undefined],
    [
      "a life that just does not",
      {},
      { caTtl: "1439h" },
      { rootsLast: "59d23h", clientsReturnAfter: "60d" },
    ],
    [
      "a profile of the file's own",
      { profiles: ["own"] },
      {
        authoritySets: { web: { profiles: ["own"] } },
        certificateProfiles: { own: { ttl: "12h", maxTtl: "12h" } },
      },
      undefined,
    ],
    ["a root above", {}, { upstreamAuthority: { offline: {} } }, undefined],
    ["files", { svid: false, certificateFile: "a.pem", keyFile: "a.key" }, {}, undefined],
    ["no TLS", { svid: false, plainHttp: true }, {}, undefined],
  ];
  for (const [name, acme, more, wanted] of cases) {
    const config = configOf({
      authoritySets: SETS,
      frontends: { acme: { ...ACME, ...acme } },
      ...more,
    });
    t.same(shortLivedRoots(config), wanted, name);
  }
  t.equal(shortLivedRoots(configOf({})), undefined, "no ACME");
  t.end();
});

t.test("the server says so at its start", async (t) => {
  const warnings: (readonly [string, unknown])[] = [];
  const logger: Logger = {
    ...silentLogger,
    warn: (message, fields) => void warnings.push([message, fields]),
    child: () => logger,
  };
  const { frontends, authoritySets, certificateProfiles } = configOf({
    authoritySets: SETS,
    frontends: { acme: ACME },
  });
  await startTestServer(t, {
    logger,
    config: {
      ...(frontends && { frontends }),
      ...(authoritySets && { authoritySets }),
      ...(certificateProfiles && { certificateProfiles }),
    },
  });
  t.match(warnings, [
    [/will not know it when they come to renew; set upstreamAuthority/, { rootsLast: "1d" }],
  ]);
});
