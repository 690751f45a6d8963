// What an administrator makes and removes by hand: SVIDs without an entry, agents.
import { X509Certificate, createPrivateKey } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { AGENT_SERVICE } from "../support/server.ts";
import { refused } from "../support/refused.ts";
import { VirtualClock } from "../support/virtual-clock.ts";
import { startAdminRig } from "./admin.ts";

const dir = mkdtempSync(join(tmpdir(), "assay-mint-"));
t.teardown(() => rmSync(dir, { recursive: true }));

t.test("x509 mint", async (t) => {
  const { run, ok, json } = await startAdminRig(t);
  const mint = ["x509", "mint", "--spiffe-id", "spiffe://example.org/backup"];
  const folder = join(dir, "x509");
  const options = ["--ttl", "10m", "--dns-name", "b.example.org", "--key-type", "ec-p384"];
  const minted = await json(...mint, "--write", folder, ...options);
  t.match(minted, {
    spiffeId: "spiffe://example.org/backup",
    keyType: "ec-p384",
    dnsNames: ["b.example.org"],
  });
  t.notMatch(JSON.stringify(minted), /PRIVATE/, "the key is never printed");
  const leaf = new X509Certificate(readFileSync(join(folder, "svid.pem")));
  t.equal(leaf.subjectAltName, "DNS:b.example.org, URI:spiffe://example.org/backup");
  t.ok(leaf.verify(new X509Certificate(readFileSync(join(folder, "bundle.pem"))).publicKey));
  t.ok(leaf.checkPrivateKey(createPrivateKey(readFileSync(join(folder, "key.pem")))));
  t.equal(statSync(join(folder, "key.pem")).mode & 0o777, 0o600);
  const life = Date.parse(leaf.validTo) - Date.now();
  t.ok(life > 300_000 && life <= 600_000, `${life} ms`);
  const within = await run(...mint, "--write", folder, "--ttl", "1h");
  t.match(within, { code: 0, err: /^$/ }, "as long as asked for");
  t.match(await run(...mint, "--write", folder, "--ttl", "900d"), {
    code: 0,
    out: /^spiffe:/,
    err: /^assay: warning: it ends at \S+Z, after (1d|23h)\S* and not 900d: .*'assay authority x509 show'.*\n$/,
  });
  t.match(await ok(...mint, "--write", folder), /^spiffe:[^]*wrote .*svid\.pem\n$/);
  t.match(await run(...mint), { code: 2, err: /--write is missing/ });
  const other = ["x509", "mint", "--spiffe-id", "spiffe://other.org/a", "--write"];
  t.match(await run(...other, folder), { code: 1, err: /not a member of trust domain/ });
  const token = ["jwt", "mint", "--spiffe-id", "spiffe://other.org/a", "--audience", "b"];
  t.match(await run(...token), { code: 1, err: /^assay: --spiffe-id: .*not a member of trust/ });
  const unfit = await run(...other, join(folder, "svid.pem"));
  t.match(unfit, { code: 1, err: /svid\.pem is not a folder/ }, "seen before anything is issued");
});

t.test("jwt mint", async (t) => {
  const { run, ok, json } = await startAdminRig(t);
  const mint = ["jwt", "mint", "--spiffe-id", "spiffe://example.org/backup", "--audience", "a"];
  const claims = (token: string) =>
    JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as {
      exp: number;
      iat: number;
    };
  const { token, ...rest } = await json<{ token: string }>(
    ...mint,
    "--audience",
    "b",
    "--ttl",
    "1m",
  );
  t.match(rest, { spiffeId: "spiffe://example.org/backup", expiresAt: /^\d{4}-/ });
  t.match(claims(token), { sub: "spiffe://example.org/backup", aud: ["a", "b"] });
  t.equal(claims(token).exp - claims(token).iat, 60);
  t.match(claims((await ok(...mint)).trim()), { sub: "spiffe://example.org/backup" });
  const file = join(dir, "token");
  t.equal(await ok(...mint, "--write", file), `wrote ${file}\n`);
  t.match(claims(readFileSync(file, "utf8")), { aud: ["a"] });
  t.equal(statSync(file).mode & 0o777, 0o600);
  t.match(await run(...mint, "--ttl", "5m"), { code: 0, err: /^$/ });
  t.match(await run(...mint, "--ttl", "900d"), {
    code: 0,
    out: /^ey/,
    err: /^assay: warning: it ends at \S+Z, after (1d|23h)\S* and not 900d: .*'assay authority jwt show'.*\n$/,
  });
  t.match(await run("jwt", "mint", "--spiffe-id", "spiffe://example.org/x"), {
    code: 2,
    err: /--audience is missing/,
  });
});

