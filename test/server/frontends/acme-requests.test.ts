import t from "tap";
import {
  AcmeClient,
  type AcmeProblemBody,
  type AcmeReply,
  type AcmeRequestChange,
  acmeJws,
  externalBinding,
  makeAcmeKey,
} from "../../support/acme-client.ts";
import { acmeRig, problem } from "./acme-rig.ts";

t.test("RFC 8555 §7.1.1, §7.2: directory and nonces", async (t) => {
  const rig = await acmeRig(t, {
    acme: { termsOfService: "https://example.org/terms", website: "https://example.org/" },
  });
  const client = await rig.stranger();
  const { newNonce = "", meta } = client.directory;
  t.match(Object.keys(client.directory).toSorted(), [
    "keyChange",
    "meta",
    "newAccount",
    "newNonce",
    "newOrder",
    "renewalInfo",
    "revokeCert",
  ]);
  t.match(meta, {
    termsOfService: "https://example.org/terms",
    website: "https://example.org/",
    externalAccountRequired: false,
    profiles: { "server-7d": String, "server-90d": String, spiffe: String },
  });
  const head = await client.get(newNonce, "HEAD");
  const get = await client.get(newNonce);
  t.equal(head.status, 200);
  t.equal(get.status, 204);
  for (const { headers, links } of [head, get]) {
    t.match(headers["replay-nonce"], /^[A-Za-z0-9_-]{16,}$/);
    t.equal(headers["cache-control"], "no-store");
    t.same(links["index"], [rig.directory]);
  }
  t.not(head.headers["replay-nonce"], get.headers["replay-nonce"]);
  const limits = await client.get(rig.directory.replace("/directory", "/acme/limits"));
  t.equal(limits.status, 200);
  for (const [method, path, status] of [
    ["GET", "/acme/new-order", 405],
    ["PUT", "/acme/new-order", 405],
    ["GET", "/acme", 404],
    ["GET", "/", 404],
  ] as const) {
    const answer = await client.get(rig.directory.replace("/directory", path), method);
    t.equal(answer.status, status, `${method} ${path}`);
    t.match(answer.headers["content-type"], /^application\/problem\+json/);
    t.equal(answer.body["type"], "urn:ietf:params:acme:error:malformed", "§6.3");
  }
});

t.test("RFC 8555 §6.3: directory and nonces by POST-as-GET", async (t) => {
  const rig = await acmeRig(t);
  const client = await rig.client();
  const url = client.url("newNonce");
  const { body } = await client.get(rig.directory);
  const directory = await client.post(rig.directory, "");
  const nonce = await client.post(url, "");
  t.same([directory.status, directory.body], [200, body]);
  t.same([nonce.status, nonce.text], [204, ""]);
  for (const { headers } of [directory, nonce]) {
    t.match(headers["replay-nonce"], /^[A-Za-z0-9_-]{16,}$/);
    t.equal(headers["cache-control"], "no-store");
  }
  for (const path of [rig.directory, url]) {
    problem(t, await client.post<AcmeProblemBody>(path, {}), ["malformed", 400], "with a payload");
    const stranger = await client.post<AcmeProblemBody>(path, "", { key: makeAcmeKey() });
    problem(t, stranger, ["malformed", 400], "with another key");
    const byKey = await client.post<AcmeProblemBody>(path, "", { byKey: true });
    problem(t, byKey, ["malformed", 400], "without an account");
  }
});

