/** `authoritySets` and `certificateProfiles` of a server's file: what is filled in, and what is refused. */
import t from "tap";
import { serverConfigOf as configOf } from "../support/file-settings.ts";

const DAY = 86_400;

t.test("what is filled in", (t) => {
  const bare = configOf({});
  t.same([...(bare.authoritySets ?? [])], []);
  t.same(
    [...(bare.certificateProfiles?.keys() ?? [])],
    ["server-90d", "server-7d", "peer", "spiffe"],
  );
  const { authoritySets, certificateProfiles } = configOf({
    authoritySets: {
      web: {},
      lan: {
        keyType: "rsa-2048",
        caTtl: "30d",
        upstreamAuthority: { offline: {} },
        profiles: ["lan"],
      },
    },
    certificateProfiles: {
      lan: { ttl: "2d", names: "any", keyTypes: ["ec-p256"] },
      "server-90d": { maxTtl: "120d" },
    },
  });
  t.same(authoritySets?.get("web"), {
    keyType: "ec-p256",
    ttlSeconds: 365 * DAY,
    upstreamAuthority: {},
    profiles: ["server-90d", "server-7d", "peer"],
  });
  t.match(authoritySets?.get("lan"), { ttlSeconds: 30 * DAY, upstreamAuthority: { offline: {} } });
  t.match(certificateProfiles?.get("lan"), {
    ttlSeconds: 2 * DAY,
    maxTtlSeconds: 2 * DAY,
    names: "any",
    usages: ["server"],
    wildcards: true,
    keyTypes: ["ec-p256"],
  });
  t.match(certificateProfiles?.get("server-90d"), {
    ttlSeconds: 90 * DAY,
    maxTtlSeconds: 120 * DAY,
  });
  t.end();
});

t.test("what is refused", (t) => {
  const set = (web: object, more: object = {}): object => ({ authoritySets: { web }, ...more });
  const cases: readonly [string, object, RegExp][] = [
    [
      "the domain's own name",
      { authoritySets: { "trust-domain": {} } },
      /^authoritySets\.trust-domain in FILE: 'trust-domain' is the server's own/,
    ],
    ["a name of others", { authoritySets: { wit: {} } }, /'wit' is the server's own/],
    ["capitals", { authoritySets: { Web: {} } }, /Web/],
    [
      "two upstreams",
      set({ upstreamAuthority: { offline: {}, disk: { certFile: "c", keyFile: "k" } } }),
      /^authoritySets\.web\.upstreamAuthority in FILE: .* exclude each other/,
    ],
    ["another server", set({ upstreamAuthority: { nested: {} } }), /nested/],
    [
      "no such profile",
      set({ profiles: ["x"] }),
      /^authoritySets\.web\.profiles in FILE: there is no certificate profile 'x'; certificateProfiles/,
    ],
    [
      "SVIDs",
      set({ profiles: ["spiffe"] }),
      /'spiffe' are X\.509-SVIDs, which the trust domain's own/,
    ],
    [
      "a short authority",
      set({ caTtl: "100d" }),
      /'server-90d' may live 90d, which is more than half of caTtl \(100d\)/,
    ],
    [
      "an experimental key",
      set({ keyType: "ml-dsa-65" }),
      /^authoritySets\.web\.keyType in FILE.* experimental/,
    ],
    [
      "a default above the most",
      { certificateProfiles: { a: { ttl: "2d", maxTtl: "1d" } } },
      /^certificateProfiles\.a in FILE: ttl is longer than maxTtl/,
    ],
  ];
  for (const [name, document, message] of cases)
    t.throws(() => configOf(document), { message }, name);
  t.end();
});
