/**
 * Who is a caller, and who is not, over real connections:
 * - certificates that prove nothing are no caller, on any method;
 * - administrators are made by entries.
 */
import t from "tap";
import { AssayError } from "../../../src/base/errors.ts";
import { AUTHORIZATION } from "../../../src/server/endpoints/authorization.ts";
import { refused } from "../../support/refused.ts";
import {
  AGENT_SERVICE,
  ENTRY_SERVICE,
  type SvidMessage,
  type TlsIdentity,
  identityOf,
  startTestServer,
} from "../../support/server.ts";
import { TestCa } from "../../support/test-ca.ts";
import { callOnce, csrOf, id, mint, uid } from "./calls.ts";

t.test("on no method is a certificate that proves nothing a caller", async (t) => {
  const server = await startTestServer(t);
  const now = Math.floor(server.clock.nowMs() / 1000);
  const active = await server.attest();
  const banned = await server.attest();
  const evicted = await server.attest();
  const workload = await mint(server, "/workload", 3600);
  const expired = await mint(server, "/admin", 1);
  await server.createEntry({
    spiffe_id: id("/admin"),
    parent_id: id("/host"),
    selectors: [uid("0")],
    admin: true,
    downstream: true,
  });
  await server.admin.unary(AGENT_SERVICE, "BanAgent", { id: banned.id });
  await server.admin.unary(AGENT_SERVICE, "DeleteAgent", { id: evicted.id });
  server.clock.step(2_000);
  const validity = { notBefore: now - 10, notAfter: now + 3600 };
  const authority = { notBefore: now - 10, notAfter: now + 86_400 };
  const untrusted = await TestCa.create(authority);
  const foreign = await TestCa.create({ ...authority, trustDomain: "other.org" });
  const callers: [string, TlsIdentity | undefined][] = [
    ["no certificate", undefined],
    ["untrusted agent", await untrusted.leaf({ ...validity, spiffeId: active.spiffeId })],
    [
      "untrusted admin",
      await untrusted.leaf({ ...validity, spiffeId: "spiffe://example.org/admin" }),
    ],
    ["foreign", await foreign.leaf({ ...validity, spiffeId: "spiffe://other.org/admin" })],
    ["foreign for ours", await foreign.leaf({ ...validity, spiffeId: active.spiffeId })],
    ["expired admin", expired],
    ["banned", banned.identity],
    ["evicted", evicted.identity],
    ["a workload without a role", workload],
  ];
  const tainted = await mint(server, "/admin", 3600);
  const trusted = server.connect(tainted);
  await trusted.unary(AGENT_SERVICE, "ListAgents", {});
  await refused(t, callOnce(trusted, "spire.api.server.debug.v1.Debug", "GetInfo"), {
    kind: "denied",
  });
  const old = server.server.authorities.activeX509().id;
  const prepared = await server.server.authorities.prepare("x509");
  await server.server.authorities.activate("x509", prepared.id);
  await server.server.authorities.taint("x509", old);
  callers.push(["tainted admin", tainted]);
  let seen = 0;
  for (const [name, identity] of callers) {
    const channel = server.connect(identity);
    for (const [path, roles] of AUTHORIZATION) {
      const [service = "", method = ""] = path.slice(1).split("/");
      const outcome = await callOnce(channel, service, method).then(
        () => undefined,
        (error: unknown) => error,
      );
      seen += 1;
      const denied = outcome instanceof AssayError && /authorization denied/.test(outcome.message);
      if (roles.has("any") === denied) t.fail(`${path} as ${name}: ${String(outcome)}`);
      if (denied && outcome.kind !== "denied") t.fail(`${path} as ${name}: ${outcome.kind}`);
    }
    channel.close();
  }
  t.equal(seen, callers.length * AUTHORIZATION.size);

  await refused(t, active.channel.unary(ENTRY_SERVICE, "GetAuthorizedEntries", {}), {
    kind: "denied",
    message: /tainted/,
  });
  const { key, csr } = await csrOf();
  const { svid } = await active.channel.unary<{ svid: SvidMessage }>(AGENT_SERVICE, "RenewAgent", {
    params: { csr },
  });
  const moved = server.connect(identityOf(svid.cert_chain, key.pkcs8));
  await moved.unary(ENTRY_SERVICE, "GetAuthorizedEntries", {});
});

t.test("administrators are those whose entries say so, as long as they do", async (t) => {
  const server = await startTestServer(t);
  const admin = server.connect(await mint(server, "/admin", 3600));
  await refused(t, admin.unary(AGENT_SERVICE, "ListAgents", {}), { kind: "denied" });
  const entry = await server.createEntry({
    spiffe_id: id("/admin"),
    parent_id: id("/host"),
    selectors: [uid("0")],
    admin: true,
  });
  await admin.unary(AGENT_SERVICE, "ListAgents", {});
  t.match(await admin.unary(AGENT_SERVICE, "CreateJoinToken", { ttl: 60 }), { value: /-/ });
  await refused(t, admin.unary(ENTRY_SERVICE, "GetAuthorizedEntries", {}), {
    kind: "denied",
    reason: "AGENT_NOT_ATTESTED",
  });
  await refused(t, callOnce(admin, "spire.api.server.svid.v1.SVID", "MintWITSVID"), {
    kind: "unsupported",
  });
  await server.admin.unary(ENTRY_SERVICE, "BatchDeleteEntry", { ids: [entry] });
  await refused(t, admin.unary(AGENT_SERVICE, "ListAgents", {}), { kind: "denied" });
});