t.test("RFC 8555 §6: requests that are wrong in one thing", async (t) => {
  const rig = await acmeRig(t);
  const client = await rig.client();
  const other = makeAcmeKey();
  const order = { identifiers: [{ type: "dns", value: "a.example.org" }] };
  const spent = await client.nonce();
  await client.post(client.kid, "", { header: { nonce: spent } });
  const account = client.kid;
  const cases: [string, AcmeRequestChange, string, number][] = [
    ["alg none", { header: { alg: "none" }, signature: "" }, "badSignatureAlgorithm", 400],
    ["HMAC", { header: { alg: "HS256" } }, "badSignatureAlgorithm", 400],
    ["no alg", { header: { alg: undefined } }, "badSignatureAlgorithm", 400],
    ["another key's alg", { header: { alg: "RS256" } }, "badSignatureAlgorithm", 400],
    ["PSS", { header: { alg: "PS256" } }, "badSignatureAlgorithm", 400],
    ["both jwk and kid", { header: { jwk: client.key.jwk } }, "malformed", 400],
    ["neither", { header: { kid: undefined } }, "malformed", 400],
    ["jwk where kid is due", { byKey: true }, "malformed", 400],
    ["another url", { header: { url: `${account}x` } }, "unauthorized", 403],
    ["no url", { header: { url: undefined } }, "unauthorized", 403],
    ["a url with a query", { header: { url: `${account}?a=b` } }, "unauthorized", 403],
    ["a spent nonce", { header: { nonce: spent } }, "badNonce", 400],
    ["no nonce", { header: { nonce: undefined } }, "badNonce", 400],
    ["a made-up nonce", { header: { nonce: "AAAA" } }, "badNonce", 400],
    ["a nonce in padding", { header: { nonce: `${spent}=` } }, "badNonce", 400],
    ["a nonce that is no text", { header: { nonce: 7 } }, "badNonce", 400],
    ["a changed nonce", { header: { nonce: flipped(await client.nonce()) } }, "badNonce", 400],
    ["a kid that is no URL", { header: { kid: "1" } }, "accountDoesNotExist", 400],
    ["an unknown kid", { header: { kid: `${account}x` } }, "accountDoesNotExist", 400],
    ["a foreign kid", { header: { kid: "https://elsewhere/1" } }, "accountDoesNotExist", 400],
    ["a kid that is no text", { header: { kid: {} } }, "accountDoesNotExist", 400],
    ["another key's signature", { key: other }, "malformed", 400],
    ["no signature", { signature: "" }, "malformed", 400],
    ["a content type of plain JSON", { contentType: "application/json" }, "malformed", 415],
    ["no content type", { contentType: "" }, "malformed", 415],
    ["an unprotected header", { body: (jws) => json({ ...jws, header: {} }) }, "malformed", 400],
    ["several signatures", { body: (jws) => json({ signatures: [jws] }) }, "malformed", 400],
    ["no JSON", { body: () => "hello" }, "malformed", 400],
    ["no body", { body: () => "" }, "malformed", 400],
    ["critical extensions", { header: { crit: ["exp"] } }, "malformed", 400],
  ];
  for (const [title, change, type, status] of cases) {
    const reply = await client.post<AcmeProblemBody>(client.url("newOrder"), order, change);
    problem(t, reply, [type, status], title);
    t.match(reply.headers["replay-nonce"], /./, `${title}: a nonce to go on with`);
    if (type === "badSignatureAlgorithm") t.ok(reply.body.algorithms?.includes("ES256"), title);
  }
  const payloads: [string, unknown][] = [
    ["a list", []],
    ["a text", "x"],
    ["nothing", ""],
  ];
  for (const [title, payload] of payloads) {
    const reply = await client.post<AcmeProblemBody>(client.url("newOrder"), payload);
    problem(t, reply, ["malformed", 400], `payload: ${title}`);
  }
  const large = client.post(client.url("newOrder"), "", { body: () => "x".repeat(10 << 20) });
  const answer = await large.catch(() => undefined);
  t.ok(answer === undefined || answer.status === 413, "10 MB: refused before it is read");
  t.equal((await client.order(["a.example.org"])).status, 201, "and the account goes on");
});

