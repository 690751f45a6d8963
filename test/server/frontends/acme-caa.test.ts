/** CAA: which record set counts, and what it says. */
import { createHash } from "node:crypto";
import t from "tap";
import { systemClock } from "../../../src/base/clock.ts";
import { acmeValidation } from "../../../src/config/sections/acme-validation-section.ts";
import { silentLogger } from "../../../src/observe/logger.ts";
import type { ChallengeType } from "../../../src/server/frontends/acme/contract.ts";
import { ChallengeValidator } from "../../../src/server/frontends/acme/validation/challenge-validator.ts";
import { type DnsAnswer, startDnsServer } from "../../support/dns-server.ts";

const NAME = "a.www.example.org";
const ACCOUNT = "https://acme.example.org/account/1";
const KEY_AUTHORIZATION = "token.thumbprint";

type Caa = NonNullable<DnsAnswer["caa"]>;
const issue = (value: string, tag = "issue", flags = 0): Caa[number] => ({ flags, tag, value });

t.test("records that allow and records that do not", async (t) => {
  await using dns = await startDnsServer();
  const validator = new ChallengeValidator({
    config: {
      ...acmeValidation({
        ...DEFAULTS,
        resolvers: [dns.address],
        caaIdentities: ["CA.example.net", "ca2.example.net"],
      }),
    },
    ownAddresses: () => [],
    clock: systemClock,
    logger: silentLogger,
  });
  const { signal } = new AbortController();
  const ask = (wildcard = false, type: ChallengeType = "dns-01") =>
    validator.recheck({
      type,
      identifier: { type: "dns", value: NAME },
      wildcard,
      accountUri: ACCOUNT,
      signal,
    });
  const cases: [string, Caa, { name?: boolean; wild?: boolean }][] = [
    ["none", [], { name: true, wild: true }],
    ["ours", [issue("ca.example.net")], { name: true, wild: true }],
    ["ours, in capitals", [issue("CA.Example.NET", "ISSUE")], { name: true, wild: true }],
    ["our second name", [issue(" ca2.example.net ; ")], { name: true, wild: true }],
    ["another's", [issue("letsencrypt.org")], {}],
    [
      "another's and ours",
      [issue("letsencrypt.org"), issue("ca.example.net")],
      { name: true, wild: true },
    ],
    ["nobody's", [issue(";")], {}],
    ["malformed", [issue("ca.example.net; accounturi")], {}],
    ["malformed domain", [issue("%%%%%")], {}],
    ["1024 bytes", [issue("ca.example.net".padEnd(1024))], { name: true, wild: true }],
    ["1025 bytes", [issue("ca.example.net".padEnd(1025))], {}],
    [
      "wildcards only for us",
      [issue("other.example"), issue("ca.example.net", "issuewild")],
      { wild: true },
    ],
    ["no wildcards", [issue("ca.example.net"), issue(";", "issuewild")], { name: true }],
    ["only issuewild", [issue(";", "issuewild")], { name: true }],
    ["only iodef", [issue("mailto:x@example.org", "iodef")], { name: true, wild: true }],
    ["unknown", [issue("x", "contactemail")], { name: true, wild: true }],
    ["unknown and critical", [issue("ca.example.net"), issue("x", "tbs", 128)], {}],
    ["known and critical", [issue("ca.example.net", "issue", 128)], { name: true, wild: true }],
    ["our account", [issue(`ca.example.net; accounturi=${ACCOUNT}`)], { name: true, wild: true }],
    ["another account", [issue(`ca.example.net; accounturi=${ACCOUNT}1`)], {}],
    ["two accounts", [issue(`ca.example.net; accounturi=${ACCOUNT}; accounturi=${ACCOUNT}`)], {}],
    [
      "our method",
      [issue("ca.example.net; validationmethods=http-01,dns-01")],
      { name: true, wild: true },
    ],
    ["another method", [issue("ca.example.net; validationmethods=tls-alpn-01")], {}],
    [
      "two lists of methods",
      [issue("ca.example.net; validationmethods=dns-01;validationmethods=dns-01")],
      {},
    ],
    [
      "method and account",
      [issue(`ca.example.net; validationmethods=dns-01; accounturi=${ACCOUNT}`)],
      { name: true, wild: true },
    ],
    ["another parameter", [issue("ca.example.net; policy=ev")], { name: true, wild: true }],
  ];
  for (const [title, caa, { name = false, wild = false }] of cases) {
    dns.zone.clear();
    dns.zone.set(NAME, { caa });
    for (const [wildcard, allowed] of [
      [false, name],
      [true, wild],
    ] as const) {
      const problem = await ask(wildcard);
      const what = `${title}${wildcard ? ", a wildcard" : ""}`;
      if (allowed) t.equal(problem, undefined, what);
      else
        t.match(
          problem,
          { type: "caa", detail: /^the CAA records of a\.www\.example\.org (do not allow|have)/ },
          what,
        );
    }
  }

  dns.zone.clear();
  dns.zone.set("example.org", { caa: [issue("other.example")] });
  t.match(await ask(), { type: "caa", detail: /records of example\.org/ }, "a parent's count");
  dns.zone.set("www.example.org", { caa: [issue("ca.example.net")] });
  dns.asked.length = 0;
  t.equal(await ask(), undefined, "but for a nearer one");
  t.same(dns.asked, ["CAA a.www.example.org", "CAA www.example.org"], "and the climb ends there");
  dns.zone.clear();
  dns.asked.length = 0;
  t.equal(await ask(), undefined);
  t.equal(dns.asked.at(-1), "CAA org", "up to the top, without the root");
  for (const [rcode, why] of [
    [2, /the server failed/],
    [5, /refused/],
  ] as const) {
    dns.zone.set("example.org", { rcode });
    t.match(await ask(), { type: "dns", detail: why }, "what cannot be had forbids (RFC 8659 §3)");
  }

  dns.zone.clear();
  const digest = createHash("sha256").update(KEY_AUTHORIZATION).digest("base64url");
  dns.zone.set(`_acme-challenge.${NAME}`, { txt: [digest] });
  dns.zone.set(NAME, { caa: [issue(";")] });
  const params = {
    type: "dns-01",
    identifier: { type: "dns", value: NAME },
    wildcard: false,
    accountUri: ACCOUNT,
    token: "token",
    keyAuthorization: KEY_AUTHORIZATION,
    signal,
  } as const;
  t.match(
    await validator.validate(params),
    { type: "caa" },
    "a challenge that is met is not enough",
  );
  const identifier = { type: "ip", value: "192.0.2.1" } as const;
  t.equal(await validator.recheck({ ...params, identifier }), undefined, "addresses have none");

  dns.asked.length = 0;
  const off = new ChallengeValidator({
    config: acmeValidation({ ...DEFAULTS, resolvers: [dns.address] }),
    ownAddresses: () => [],
    clock: systemClock,
    logger: silentLogger,
  });
  t.equal(await off.recheck(params), undefined);
  t.equal(await off.validate(params), undefined, "CAA is off");
  t.same(dns.asked, [`TXT _acme-challenge.${NAME}`]);
});

const DEFAULTS = {
  resolverTimeout: 10_000,
  timeout: 100,
  httpPort: 80,
  httpsPort: 443,
  tlsPort: 443,
  redirects: 5,
  refusedNetworks: [],
  caaIdentities: [],
} as const;
