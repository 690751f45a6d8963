/** Renewal where TLS shows no certificate: a signature in its place, and whoever overhears or keeps it. */
import { createSign } from "node:crypto";
import t, { type Test } from "tap";
import { systemRandom } from "../../src/base/random.ts";
import { signerFromPem } from "../../src/keys/pem-key.ts";
import { type HeldIdentity, firstIdentity, nextIdentity } from "../../src/provision/identity.ts";
import { identityNames } from "../../src/provision/names.ts";
import { ProvisionClient } from "../../src/provision/provision-client.ts";
import { digestOf, proveRenewal } from "../../src/provision/renewal-proof.ts";
import { KEY_TYPES } from "../../src/keys/contract.ts";
import { decodePem, encodePem } from "../../src/x509/pem.ts";
import {
  PROVISION_SERVICE,
  type Request,
  certificatesIn,
  makeRequest,
  provisionRig,
} from "../server/frontends/provision-rig.ts";
import { TestCa } from "../support/test-ca.ts";
import { PATIENCE_MS } from "../support/patience.ts";

const NAME = "web.example.org";
const { signal } = new AbortController();

async function plainRig(t: Test) {
  const rig = await provisionRig(t, { attempts: 1000 });
  const roots = certificatesIn(await rig.server.rootsPem());
  const url = new URL(`http://127.0.0.1:${rig.port}`);
  const source = {
    client: new ProvisionClient({ url, timeoutMs: PATIENCE_MS, roots }),
    names: identityNames(NAME, []),
    keyType: "ec-p256",
    roots,
    clock: rig.server.clock,
    random: systemRandom,
  } as const;
  return { rig, source };
}

const derOf = (pem: string): Uint8Array => decodePem(pem)[0]?.der ?? new Uint8Array();

t.test("the client renews over plain http, with keys of every type", async (t) => {
  const { rig, source } = await plainRig(t);
  for (const keyType of KEY_TYPES.filter((type) => type !== "rsa-4096" && type !== "rsa-3072")) {
    const token = await rig.authorize(NAME);
    let held: HeldIdentity = await firstIdentity(
      { ...source, keyType },
      { token, waitMs: 0 },
      signal,
    );
    const first = held;
    for (let round = 0; round < 2; round += 1) {
      const next = await nextIdentity({ ...source, keyType }, held, signal);
      t.not(next.keyPem, held.keyPem);
      held = next;
    }
    await t.rejects(nextIdentity(source, first, signal), { message: /refuses \(401\)/ }, keyType);
    // Signed, and lost on the way: the next attempt is made with the certificate of before and another key.
    await t.rejects(nextIdentity({ ...source, maxLifeSeconds: 1 }, held, signal), {
      message: /lasts longer/,
    });
    t.ok(await nextIdentity(source, held, signal), `${keyType}: after a lost answer`);
  }
});

t.test("what was overheard renews nothing, and takes nothing from the holder", async (t) => {
  const { rig } = await plainRig(t);
  const first = await makeRequest(NAME);
  const { body: chain } = await rig.sign(await rig.authorize(NAME), first.csr);
  const proven = async (holder: { cert: string; keyPem: string }, csr: string, follows: string) => {
    const proof = await proveRenewal(signerFromPem(holder.keyPem), derOf(csr), follows);
    return { csr: `${csr}${holder.cert}`, proof };
  };
  const send = (request: { csr: string; proof: string }) =>
    rig.ask("/v1/renew", {
      method: "PUT",
      headers: { "renewal-proof": request.proof },
      body: request.csr,
    });
  const holder = { cert: chain, keyPem: first.keyPem };
  const newest = digestOf(derOf(chain));
  const second = await makeRequest(NAME);
  const overheard = await proven(holder, second.csr, newest);
  const renewed = await send(overheard);
  t.equal(renewed.status, 200, renewed.body);
  const again = await send(overheard);
  t.equal(again.body, renewed.body, "the very same answer, and no other certificate");

  // The holder lost that answer, and asks with another key.
  const third = await makeRequest(NAME);
  const stale = await send(await proven(holder, third.csr, newest));
  t.equal(stale.status, 409, "one follower of each");
  t.equal(stale.headers["renewal-newest"], digestOf(derOf(renewed.body)));
  const follows = String(stale.headers["renewal-newest"]);
  const mine = await send(await proven(holder, third.csr, follows));
  t.equal(mine.status, 200, mine.body);

  for (const [name, old] of [
    ["overheard", overheard],
    ["held back", await proven(holder, (await makeRequest(NAME)).csr, newest)],
    ["held back, of the state between", await proven(holder, second.csr, follows)],
  ] as const) {
    t.equal((await send(old)).status, 409, name);
  }
  const next = await proven(
    { cert: mine.body, keyPem: third.keyPem },
    (await makeRequest(NAME)).csr,
    digestOf(derOf(mine.body)),
  );
  t.equal((await send(next)).status, 200, "the holder's certificate still renews");
  t.equal((await send(overheard)).status, 401, "two renewals ago");
});