t.test("RFC 8555 §6.2: keys that an account may have", async (t) => {
  const rig = await acmeRig(t);
  for (const algorithm of ["ES256", "ES384", "ES512", "RS256", "EdDSA"] as const) {
    const client = await AcmeClient.open(rig.directory, { key: makeAcmeKey(algorithm) });
    t.teardown(() => client[Symbol.dispose]());
    t.equal((await client.register()).status, 201, algorithm);
    t.equal((await client.post(client.kid, "")).status, 200, algorithm);
  }
  const client = await rig.stranger();
  const { jwk } = client.key;
  const cases: [string, unknown, string][] = [
    ["a curve that is none", { ...jwk, crv: "P-1" }, "badPublicKey"],
    ["a symmetric key", { kty: "oct", k: "AAAA" }, "badPublicKey"],
    ["a private key", { ...jwk, d: jwk.x }, "badPublicKey"],
    ["a point off its curve", { ...jwk, x: jwk.y }, "badPublicKey"],
    ["no object", "jwk", "malformed"],
    ["a list", [jwk], "malformed"],
  ];
  for (const [title, bad, type] of cases) {
    const reply = await client.post<AcmeProblemBody>(
      client.url("newAccount"),
      {},
      { byKey: true, header: { jwk: bad } },
    );
    problem(t, reply, [type, 400], title);
  }
});

t.test("RFC 8555 §7.3: accounts", async (t) => {
  const rig = await acmeRig(t);
  const client = await rig.stranger();
  const none = await client.register({ onlyReturnExisting: true });
  problem(t, none as AcmeReply<never>, ["accountDoesNotExist", 400], "none yet");
  const contact = ["mailto:a@example.org"];
  const made = await client.register({ contact, unknown: 1, orders: "x" });
  t.equal(made.status, 201);
  t.match(made.body, { status: "valid", contact, orders: `${client.kid}/orders` });
  const again = await client.register({ contact: ["mailto:b@example.org"] });
  t.equal(again.status, 200);
  t.equal(again.headers.location, client.kid);
  t.same(again.body["contact"], contact, "an account that is there is not changed");
  t.equal((await client.register({ onlyReturnExisting: true })).status, 200);
  const both = await Promise.all(
    [1, 2, 3, 4].map(async () => {
      const racer = await AcmeClient.open(rig.directory, { key: RACED });
      t.teardown(() => racer[Symbol.dispose]());
      return racer.register();
    }),
  );
  t.equal(both.filter(({ status }) => status === 201).length, 1, "made once");
  t.equal(both.filter(({ status }) => status === 200).length, 3);
  t.equal(new Set(both.map(({ headers }) => headers.location)).size, 1, "one account");
  const changed = await client.post(client.kid, { contact: ["mailto:c@example.org"] });
  t.same(changed.body["contact"], ["mailto:c@example.org"]);
  t.same((await client.post(client.kid, { contact: [] })).body["contact"], []);
  const contacts: [unknown, string][] = [
    [["tel:+123"], "unsupportedContact"],
    [["https://example.org"], "unsupportedContact"],
    [["mailto:a@example.org,b@example.org"], "invalidContact"],
    [["mailto:a@example.org?subject=x"], "invalidContact"],
    [["mailto:nobody"], "invalidContact"],
    [[`mailto:${"a".repeat(300)}@example.org`], "invalidContact"],
    [Array.from({ length: 11 }, (_, at) => `mailto:${at}@example.org`), "invalidContact"],
    [[7], "malformed"],
    ["mailto:a@example.org", "malformed"],
  ];
  for (const [bad, type] of contacts) {
    const reply = await client.post<AcmeProblemBody>(client.kid, { contact: bad });
    problem(t, reply, [type, 400], json(bad).slice(0, 60));
  }
  const other = await rig.client();
  const foreign = await other.post<AcmeProblemBody>(client.kid, "");
  problem(t, foreign, ["unauthorized", 403], "another's account");
  const list = await other.post<AcmeProblemBody>(`${client.kid}/orders`, "");
  problem(t, list, ["unauthorized", 403], "another's orders");
  for (const status of ["valid", "revoked", 7, null]) {
    const odd = await client.post(client.kid, { status, orders: "x", termsOfServiceAgreed: true });
    t.match([odd.status, odd.body], [200, { status: "valid", orders: `${client.kid}/orders` }]);
    t.notOk("termsOfServiceAgreed" in odd.body, "§7.3.2: what cannot be changed is ignored");
  }
  const gone = await client.post(client.kid, { status: "deactivated" });
  t.equal(gone.body["status"], "deactivated");
  for (const path of [client.kid, `${client.kid}/orders`, client.url("newOrder")]) {
    const reply = await client.post<AcmeProblemBody>(path, "");
    problem(t, reply, ["unauthorized", 401], "deactivated");
  }
  const reborn = (await client.register()) as AcmeReply<never>;
  problem(t, reborn, ["unauthorized", 401], "its key makes no other");
});

