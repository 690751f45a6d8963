/** Authorities' keys in a transit engine: the conformance suite against a real OpenBao, and a server on it. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { systemClock } from "../../src/base/clock.ts";
import { KEY_TYPES } from "../../src/keys/contract.ts";
import { verifySignature } from "../../src/keys/verify-signature.ts";
import { signingHash } from "../../src/keys/software-signer.ts";
import type { KeyManager } from "../../src/server/keymanager/contract.ts";
import {
  type VaultKeyManagerOptions,
  openVaultKeyManager,
} from "../../src/server/keymanager/vault.ts";
import { keyManagerConformance } from "../server/keymanager/conformance.ts";
import { Domain, id } from "../support/running.ts";
import { refused } from "../support/refused.ts";
import { WorkloadClient } from "../support/workload-client.ts";
import { openBao } from "./openbao.ts";
import { PATIENCE_MS, untilDone } from "../support/patience.ts";

const bao = await openBao();
t.teardown(() => bao[Symbol.asyncDispose]());
await bao.request("POST", "sys/mounts/transit", { type: "transit" });
const dir = t.testdir({ token: `${bao.token}\n`, wrong: "s.wrong", empty: "" });

const OPTIONS = {
  address: bao.address,
  tokenFile: join(dir, "token"),
  mount: "transit",
  timeoutMs: PATIENCE_MS,
  clock: systemClock,
};
let spaces = 0;
function open(change: Partial<VaultKeyManagerOptions> = {}): Promise<KeyManager> {
  return openVaultKeyManager({ ...OPTIONS, namespace: `space-${spaces++}`, ...change });
}

keyManagerConformance("vault", () => open(), { keysElsewhere: true });

t.test("every key type signs, and cannot be exported", async (t) => {
  await using manager = await open({ namespace: "types" });
  for (const keyType of KEY_TYPES) {
    const { publicKey } = await manager.generate(keyType, keyType);
    const signer = await manager.get(keyType);
    t.same(signer?.publicKey, publicKey);
    const data = Buffer.from(keyType);
    const signature = (await signer?.sign(data)) ?? Buffer.of();
    const hash = signingHash(keyType);
    t.equal(await verifySignature({ publicKey, data, signature, hash }), true, keyType);
    const path = `assay-types-K-${keyType}`;
    const exported = await bao.request("GET", `transit/export/signing-key/${path}`);
    t.equal(exported.ok, false, "not exportable");
  }
});

t.test("a key that is rotated in Vault goes on as the certificate has it", async (t) => {
  await using manager = await open({ namespace: "rotated" });
  const signer = await manager.generate("a", "ec-p256");
  const { publicKey } = signer;
  await bao.request("POST", "transit/keys/assay-rotated-K-a/rotate");
  const data = Buffer.from("x");
  const signature = await signer.sign(data);
  t.equal(await verifySignature({ publicKey, data, signature, hash: "sha256" }), true);
});

t.test(
  "the policy that doc/key-managers.md shows is enough, and reaches nothing else",
  async (t) => {
    const doc = readFileSync(join(import.meta.dirname, "../../doc/key-managers.md"), "utf8");
    const policy = /```hcl\n([^]*?)```/.exec(doc)?.[1] ?? "";
    await bao.request("PUT", "sys/policies/acl/assay", { policy });
    const made = await bao.request("POST", "auth/token/create", {
      policies: ["assay"],
      no_default_policy: true,
    });
    const { auth } = (await made.json()) as { auth: { client_token: string } };
    const token = { token: auth.client_token, namespace: "example.org" };
    const { tokenFile: _, ...place } = { ...OPTIONS };
    await using manager = await openVaultKeyManager({ ...place, ...token });
    const signer = await manager.generate("a", "ec-p256");
    t.ok(await signer.sign(Buffer.from("x")));
    t.same(await manager.list(), ["a"]);
    t.equal(await manager.delete("a"), true);
    await using other = await openVaultKeyManager({ ...place, ...token, namespace: "other.org" });
    await refused(t, other.generate("a", "ec-p256"), { kind: "denied" });
  },
);

t.test("servers on one engine do not see each other's keys", async (t) => {
  await using one = await open({ namespace: "one" });
  await using two = await open({ namespace: "one-more" });
  await one.generate("trust-domain.x509.1", "ec-p256");
  t.same(await two.list(), []);
  t.equal(await two.delete("trust-domain.x509.1"), false);
});

t.test("what is wrong is said, and no token is in it", async (t) => {
  const cases: readonly (readonly [Partial<VaultKeyManagerOptions>, object])[] = [
    [{ tokenFile: join(dir, "wrong") }, { kind: "precondition", message: /status 403/ }],
    [{ tokenFile: join(dir, "empty") }, { kind: "invalid", message: /holds no Vault token/ }],
    [{ tokenFile: join(dir, "none") }, { kind: "precondition", message: /cannot be read/ }],
    [{ mount: "nowhere" }, { kind: "precondition", message: /status 404: no handler for route/ }],
    [{ address: "http://127.0.0.1:1" }, { kind: "precondition", message: /ECONNREFUSED/ }],
    [{ address: "http://192.0.2.1:8200" }, { kind: "invalid", message: /not encrypted/ }],
  ];
  for (const [change, expected] of cases) await refused(t, open(change), expected);
  const outcome = await open({ tokenFile: join(dir, "wrong") }).catch((error: unknown) => error);
  t.notMatch(String(outcome), /s\.wrong/);
});

t.test("one that hangs is late, said in its health, and comes back", async (t) => {
  await using manager = await open({ timeoutMs: 3000 });
  const signer = await manager.generate("a", "ec-p256");
  t.equal(manager.problem?.(), undefined);
  await bao.freeze();
  try {
    await refused(t, signer.sign(Buffer.from("x")), {
      kind: "unavailable",
      message: /within 3 s/,
    });
    t.match(manager.problem?.(), /did not answer within/);
  } finally {
    bao.thaw();
  }
  t.ok(await untilDone("it signs again", () => signer.sign(Buffer.from("x"))));
  t.equal(manager.problem?.(), undefined);
});

t.test("a token that was replaced in its file is taken up", async (t) => {
  const made = await bao.request("POST", "auth/token/create", { policies: ["root"] });
  const { auth } = (await made.json()) as { auth: { client_token: string } };
  const tokenFile = join(dir, "short");
  writeFileSync(tokenFile, auth.client_token);
  await using manager = await open({ tokenFile });
  const signer = await manager.generate("a", "ec-p256");
  await bao.request("POST", "auth/token/revoke", { token: auth.client_token });
  await refused(t, signer.sign(Buffer.from("x")), { kind: "unavailable", message: /403/ });
  writeFileSync(tokenFile, `${bao.token}\n`);
  t.ok(await signer.sign(Buffer.from("x")));
});

t.test("a server keeps its authorities in the engine, over a restart", async (t) => {
  const place = { address: bao.address, tokenFile: join(dir, "token"), mount: "transit" };
  await using domain = await Domain.start({
    keyManager: { kind: "vault", ...place, namespace: "example.org", timeoutMs: 5000 },
    metricsListen: "127.0.0.1:0",
  });
  await domain.startAgent();
  await domain.entry({ path: "/vault" });
  using client = new WorkloadClient(join(domain.dir, "api.sock"));
  using watch = client.x509();
  t.equal((await watch.next()).svids[0]?.spiffe_id, id("/vault"));
  const bundle = await domain.bundlePem();
  await using keys = await open({ namespace: "example.org" });
  t.equal((await keys.list()).length, 2);

  const { host, port } = domain.server.metricsAddress ?? {};
  const ask = async (path: string): Promise<string> =>
    (await fetch(`http://${host}:${port}${path}`)).text();
  t.match(await ask("/metrics"), /^assay_server_key_manager_failing 0$/m);
  await bao.freeze();
  try {
    const mint = { id: { trust_domain: "example.org", path: "/m" }, audience: ["a"] };
    await refused(t, domain.call("svid.v1.SVID", "MintJWTSVID", mint), { kind: "unavailable" });
    t.match(await ask("/metrics"), /^assay_server_key_manager_failing 1$/m);
    t.match(JSON.parse(await ask("/ready")), {
      checks: { "key manager": /did not answer|no answer/ },
    });
  } finally {
    bao.thaw();
  }
  let checks: Record<string, string> = {};
  while (checks["key manager"] !== "ok") {
    ({ checks } = JSON.parse(await ask("/ready")) as { checks: Record<string, string> });
  }
  await domain.stopServer();
  await domain.startServer();
  t.equal(await domain.bundlePem(), bundle, "the same authorities sign on");
});