t.test("proofs that show nothing", async (t) => {
  const { rig } = await plainRig(t);
  const { clock } = rig.server;
  const first = await makeRequest(NAME);
  const { body: chain } = await rig.sign(await rig.authorize(NAME), first.csr);
  const newest = digestOf(derOf(chain));
  const stranger = await makeRequest(NAME);
  const foreign = await (await TestCa.create()).leaf({ dnsNames: [NAME] });
  const next = await makeRequest(NAME);
  const other = await makeRequest("other.example.org");
  const sign = (by: Request, csr = next.csr, follows = newest) =>
    proveRenewal(signerFromPem(by.keyPem), derOf(csr), follows);
  const good = await sign(first);
  const [, signature = ""] = good.split(" ");
  const body = `${next.csr}${chain}`;
  const table: readonly [string, string | undefined, string, number][] = [
    ["none", undefined, body, 401],
    ["empty", "", body, 401],
    ["no signature", newest, body, 401],
    ["no base64", `${newest} !!`, body, 401],
    ["digest in upper case", `${newest.toUpperCase()} ${signature}`, body, 401],
    ["a signature of something else", `${digestOf(Buffer.from("x"))} ${signature}`, body, 401],
    ["another key", await sign(stranger), body, 401],
    ["the new key", await sign(next), body, 401],
    ["of another request", good, `${stranger.csr}${chain}`, 401],
    ["other names", await sign(first, other.csr), `${other.csr}${chain}`, 401],
    ["no certificate", good, next.csr, 401],
    ["no request", good, chain, 400],
    ["two requests", good, `${next.csr}${stranger.csr}${chain}`, 400],
    ["no certificate's bytes", good, next.csr + encodePem("CERTIFICATE", Buffer.from("no")), 401],
    [
      "a stranger's certificate",
      await proveRenewal(signerFromPem(foreign.keyPem), derOf(next.csr), newest),
      `${next.csr}${foreign.certPem}`,
      401,
    ],
    ["too long", `${newest} ${"A".repeat(8300)}`, body, 431],
  ];
  for (const [name, proof, text, status] of table) {
    // Bad calls are answered ever later, unless the last one is long ago.
    clock.step(60_000);
    const headers: Record<string, string> = proof === undefined ? {} : { "renewal-proof": proof };
    const answer = await rig.ask("/v1/renew", { method: "PUT", headers, body: text });
    t.equal(answer.status, status, `${name}: ${answer.body}`);
  }
  const byHand = createSign("sha256").update(
    `assay provision renewal 1\n${digestOf(derOf(next.csr))}\n${newest}\n`,
  );
  const headers = { "renewal-proof": `${newest} ${byHand.sign(first.keyPem, "base64")}` };
  const renew = () => rig.ask("/v1/renew", { method: "PUT", headers, body });
  const renewed = await renew();
  t.equal(renewed.status, 200, "as doc/provision.md has it");
  await rig.server.admin.unary(PROVISION_SERVICE, "Withdraw", { common_name: NAME });
  clock.step(60_000);
  t.equal((await renew()).status, 403, "what was withdrawn");
});