t.test("RFC 8555 §7.3.4: accounts that are bound to external ones", async (t) => {
  const rig = await acmeRig(t, { externalAccountRequired: true });
  const { admin } = rig.server;
  const service = "assay.acme.v1.ExternalAccounts";
  const create = async (fields: object = {}): Promise<{ kid: string; macKey: string }> => {
    const made = await admin.unary<{ external_account: { key_id: string }; mac_key: Uint8Array }>(
      service,
      "CreateExternalAccount",
      fields,
    );
    return {
      kid: made.external_account.key_id,
      macKey: Buffer.from(made.mac_key).toString("base64url"),
    };
  };
  const client = await rig.stranger();
  t.equal(client.directory.meta["externalAccountRequired"], true);
  const url = client.url("newAccount");
  const refuse = async (binding: unknown, want: [string, number], title: string): Promise<void> => {
    const reply = await client.register({ externalAccountBinding: binding });
    problem(t, reply as unknown as AcmeReply<AcmeProblemBody>, want, title);
  };
  await refuse(undefined, ["externalAccountRequired", 403], "none");
  const own = await create();
  const { jwk } = client.key;
  const good = externalBinding({ ...own, url }, jwk);
  await refuse({}, ["malformed", 400], "no JWS");
  await refuse(externalBinding({ ...own, kid: "x", url }, jwk), ["unauthorized", 403], "unknown");
  const wrong = externalBinding({ ...own, macKey: "AAAA", url }, jwk);
  await refuse(wrong, ["unauthorized", 403], "another MAC key");
  await refuse({ ...good, signature: "" }, ["unauthorized", 403], "no MAC");
  const elsewhere = externalBinding({ ...own, url: `${url}x` }, jwk);
  await refuse(elsewhere, ["malformed", 400], "another url");
  const others = externalBinding({ ...own, url }, makeAcmeKey().jwk);
  await refuse(others, ["malformed", 400], "another account's key");
  const signed = acmeJws(client.key, { alg: "ES256", kid: own.kid, url }, jwk);
  await refuse(signed, ["badSignatureAlgorithm", 400], "a signature in place of the MAC");
  const bound = await client.register({ externalAccountBinding: good });
  t.equal(bound.status, 201);
  t.same(bound.body["externalAccountBinding"], good, "§7.3.4: shown as it came");
  t.equal((await client.register({ externalAccountBinding: good })).status, 200, "it is there");
  const second = await rig.stranger();
  const again = await second.register({
    externalAccountBinding: externalBinding({ ...own, url }, second.key.jwk),
  });
  problem(t, again as unknown as AcmeReply<AcmeProblemBody>, ["unauthorized", 403], "spent");
  for (const hash of ["384", "512"]) {
    const third = await rig.stranger();
    const binding = externalBinding({ ...(await create()), url }, third.key.jwk, hash);
    t.equal((await third.register({ externalAccountBinding: binding })).status, 201, hash);
  }
  const racers = await Promise.all([1, 2].map(() => rig.stranger()));
  const one = await create();
  const raced = await Promise.all(
    racers.map((racer) =>
      racer.register({
        externalAccountBinding: externalBinding({ ...one, url }, racer.key.jwk),
      }),
    ),
  );
  t.equal(
    raced.filter(({ status }) => status === 201).length,
    1,
    "one of two racers; more would be slowed by the guard against wrong keys",
  );
});

