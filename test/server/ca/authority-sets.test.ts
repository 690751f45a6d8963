/** A server with authority sets beside the trust domain's own. */
import t from "tap";
import { BUILT_IN_PROFILES } from "../../../src/config/certificate-profiles.ts";
import { startTestServer, BUNDLE_SERVICE } from "../../support/server.ts";

const DAY = 86_400;

t.test("sets have authorities of their own, in nobody's bundle", async (t) => {
  const web = {
    keyType: "ec-p256",
    ttlSeconds: 365 * DAY,
    upstreamAuthority: {},
    profiles: ["server-90d"],
  } as const;
  const { server, admin } = await startTestServer(t, {
    config: {
      authoritySets: new Map([
        ["web", web],
        ["tight", { ...web, ttlSeconds: 180 * DAY }],
        ["offline", { ...web, ttlSeconds: 180 * DAY, upstreamAuthority: { offline: {} } }],
      ]),
      certificateProfiles: BUILT_IN_PROFILES,
    },
  });
  const own = server.authoritySets.get("");
  const set = server.authoritySets.get("web");
  t.equal(set.records("x509").length, 1);
  t.same(set.records("jwt"), []);
  t.equal(set.plan("x509").lead, 30 * DAY, "its next root can be had for a month before it signs");
  for (const name of ["web", "tight", "offline"]) {
    const { reach } = server.authoritySets.get(name).plan("x509");
    t.ok(reach >= 90 * DAY, `${name}: its longest profile is within reach`);
  }
  t.throws(() => set.activeJwt(), { kind: "precondition", message: /signs certificates alone/ });
  t.throws(() => server.authoritySets.get("x"), {
    kind: "not_found",
    message: /there are trust-domain, web, tight, offline/,
  });
  const bundle = await admin.unary(BUNDLE_SERVICE, "GetBundle", {});
  t.match(bundle, { x509_authorities: { length: 1 } });
  t.not(own.activeX509().id, set.activeX509().id);
});
