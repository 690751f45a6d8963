import t from "tap";
import type { AcmeClient, AcmeReply } from "../../support/acme-client.ts";
import type { AcmeAuthorization, AcmeOrder, AcmeProblemBody } from "../../support/acme-client.ts";
import { externalBinding } from "../../support/acme-client.ts";
import { readAuditLog } from "../../support/audit-records.ts";
import { csrFor } from "../../support/csr.ts";
import { acmeRig, issue, meet, problem, readChain } from "./acme-rig.ts";

t.test("RFC 8555 §7.4: an order from its beginning to its certificate", async (t) => {
  const rig = await acmeRig(t);
  const client = await rig.client();
  const made = await client.order(["A.example.org", "127.0.0.1", "a.example.org"]);
  t.equal(made.status, 201, made.text);
  const url = made.headers.location ?? "";
  t.match(made.body, {
    status: "pending",
    identifiers: [
      { type: "dns", value: "a.example.org" },
      { type: "ip", value: "127.0.0.1" },
    ],
    profile: "server-7d",
    finalize: `${url}/finalize`,
  });
  t.equal(made.body.authorizations.length, 2, "each name once");
  const early = await client.post<AcmeProblemBody>(made.body.finalize, { csr: "AAAA" });
  problem(t, early, ["orderNotReady", 403], "nothing is met yet");
  const [first = "", second = ""] = made.body.authorizations;
  const dns = await client.post<AcmeAuthorization>(first, "");
  t.same(dns.body.identifier, { type: "dns", value: "a.example.org" });
  t.same(
    dns.body.challenges.map(({ type }) => type),
    ["http-01", "dns-01", "tls-alpn-01"],
  );
  const ip = await client.post<AcmeAuthorization>(second, "");
  t.same(
    ip.body.challenges.map(({ type }) => type),
    ["http-01", "tls-alpn-01"],
    "RFC 8738 §7: no dns-01 for an address",
  );
  const [challenge] = dns.body.challenges;
  const shown = await client.post(challenge?.url ?? "", "");
  t.same(shown.links["up"], [first], "the way to its authorization");
  t.equal(shown.body["status"], "pending", "looking starts nothing");
  await meet(rig, client, made.body);
  const met = await client.post<AcmeAuthorization>(first, "");
  t.match(met.body, { status: "valid", challenges: [{ type: "http-01", status: "valid" }] });
  t.equal(met.body.challenges.length, 1, "only what decided it");
  const ready = await client.post<AcmeOrder>(url, "");
  t.equal(ready.body.status, "ready");
  const csr = csrFor({ names: ["a.example.org", "127.0.0.1"] });
  const racers = await Promise.all(
    [1, 2, 3].map(() => client.post<AcmeOrder>(made.body.finalize, { csr })),
  );
  t.same(new Set(racers.map(({ status }) => status)), new Set([200]));
  t.equal(new Set(racers.map(({ body }) => body.certificate)).size, 1, "one certificate");
  const done = racers[0];
  t.match(done?.body, { status: "valid", certificate: /\/acme\/certificate\// });
  t.equal(done?.headers.location, url, "some clients look for the order's url there");
  const other = csrFor({ names: ["a.example.org", "127.0.0.1"] });
  const late = await client.post<AcmeProblemBody>(made.body.finalize, { csr: other });
  problem(t, late, ["orderNotReady", 403], "finalized with another key");
  const pem = await client.post(done?.body.certificate ?? "", "");
  t.equal(pem.headers["content-type"], "application/pem-certificate-chain");
  const { leaf } = readChain(pem.text);
  t.same(leaf.dnsNames, ["a.example.org"]);
  t.same(leaf.ipAddresses, ["127.0.0.1"]);
  t.equal(leaf.basicConstraints?.ca ?? false, false);
  const list = await client.post<{ orders: string[] }>(`${client.kid}/orders`, "");
  t.same(list.body.orders, [url]);
});

t.test("orders that are refused", async (t) => {
  const rig = await acmeRig(t);
  const client = await rig.client();
  const dns = (value: unknown): object => ({ identifiers: [{ type: "dns", value }] });
  const fine = dns("a.example.org");
  const cases: [string, object, string, number][] = [
    ["no identifiers", {}, "malformed", 400],
    ["none in the list", { identifiers: [] }, "malformed", 400],
    ["no list", { identifiers: "a.example.org" }, "malformed", 400],
    [
      "101 of them",
      { identifiers: Array.from({ length: 101 }, () => ({ type: "dns", value: "a.b" })) },
      "malformed",
      400,
    ],
    ["a text", { identifiers: ["a.example.org"] }, "malformed", 400],
    ["no value", { identifiers: [{ type: "dns" }] }, "malformed", 400],
    ["mail", { identifiers: [{ type: "email", value: "a@b.c" }] }, "unsupportedIdentifier", 400],
    ["an empty name", dns(""), "rejectedIdentifier", 400],
    ["an underscore", dns("a_b.example.org"), "rejectedIdentifier", 400],
    ["a dot behind", dns("a.example.org."), "rejectedIdentifier", 400],
    ["two wildcards", dns("*.*.example.org"), "rejectedIdentifier", 400],
    ["a wildcard within", dns("a.*.example.org"), "rejectedIdentifier", 400],
    ["a wildcard over all", dns("*.org"), "rejectedIdentifier", 400],
    ["umlauts", dns("ä.example.org"), "rejectedIdentifier", 400],
    ["an address as a name", dns("127.0.0.1"), "rejectedIdentifier", 400],
    ["a label of 64", dns(`${"a".repeat(64)}.example.org`), "rejectedIdentifier", 400],
    ["255 characters", dns(`${"a.".repeat(122)}example.org`), "rejectedIdentifier", 400],
    ["a NUL", dns("a\0.example.org"), "rejectedIdentifier", 400],
    ["an address in hex", ip("0x7f000001"), "rejectedIdentifier", 400],
    ["an address with zeros", ip("127.0.0.01"), "rejectedIdentifier", 400],
    ["a network", ip("127.0.0.0/8"), "rejectedIdentifier", 400],
    ["IPv6 not as RFC 5952 has it", ip("0:0:0:0:0:0:0:1"), "rejectedIdentifier", 400],
    ["a zone", ip("::1%lo"), "rejectedIdentifier", 400],
    ["another profile", { ...fine, profile: "classic" }, "invalidProfile", 400],
    ["a profile that is no text", { ...fine, profile: 7 }, "invalidProfile", 400],
    ["spiffe without an entry", { ...fine, profile: "spiffe" }, "unauthorized", 403],
    ["a begin in the future", { ...fine, notBefore: "2050-01-01T00:00:00Z" }, "malformed", 400],
    ["a begin of long ago", { ...fine, notBefore: "2020-01-01T00:00:00Z" }, "malformed", 400],
    ["an end in the past", { ...fine, notAfter: "2020-01-01T00:00:00Z" }, "malformed", 400],
    ["an end too far away", { ...fine, notAfter: "2050-01-01T00:00:00Z" }, "malformed", 400],
    ["a time that is none", { ...fine, notAfter: "tomorrow" }, "malformed", 400],
    ["a time that is a number", { ...fine, notAfter: 7 }, "malformed", 400],
    ["a certificate that is none", { ...fine, replaces: "x" }, "malformed", 400],
    ["an unknown certificate", { ...fine, replaces: "AAAA.AAAA" }, "malformed", 400],
    ["replaces that is a number", { ...fine, replaces: 7 }, "malformed", 400],
  ];
  for (const [title, payload, type, status] of cases) {
    const reply = await client.post<AcmeProblemBody>(client.url("newOrder"), payload);
    problem(t, reply, [type, status], title);
  }
  const many = await client.order(["a_.example.org", "127.0.0.01", "b.example.org", "_c"]);
  const refused = many as unknown as AcmeReply<AcmeProblemBody>;
  problem(t, refused, ["rejectedIdentifier", 400], "several");
  t.same(
    refused.body.subproblems?.map(({ identifier }) => identifier.value),
    ["a_.example.org", "127.0.0.01", "_c"],
    "one subproblem for each, and none for what is right",
  );
  const taken = await client.post<AcmeOrder>(client.url("newOrder"), {
    ...fine,
    notBefore: "0001-01-01T00:00:00Z",
    notAfter: "",
    expires: "0001-01-01T00:00:00Z",
    finalize: "",
    status: "",
    profile: "",
    replaces: "",
  });
  t.equal(taken.status, 201, "fields of no meaning, as some clients send them");
  t.match(taken.body, { status: "pending", profile: "server-7d" });
});

t.test("what is not yours, and what is not there", async (t) => {
  const rig = await acmeRig(t);
  const client = await rig.client();
  const other = await rig.client();
  const { order, url } = await issue(rig, client, ["a.example.org"]);
  const [authorization = ""] = order.body.authorizations;
  const { body } = await client.post<AcmeAuthorization>(authorization, "");
  const challenge = body.challenges[0]?.url ?? "";
  const own = order.headers.location ?? "";
  for (const path of [own, `${own}/finalize`, authorization, challenge, url]) {
    const payload = path.endsWith("/finalize") ? { csr: "AAAA" } : "";
    const foreign = await other.post<AcmeProblemBody>(path, payload);
    problem(t, foreign, ["unauthorized", 403], path);
  }
  const gone = [`${own}x`, `${own}x/finalize`, `${authorization}x`, `${url}x`, `${url}/1`];
  for (const path of [...gone, `${url}/0`, `${url}/x`, challenge.replace("http-01", "dns-02")]) {
    const payload = path.endsWith("/finalize") ? { csr: "AAAA" } : "";
    problem(t, await client.post<AcmeProblemBody>(path, payload), ["malformed", 404], path);
  }
  const changed = await client.post<AcmeProblemBody>(own, {});
  problem(t, changed, ["malformed", 400], "an order cannot be changed");
  const odd = await client.post<AcmeProblemBody>(authorization, { status: "valid" });
  problem(t, odd, ["malformed", 400], "an authorization cannot be made valid");
});

t.test("RFC 8555 §7.5.1: a challenge that is not met ends its order", async (t) => {
  const rig = await acmeRig(t);
  const client = await rig.client();
  const made = await client.order(["a.example.org", "b.example.org"]);
  const [first = "", second = ""] = made.body.authorizations;
  const { body } = await client.post<AcmeAuthorization>(first, "");
  const challenge = body.challenges.find(({ type }) => type === "http-01");
  rig.answers.set(challenge?.token ?? "", "something else");
  await client.post(challenge?.url ?? "", {});
  const failed = await client.until<AcmeAuthorization>(first, ["invalid"]);
  t.match(failed.body.challenges, [{ type: "http-01", status: "invalid" }]);
  t.match(failed.body.challenges[0]?.error?.type, /:(unauthorized|incorrectResponse)$/);
  const again = await client.post<{ status: string }>(challenge?.url ?? "", {});
  t.equal(again.body.status, "invalid", "asked again, it is not begun again");
  const order = await client.post<AcmeOrder>(made.headers.location ?? "", "");
  t.equal(order.body.status, "invalid");
  t.match(order.body.error, { type: String, detail: String, status: Number });
  const csr = csrFor({ names: ["a.example.org", "b.example.org"] });
  const refused = await client.post<AcmeProblemBody>(made.body.finalize, { csr });
  problem(t, refused, ["orderNotReady", 403], "invalid");
  const next = await client.order(["a.example.org", "b.example.org"]);
  t.notOk(next.body.authorizations.includes(first), "a new try has a new one");
  t.ok(next.body.authorizations.includes(second), "what is still pending is used again");
});

t.test("RFC 8555 §7.5.2: deactivated authorizations", async (t) => {
  const rig = await acmeRig(t);
  const client = await rig.client();
  const made = await client.order(["a.example.org"]);
  const [url = ""] = made.body.authorizations;
  await meet(rig, client, made.body);
  const done = await client.post<AcmeAuthorization>(url, { status: "deactivated" });
  t.equal(done.body.status, "deactivated");
  const order = await client.post<AcmeOrder>(made.headers.location ?? "", "");
  t.equal(order.body.status, "invalid");
  const twice = await client.post<AcmeProblemBody>(url, { status: "deactivated" });
  problem(t, twice, ["malformed", 400], "twice");
  const next = await client.order(["a.example.org"]);
  t.equal(next.body.status, "pending", "it has to be shown anew");
});

t.test("authorizations are used again, and end", async (t) => {
  const rig = await acmeRig(t, { acme: { authorizationTtlSeconds: 7200, orderTtlSeconds: 7200 } });
  const client = await rig.client();
  await issue(rig, client, ["a.example.org"]);
  const { clock } = rig.server;
  await clock.advance(1800 * 1000);
  const next = await client.order(["a.example.org"]);
  t.equal(next.body.status, "ready", "nothing is left to show");
  const other = await rig.client();
  t.equal((await other.order(["a.example.org"])).body.status, "pending", "each account for itself");
  const both = await client.order(["a.example.org", "b.example.org"]);
  const leftOf = ({ body }: AcmeReply<AcmeOrder>): number =>
    Math.round((Date.parse(body.expires) - clock.nowMs()) / 1000);
  const close = (found: number, wanted: number, title: string): void => {
    t.ok(Math.abs(found - wanted) < 5, `${title}: ${found} s`);
  };
  close(leftOf(next), 5400, "RFC 8555 §7.1.3: it expires with its authorization");
  close(leftOf(both), 5400, "with the first of two");
  await meet(rig, client, both.body);
  const url = next.headers.location ?? "";
  clock.step((leftOf(next) - 1) * 1000);
  t.equal((await client.post<AcmeOrder>(url, "")).body.status, "ready");
  await clock.advance(2000);
  const ended = await client.post<AcmeOrder>(url, "");
  t.equal(ended.body.status, "invalid", "as it was said");
  const anew = await client.order(["a.example.org"]);
  t.equal(anew.body.status, "pending");
  const [first = ""] = next.body.authorizations;
  t.equal((await client.post<AcmeAuthorization>(first, "")).body.status, "expired");
});

t.test("wildcards: shown by DNS alone, without the star", async (t) => {
  const rig = await acmeRig(t);
  const client = await rig.client();
  const made = await client.order(["*.a.example.org", "a.example.org"]);
  t.equal(made.status, 201, made.text);
  const [wild = "", plain = ""] = made.body.authorizations;
  const { body } = await client.post<AcmeAuthorization>(wild, "");
  t.match(body, { wildcard: true, identifier: { type: "dns", value: "a.example.org" } });
  t.same(
    body.challenges.map(({ type }) => type),
    ["dns-01"],
  );
  const bare = await client.post<AcmeAuthorization>(plain, "");
  t.equal(bare.body.wildcard, undefined);
  t.equal(bare.body.challenges.length, 3);
});

t.test("profile spiffe: the SVID of the entry that the account is bound to", async (t) => {
  const rig = await acmeRig(t);
  const { server } = rig;
  const entryId = await server.createEntry({
    spiffe_id: { trust_domain: "example.org", path: "/web" },
    parent_id: { trust_domain: "example.org", path: "/host" },
    selectors: [{ type: "unix", value: "uid:1" }],
    dns_names: ["a.example.org"],
    x509_svid_ttl: 600,
  });
  const made = await server.admin.unary<{
    external_account: { key_id: string };
    mac_key: Uint8Array;
  }>("assay.acme.v1.ExternalAccounts", "CreateExternalAccount", { entry_id: entryId });
  const client = await rig.stranger();
  const url = client.url("newAccount");
  const kid = made.external_account.key_id;
  const macKey = Buffer.from(made.mac_key).toString("base64url");
  const binding = externalBinding({ kid, macKey, url }, client.key.jwk);
  t.equal((await client.register({ externalAccountBinding: binding })).status, 201);
  const foreign = await client.order(["b.example.org"]);
  problem(
    t,
    foreign as unknown as AcmeReply<AcmeProblemBody>,
    ["rejectedIdentifier", 400],
    "a name that is not the entry's",
  );
  t.match(foreign.body, { detail: /^b\.example\.org is not among/ }, "the name is said once");
  const { order, pem } = await issue(rig, client, ["a.example.org"]);
  t.equal(order.body.profile, "spiffe", "what such accounts get where they ask for nothing else");
  const { leaf } = readChain(pem);
  t.same(leaf.uris, ["spiffe://example.org/web"]);
  t.same(leaf.dnsNames, ["a.example.org"]);
  t.equal(
    leaf.notAfter - leaf.notBefore,
    610,
    "the life of the entry's SVIDs, and ten seconds back",
  );
  const wanted = (seconds: number): Promise<AcmeReply<AcmeOrder>> => {
    const notAfter = new Date(server.clock.nowMs() + seconds * 1000).toISOString();
    return client.order(["a.example.org"], { notAfter });
  };
  t.equal((await wanted(300)).status, 201);
  problem(
    t,
    (await wanted(900)) as unknown as AcmeReply<AcmeProblemBody>,
    ["malformed", 400],
    "a longer one",
  );
  await server.admin.unary("spire.api.server.entry.v1.Entry", "BatchDeleteEntry", {
    ids: [entryId],
  });
  const gone = await client.order(["a.example.org"]);
  t.match(gone.status, 400, "without the entry there are no names and no identity");
});

t.test("rate limits say when to come again", async (t) => {
  const rig = await acmeRig(t, {
    limits: {
      accountsPerAddressPerHour: 2,
      ordersPerAccountPerHour: 3,
      duplicatesPerDay: 2,
      failedValidationsPerHour: 1,
    },
  });
  const limited = (reply: AcmeReply<unknown>, title: string): void => {
    problem(t, reply as AcmeReply<AcmeProblemBody>, ["rateLimited", 429], title);
    t.match(reply.headers["retry-after"], /^\d+$/, title);
    t.match(reply.links["help"]?.[0], /\/acme\/limits$/, title);
  };
  const client = await rig.client();
  await rig.client();
  limited(await (await rig.stranger()).register(), "a third account from here");
  const page = await client.get(rig.directory.replace("directory", "acme/limits"));
  t.match(page.text, /At most 2 new accounts/);
  const order = await client.order(["a.example.org"]);
  t.equal((await client.order(["a.example.org"])).status, 201);
  limited(await client.order(["a.example.org"]), "the same names again");
  t.equal((await client.order(["b.example.org"])).status, 201);
  limited(await client.order(["c.example.org"]), "a fourth order");
  const [url = ""] = order.body.authorizations;
  const { body } = await client.post<AcmeAuthorization>(url, "");
  await client.post(body.challenges[0]?.url ?? "", {});
  await client.until(url, ["invalid"]);
  await rig.server.clock.advance(3600 * 1000 * 0.9);
  limited(await client.order(["a.example.org", "b.example.org"]), "a name that failed");
  t.equal((await client.order(["b.example.org", "c.example.org"])).status, 201, "others go on");
});

t.test("RFC 8555 §11.1, RFC 2986: CSRs that are refused", async (t) => {
  const rig = await acmeRig(t);
  const client = await rig.client();
  const made = await client.order(["a.example.org"]);
  await meet(rig, client, made.body);
  const good = csrFor({ names: ["a.example.org"] });
  const broken = Buffer.from(good, "base64url");
  broken[broken.length - 3] = (broken[broken.length - 3] ?? 0) ^ 1;
  const pem = `-----BEGIN CERTIFICATE REQUEST-----\n${good}\n-----END CERTIFICATE REQUEST-----\n`;
  const cases: [string, unknown][] = [
    ["none", undefined],
    ["empty", ""],
    ["a number", 7],
    ["PEM", pem],
    ["padding", `${good}==`],
    ["no DER", "AAAA"],
    ["another signature", broken.toString("base64url")],
    ["another name", csrFor({ names: ["b.example.org"] })],
    ["a name more", csrFor({ names: ["a.example.org", "b.example.org"] })],
    ["an address more", csrFor({ names: ["a.example.org", "127.0.0.1"] })],
    ["no name", csrFor({ names: [] })],
    ["another common name", csrFor({ names: ["a.example.org"], commonName: "b.example.org" })],
    ["a URI", csrFor({ names: ["a.example.org"], uris: ["spiffe://example.org/a"] })],
    ["a mail address", csrFor({ names: ["a.example.org"], extra: "mail" })],
    ["CA:TRUE", csrFor({ names: ["a.example.org"], extra: "ca" })],
    ["RSA of 1024 bits", csrFor({ names: ["a.example.org"], key: "rsa-1024" })],
    ["the account's key", csrFor({ names: ["a.example.org"], key: client.key.privateKey })],
    ["16 KiB and more", Buffer.alloc(17_000).toString("base64url")],
  ];
  for (const [title, csr] of cases) {
    const reply = await client.post<AcmeProblemBody>(made.body.finalize, { csr });
    problem(t, reply, ["badCSR", 400], title);
  }
  const csr = csrFor({ names: ["a.example.org"], commonName: "A.example.org", extra: "odd" });
  const done = await client.post<AcmeOrder>(made.body.finalize, { csr });
  t.equal(done.body.status, "valid", done.text);
  const { leaf } = readChain((await client.post(done.body.certificate ?? "", "")).text);
  t.same(leaf.dnsNames, ["a.example.org"], "the common name counts once");
  t.same(leaf.unknownCritical, [], "an odd extension gets nowhere");
});

t.test("RFC 8555 §7.6: revocation", async (t) => {
  const rig = await acmeRig(t, { server: { revocation: { crlTtl: 3600 } } });
  const client = await rig.client();
  const revoke = (by: AcmeClient, payload: object, change = {}) =>
    by.post<AcmeProblemBody>(by.url("revokeCert"), payload, change);
  const first = readChain((await issue(rig, client, ["a.example.org"])).pem);
  const bad: [string, object, string, number][] = [
    ["no certificate", {}, "malformed", 400],
    ["no DER", { certificate: "AAAA" }, "malformed", 400],
    ["padding", { certificate: `${first.der}=` }, "malformed", 400],
    ["an authority's", { certificate: rootOf(await rig.server.rootsPem()) }, "malformed", 404],
    ["another reason", { certificate: first.der, reason: 2 }, "badRevocationReason", 400],
    ["a hold", { certificate: first.der, reason: 6 }, "badRevocationReason", 400],
    ["a reason in words", { certificate: first.der, reason: "1" }, "badRevocationReason", 400],
  ];
  for (const [title, payload, type, status] of bad) {
    problem(t, await revoke(client, payload), [type, status], title);
  }
  const other = await rig.client();
  const foreign = await revoke(other, { certificate: first.der });
  problem(t, foreign, ["unauthorized", 403], "an account without its names");
  const byOther = await revoke(other, { certificate: first.der }, { byKey: true });
  problem(t, byOther, ["unauthorized", 403], "another key");
  const done = await revoke(client, { certificate: first.der, reason: 1 });
  t.equal(done.status, 200, done.text);
  t.equal(done.text, "");
  problem(t, await revoke(client, { certificate: first.der }), ["alreadyRevoked", 400], "twice");
  const own = await issue(rig, client, ["a.example.org"]);
  const second = readChain(own.pem);
  const byKey = await revoke(client, { certificate: second.der }, { byKey: true, key: own.key });
  t.equal(byKey.status, 200, `by its own key: ${byKey.text}`);
  const third = readChain((await issue(rig, client, ["a.example.org"])).pem);
  await meet(rig, other, (await other.order(["a.example.org"])).body);
  t.equal((await revoke(other, { certificate: third.der })).status, 200, "who has the names");
  const records = await readAuditLog(rig.server.dataDir);
  const account = client.kid.slice(client.kid.lastIndexOf("/") + 1);
  const caller = { role: "acme", id: account, address: "127.0.0.1" };
  const { serial } = first.leaf;
  const about = records.filter(({ subject }) => subject?.serial === serial);
  t.match(about, [
    { kind: "issuance", action: "x509.acme", caller, subject: { rule: /^account .*, order / } },
    { kind: "admin", action: "acme/revoke-cert", caller, outcome: "ok", reason: "key-compromise" },
  ]);
  const denied = records.filter(({ kind }) => kind === "denial");
  t.match(denied[0], { action: "acme/revoke-cert", reason: /^unauthorized: / });
});

t.test("RFC 9773: renewal information, and what an order replaces", async (t) => {
  const rig = await acmeRig(t);
  const client = await rig.client();
  const { pem } = await issue(rig, client, ["a.example.org", "b.example.org"]);
  const { name, leaf, der } = readChain(pem);
  const info = (of: string) => client.get(`${client.url("renewalInfo")}/${of}`);
  const shown = await info(name);
  t.equal(shown.status, 200, shown.text);
  t.match(shown.headers["retry-after"], /^\d+$/);
  const { start, end } = shown.body["suggestedWindow"] as { start: string; end: string };
  const [from, to] = [start, end].map((text) => Date.parse(text) / 1000);
  t.ok((from ?? 0) > leaf.notBefore && (from ?? 0) < (to ?? 0) && (to ?? 0) < leaf.notAfter);
  for (const odd of ["x", "AAAA", `${name}.x`, `${name}=`, "AA.AA.AA"]) {
    problem(t, (await info(odd)) as unknown as AcmeReply<never>, ["malformed", 400], odd);
  }
  problem(
    t,
    (await info("AAAA.AAAA")) as unknown as AcmeReply<never>,
    ["malformed", 404],
    "unknown",
  );
  const other = await rig.client();
  const refuse = async (by: AcmeClient, names: string[], want: [string, number], title: string) => {
    const reply = await by.order(names, { replaces: name });
    problem(t, reply as unknown as AcmeReply<AcmeProblemBody>, want, title);
  };
  await refuse(other, ["a.example.org"], ["unauthorized", 403], "another account's");
  await refuse(client, ["c.example.org"], ["malformed", 400], "no name in common");
  const order = await client.order(["a.example.org"], { replaces: name });
  t.equal(order.status, 201, order.text);
  t.equal(order.body.replaces, name);
  await refuse(client, ["a.example.org"], ["alreadyReplaced", 409], "twice");
  const [authorization = ""] = order.body.authorizations;
  await client.post(authorization, { status: "deactivated" });
  const again = await client.order(["b.example.org"], { replaces: name });
  t.equal(again.status, 201, "an order that came to nothing replaces nothing");
  await client.post(client.url("revokeCert"), { certificate: der });
  const late = await info(name);
  const past = (late.body["suggestedWindow"] as { end: string }).end;
  t.ok(Date.parse(past) <= rig.server.clock.nowMs(), "a revoked one is renewed at once");

  const second = readChain((await issue(rig, client, ["b.example.org"])).pem);
  const { authorities } = rig.server.server;
  const old = authorities.activeX509().id;
  await authorities.activate("x509", (await authorities.prepare("x509")).id);
  const calm = (await info(second.name)).body["suggestedWindow"] as { start: string };
  t.ok(Date.parse(calm.start) > rig.server.clock.nowMs(), "another authority changes nothing");
  await authorities.taint("x509", old);
  const tainted = (await info(second.name)).body["suggestedWindow"] as { end: string };
  t.ok(Date.parse(tainted.end) <= rig.server.clock.nowMs(), "a tainted authority's, too");
});

function ip(value: string): object {
  return { identifiers: [{ type: "ip", value }] };
}

function rootOf(pem: string): string {
  return readChain(pem).der;
}