t.test("RFC 8555 §7.3.3: terms are agreed to", async (t) => {
  const terms = "https://example.org/terms";
  const rig = await acmeRig(t, { acme: { termsOfService: terms } });
  const client = await rig.stranger();
  const refused = (await client.register()) as unknown as AcmeReply<
    AcmeProblemBody & { instance: string }
  >;
  problem(t, refused, ["userActionRequired", 403], "not agreed");
  t.equal(refused.body.instance, terms);
  t.same(refused.links["terms-of-service"], [terms]);
  const made = await client.register({ termsOfServiceAgreed: true });
  t.equal(made.status, 201);
  t.equal(made.body["termsOfServiceAgreed"], true);
  t.same(made.links["terms-of-service"], [terms]);
});

t.test("RFC 8555 §7.3.5: another key for an account", async (t) => {
  const rig = await acmeRig(t);
  const client = await rig.client();
  const url = client.url("keyChange");
  const next = makeAcmeKey("ES384");
  const payload = { account: client.kid, oldKey: client.key.jwk };
  const header = { alg: "ES384", jwk: next.jwk, url };
  const inner = (
    head: object = {},
    fields: object = {},
    key = next,
  ): Readonly<Record<string, string>> =>
    acmeJws(key, { ...header, ...head }, { ...payload, ...fields });
  const taken = await rig.client();
  const cases: [string, unknown, string, number][] = [
    ["no inner JWS", {}, "malformed", 400],
    ["another account", inner({}, { account: taken.kid }), "malformed", 400],
    ["another old key", inner({}, { oldKey: next.jwk }), "malformed", 400],
    ["no old key", inner({}, { oldKey: undefined }), "malformed", 400],
    ["another url", inner({ url: client.kid }), "malformed", 400],
    ["a nonce", inner({ nonce: "x" }), "malformed", 400],
    ["kid", inner({ kid: client.kid }), "malformed", 400],
    ["no jwk", inner({ jwk: undefined }), "malformed", 400],
    ["signed by the old key", inner({}, {}, client.key), "malformed", 400],
    ["alg none", inner({ alg: "none" }), "badSignatureAlgorithm", 400],
    ["a bad key", inner({ jwk: { kty: "oct", k: "AA" } }), "badPublicKey", 400],
    [
      "a key that has an account",
      inner({ alg: "ES256", jwk: taken.key.jwk }, {}, taken.key),
      "malformed",
      409,
    ],
  ];
  for (const [title, jws, type, status] of cases) {
    const reply = await client.post<AcmeProblemBody>(url, jws);
    problem(t, reply, [type, status], title);
    if (status === 409) t.equal(reply.headers.location, taken.kid, "says whose it is");
  }
  const done = await client.post(url, inner());
  t.equal(done.status, 200, done.text);
  const old = await client.post<AcmeProblemBody>(client.kid, "");
  problem(t, old, ["badSignatureAlgorithm", 400], "the old key signs nothing any more");
  t.equal((await client.post(client.kid, "", { key: next })).status, 200);
  t.equal((await client.register({}, { key: client.key })).status, 201, "it may begin anew");
});

t.test("RFC 8555 §7.3.5: several accounts that want the same key at once", async (t) => {
  const rig = await acmeRig(t);
  const clients = await Promise.all([1, 2, 3, 4].map(() => rig.client()));
  for (let round = 0; round < 10; round++) {
    const wanted = makeAcmeKey();
    const replies = await Promise.all(
      clients.map((client) => {
        const url = client.url("keyChange");
        const head = { alg: wanted.algorithm, jwk: wanted.jwk, url };
        const payload = { account: client.kid, oldKey: client.key.jwk };
        return client.post(url, acmeJws(wanted, head, payload));
      }),
    );
    const at = replies.findIndex(({ status }) => status === 200);
    const [winner] = clients.splice(at, 1);
    const others = replies.filter((_, each) => each !== at);
    t.same(
      others.map(({ status, headers }) => [status, headers.location]),
      others.map(() => [409, winner?.kid]),
      "one has it, and the others are told who",
    );
    const next = await rig.client();
    clients.push(next);
  }
});

function flipped(nonce: string): string {
  const bytes = Buffer.from(nonce, "base64url");
  bytes[8] = (bytes[8] ?? 0) ^ 1;
  return bytes.toString("base64url");
}

function json(value: unknown): string {
  return JSON.stringify(value);
}

const RACED = makeAcmeKey();