t.test("agents count, evict, purge", async (t) => {
  const { run, json, server } = await startAdminRig(t);
  t.same(await json("agents", "count"), { count: 0 });
  const [a, b, c] = [await server.attest(), await server.attest(), await server.attest()];
  t.same(await json("agents", "count"), { count: 3 });
  t.same(await json("agents", "ban", c.spiffeId), { spiffeId: c.spiffeId, banned: true });
  t.same(await json("agents", "count", "--banned", "true"), { count: 1 });
  t.match(await run("agents", "evict", a.spiffeId, "spiffe://example.org/spire/agent/none"), {
    code: 1,
    out: `evicted ${a.spiffeId}\n`,
    err: /none: .*'assay agents list' shows what there is\n$/,
  });
  await refused(t, a.channel.unary(AGENT_SERVICE, "RenewAgent", {}), { kind: "denied" });
  t.same(await json("agents", "count"), { count: 2 });

  // The one that is left lives for another hour.
  const none = await run("agents", "purge", "--expired-for", "0s", "--all");
  t.match(none, { code: 0, out: "", err: "no agents that ended so long ago\n" });
  t.same(await json("agents", "purge", "--all", "--dry-run"), []);
  const list = await json<{ spiffeId: string }[]>("agents", "list", "--banned", "false");
  t.same(
    list.map(({ spiffeId }) => spiffeId),
    [b.spiffeId],
  );
});

t.test("entry rotate, agents rotate, authority rotate", async (t) => {
  const { run, ok, json, server } = await startAdminRig(t);
  const [a, b, c] = [await server.attest(), await server.attest(), await server.attest()];
  await ok("agents", "ban", c.spiffeId);
  t.match(await run("agents", "rotate", a.spiffeId), {
    code: 0,
    out: `rotated ${a.spiffeId} (not told yet)\n`,
    err: /when it comes back.*SPIRE's.*'assay entry rotate' reaches both\n$/,
  });
  t.same(
    new Set(await json<object[]>("agents", "rotate", "--all")),
    new Set([
      { spiffeId: a.spiffeId, told: false },
      { spiffeId: b.spiffeId, told: false },
    ]),
    "all but the banned one",
  );
  t.match(await run("agents", "rotate", c.spiffeId, "spiffe://example.org/spire/agent/none"), {
    code: 1,
    out: "",
    err: /is banned\n[^]*none.* not found; 'assay agents list' shows what there is\n$/,
  });
  t.match(await run("agents", "rotate"), { code: 2, err: /name the agents.*--all/ });
  t.match(await run("agents", "rotate", "--all", a.spiffeId), { code: 2, err: /either --all or/ });
  for (const act of ["rotate", "ban", "evict", "show"]) {
    t.match(await run("agents", act, "spiffe://example.org/web"), {
      code: 2,
      err: /'spiffe:\/\/example.org\/web' is not an agent.*'assay agents list' shows/,
    });
  }

  const path = "spiffe://example.org/web";
  const create = ["entry", "create", "--spiffe-id", path, "--parent-id", a.spiffeId];
  const made = await json<{ id: string }>(...create, "--selector", "unix:uid:1");
  t.match(await run("entry", "rotate", made.id, "none"), {
    code: 1,
    out: `rotated ${made.id}\n`,
    err: /none.*'assay entry list' shows what there is/,
  });
  t.match(await json("entry", "show", made.id), { revisionNumber: 1 });
  t.match(await run("entry", "rotate"), { code: 2 });

  for (const kind of ["x509", "jwt"]) {
    const before = await json<{ active: { id: string } }>("authority", kind, "show");
    const next = await json<{ id: string }>("authority", kind, "rotate", "--wait", "0s");
    t.not(next.id, before.active.id);
    t.match(await json("authority", kind, "show"), { active: next, old: before.active });
  }
  const waited = await run("authority", "x509", "rotate", "--wait", "1s");
  t.match(waited, { code: 0, out: /^active /, err: /is published; it signs in 1 s\n$/ });
});

t.test("agents purge deletes what ended long ago, but for banned ones", async (t) => {
  // Two days behind: what this server signs has ended.
  const clock = new VirtualClock(Date.now() - 2 * 24 * 3600 * 1000);
  const { ok, json, server } = await startAdminRig(t, { clock });
  const [old, banned] = [await server.attest(), await server.attest()];
  await ok("agents", "ban", banned.spiffeId);
  t.equal(await ok("agents", "purge", "--all"), "", "30 days is the default");
  t.equal(await ok("agents", "purge", "--expired-for", "1d"), "", "tokens are used once");
  const purge = ["agents", "purge", "--expired-for", "1d", "--all"];
  t.equal(await ok(...purge, "--dry-run"), `would evict ${old.spiffeId}\n`);
  t.same(await json("agents", "count"), { count: 2 });
  t.same(await json(...purge), [{ spiffeId: old.spiffeId }]);
  t.match(await json("agents", "list"), [{ spiffeId: banned.spiffeId, banned: true }]);
});
