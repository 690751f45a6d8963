/** Tokens that prove nothing, at the door where workloads bring them: each refused for its reason, and nothing else harmed. */
import { createHmac, generateKeyPairSync, sign } from "node:crypto";
import { join } from "node:path";
import t from "tap";
import { Domain, id } from "../support/running.ts";
import { refused } from "../support/refused.ts";
import { WorkloadClient } from "../support/workload-client.ts";

const encode = (value: unknown): string =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

t.test("ValidateJWTSVID", async (t) => {
  await using domain = await Domain.start();
  await domain.entry({ path: "/web" });
  await domain.startAgent();
  using client = new WorkloadClient(join(domain.dir, "api.sock"));
  const good = (await client.fetchJwt(["a"])).svids[0]?.svid ?? "";
  const [head = "", body = "", signature = ""] = good.split(".");
  const header = JSON.parse(Buffer.from(head, "base64url").toString()) as { kid: string };
  const claims = JSON.parse(Buffer.from(body, "base64url").toString()) as Record<string, unknown>;
  using bundles = client.jwtBundles();
  const jwks = Object.values((await bundles.next()).bundles)[0] ?? Buffer.alloc(0);
  const { keys } = JSON.parse(Buffer.from(jwks).toString()) as { keys: { x: string; y: string }[] };

  const own = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const forged = (head: unknown, body: unknown = claims, key = own.privateKey): string => {
    const input = `${encode(head)}.${encode(body)}`;
    const raw = sign("sha256", Buffer.from(input), { key, dsaEncoding: "ieee-p1363" });
    return `${input}.${raw.toString("base64url")}`;
  };
  const hmac = (secret: string | Uint8Array): string => {
    const input = `${encode({ ...header, alg: "HS256" })}.${encode(claims)}`;
    return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
  };
  const { x = "", y = "" } = keys[0] ?? {};
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ["1 MB", `${head}.${"A".repeat(1 << 20)}.${signature}`, /longer than 32768|larger than/],
    ["a million dots", ".".repeat(30_000), /compact form/],
    ["an unknown key", forged({ ...header, kid: "nobody" }), /no jwt authority/],
    ["no key id", forged({ alg: "ES256" }), /no key id/],
    ["a key id of the prototype", forged({ ...header, kid: "__proto__" }), /no jwt authority/],
    ["another key under our key id", forged(header), /signature does not fit/],
    [
      "RS256 under an EC key",
      forged({ ...header, alg: "RS256" }, claims, rsa.privateKey),
      /does not fit/,
    ],
    [
      "PS256 under an EC key",
      forged({ ...header, alg: "PS256" }, claims, rsa.privateKey),
      /does not fit/,
    ],
    ["ES384 under a P-256 key", forged({ ...header, alg: "ES384" }), /does not fit/],
    ["HS256 with the public key", hmac(`${x}${y}`), /algorithm/],
    ["HS256 with its bytes", hmac(Buffer.from(`${x}${y}`, "base64url")), /algorithm/],
    ["none", `${encode({ ...header, alg: "none" })}.${body}.`, /algorithm/],
    [
      "its own key along",
      forged({ ...header, jwk: own.publicKey.export({ format: "jwk" }) }),
      /other than/,
    ],
    ["an address of keys", forged({ ...header, jku: "https://evil.example/keys" }), /other than/],
    ["a chain", forged({ ...header, x5c: ["AAAA"] }), /other than/],
    ["something critical", forged({ ...header, crit: ["exp"] }), /other than/],
    ["a WIT-SVID", forged({ ...header, typ: "wit+jwt" }), /neither JWT nor JOSE/],
    ["encrypted", "a.b.c.d.e", /compact form/],
    [
      "a claim twice",
      forged(header, `{"sub":"${id("/web")}","sub":"${id("/x")}"}`),
      /member twice/,
    ],
    ["a header member twice", forged(`{"alg":"none","alg":"ES256","kid":"k"}`), /member twice/],
    ["no audience", forged(header, { ...claims, aud: undefined }), /no aud/],
    ["an audience in an object", forged(header, { ...claims, aud: { a: true } }), /no aud/],
    ["an audience in a list in a list", forged(header, { ...claims, aud: [["a"]] }), /no aud/],
    [
      "10,000 audiences",
      forged(header, { ...claims, aud: Array(10_000).fill("b") }),
      /longer than 32768/,
    ],
    ["an end in a text", forged(header, { ...claims, exp: "9999999999" }), /exp is not a time/],
    ["no end", forged(header, { ...claims, exp: undefined }), /no exp/],
    [
      "an end beyond numbers",
      forged(header, JSON.stringify(claims).replace(/"exp":\d+/, '"exp":1e999')),
      /exp is not a time/,
    ],
    [
      "a domain that nobody knows",
      forged(header, { ...claims, sub: "spiffe://other.example/web" }),
      /no bundle/,
    ],
    ["a subject that is no ID", forged(header, { ...claims, sub: "web" }), /scheme|SPIFFE/],
    [
      "another subject in its place",
      `${head}.${encode({ ...claims, sub: id("/admin") })}.${signature}`,
      /does not fit/,
    ],
    [
      "DER in place of r and s",
      `${head}.${body}.${sign("sha256", Buffer.from("x"), own.privateKey).toString("base64url")}`,
      /does not fit/,
    ],
    [
      "zeros as signature",
      `${head}.${body}.${Buffer.alloc(64).toString("base64url")}`,
      /does not fit/,
    ],
  ];
  for (const [name, token, message] of cases) {
    await refused(t, client.validate("a", token), { message }, name);
  }
  t.equal(
    (await client.validate("a", good)).spiffe_id,
    id("/web"),
    "and the good one still counts",
  );
  await refused(t, client.fetchJwt(Array(101).fill("a")), {
    kind: "invalid",
    message: /more than 100/,
  });
  await refused(t, client.fetchJwt(["a".repeat(4097)]), {
    kind: "invalid",
    message: /longer than/,
  });
  await refused(t, client.fetchJwt(["a"], "spiffe://example.org/other"), { kind: "denied" });
  await refused(t, client.fetchJwt(["a"], "no id"), { kind: "invalid" });
});
