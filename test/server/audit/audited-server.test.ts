/** A whole server: what its calls leave in the audit log, who may read it, and what a kill takes away (nothing). */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import type { AuditRecord } from "../../../src/observe/audit.ts";
import { type Channel, connectUnix } from "../../../src/rpc/channel.ts";
import { parseCertificate } from "../../../src/x509/certificate.ts";
import { refused } from "../../support/refused.ts";
import { startServerProcess } from "../../support/server-process.ts";
import {
  AGENT_SERVICE,
  BUNDLE_SERVICE,
  ENTRY_SERVICE,
  SVID_SERVICE,
  type SvidMessage,
  startTestServer,
} from "../../support/server.ts";
import { readAuditLog } from "../../support/audit-records.ts";
import { type Results, csrOf, id, uid } from "../api/calls.ts";
import { until } from "../../support/patience.ts";

const AUDIT_SERVICE = "assay.audit.v1.Audit";

async function readOver(channel: Channel, request: object): Promise<AuditRecord[]> {
  const found: AuditRecord[] = [];
  using stream = channel.stream<object, { records: { line: string }[] }>(AUDIT_SERVICE, "Read", {});
  stream.send(request).catch(() => undefined); // the answer tells more
  stream.end();
  for await (const { records } of stream) {
    found.push(...records.map(({ line }) => JSON.parse(line) as AuditRecord));
  }
  return found;
}

const serialOf = ({ cert_chain: [leaf = new Uint8Array()] }: SvidMessage) =>
  parseCertificate(leaf).serial;

t.test("each issuance, denial and admin act is one record, with who, what and why", async (t) => {
  const server = await startTestServer(t);
  const { admin } = server;
  const token = await server.createToken({ agent_id: id("/host") });
  const agent = await server.attest(token);
  const entryId = await server.createEntry({
    spiffe_id: id("/web"),
    parent_id: id("/host"),
    selectors: [uid("1")],
  });
  const { csr } = await csrOf();
  let svid: SvidMessage | undefined;
  await until("the agent may have the entry", async () => {
    const { results } = await agent.channel.unary<Results>(SVID_SERVICE, "BatchNewX509SVID", {
      params: [{ entry_id: entryId, csr }],
    });
    svid = results[0]?.svid ?? undefined;
    return svid !== undefined;
  });
  const withId = { metadata: { "assay-request-id": "from-the-agent.1" } };
  await agent.channel.unary(
    SVID_SERVICE,
    "NewJWTSVID",
    { entry_id: entryId, audience: ["a"] },
    withId,
  );
  const { csr: mintCsr } = await csrOf("/minted");
  const minted = await admin.unary<{ svid: SvidMessage }>(SVID_SERVICE, "MintX509SVID", {
    csr: mintCsr,
  });
  const before = (await readAuditLog(server.dataDir)).length;
  await admin.unary(ENTRY_SERVICE, "ListEntries", {});
  await admin.unary(BUNDLE_SERVICE, "GetBundle", {});
  await admin.unary("assay.template.v1.Templates", "BatchGetTemplate", { ids: [entryId] });
  await admin.unary("assay.claims.v1.Claims", "BatchGetClaims", { ids: [entryId] });
  t.equal((await readAuditLog(server.dataDir)).length, before, "reading leaves no record");

  await agent.channel.unary(SVID_SERVICE, "BatchNewX509SVID", {
    params: [{ entry_id: "nope", csr }],
  });
  await refused(t, agent.channel.unary(ENTRY_SERVICE, "ListEntries", {}), { kind: "denied" });
  await refused(t, server.attest("0123456789abcdef0123"), { kind: "invalid" });
  await admin.unary(ENTRY_SERVICE, "BatchDeleteEntry", { ids: [entryId, "unknown"] });
  await refused(
    t,
    admin.unary(AGENT_SERVICE, "BanAgent", { id: id("/spire/agent/join_token/none") }),
    { kind: "not_found" },
  );
  await admin.unary(AGENT_SERVICE, "BanAgent", { id: agent.id });
  await refused(t, agent.channel.unary(ENTRY_SERVICE, "GetAuthorizedEntries", {}), {
    kind: "denied",
    reason: "AGENT_BANNED",
  });

  const records = await readAuditLog(server.dataDir);
  t.same(
    records.map(({ seq }) => seq),
    records.map((_, index) => index + 1),
  );
  const one = (what: Partial<AuditRecord>, name: string): void => {
    const matching = records.filter((record) =>
      Object.entries(what).every(([key, value]) => {
        const field = record[key as keyof AuditRecord];
        return typeof value === "object"
          ? Object.entries(value).every(
              ([k, v]) => (field as Record<string, unknown> | undefined)?.[k] === v,
            )
          : field === value;
      }),
    );
    t.equal(matching.length, 1, name);
  };
  const by = { role: "agent", id: agent.spiffeId, address: "127.0.0.1" };
  const web = "spiffe://example.org/web";
  one({ kind: "system", action: "server.start" }, "the start");
  one(
    { action: "x509.server", subject: { spiffeId: "spiffe://example.org/spire/server" } },
    "its own SVID",
  );
  one(
    { kind: "admin", action: `/${AGENT_SERVICE}/CreateJoinToken`, caller: { role: "local" } },
    "the token",
  );
  one(
    { kind: "issuance", action: "x509.agent", subject: { spiffeId: agent.spiffeId } },
    "the agent's",
  );
  one(
    {
      kind: "admin",
      action: `/${ENTRY_SERVICE}/BatchCreateEntry`,
      outcome: "ok",
      subject: { entryId, spiffeId: web },
    },
    "the entry",
  );
  if (svid !== undefined) {
    one(
      {
        action: "x509.workload",
        caller: by,
        subject: {
          spiffeId: web,
          entryId,
          serial: serialOf(svid),
          expiresAt: Number(svid.expires_at),
        },
      },
      "the workload's",
    );
  }
  one(
    {
      action: "jwt.workload",
      caller: by,
      requestId: "from-the-agent.1",
      subject: { spiffeId: web, entryId },
    },
    "its token",
  );
  one(
    { action: "x509.mint", caller: { role: "local" }, subject: { serial: serialOf(minted.svid) } },
    "the minted one",
  );
  one(
    { kind: "denial", outcome: "not_found", caller: by, subject: { entryId: "nope" } },
    "no such entry",
  );
  one(
    { kind: "denial", action: `/${ENTRY_SERVICE}/ListEntries`, outcome: "denied" },
    "an agent is no administrator",
  );
  one(
    {
      kind: "denial",
      action: `/${AGENT_SERVICE}/AttestAgent`,
      outcome: "invalid",
      caller: { role: "any" },
    },
    "a false token",
  );
  one(
    {
      kind: "admin",
      action: `/${ENTRY_SERVICE}/BatchDeleteEntry`,
      outcome: "ok",
      subject: { entryId },
    },
    "the deletion",
  );
  one(
    {
      kind: "admin",
      action: `/${ENTRY_SERVICE}/BatchDeleteEntry`,
      outcome: "not_found",
      subject: { entryId: "unknown" },
    },
    "and the other",
  );
  one(
    { kind: "admin", action: `/${AGENT_SERVICE}/BanAgent`, outcome: "not_found" },
    "a ban of nobody",
  );
  one(
    {
      kind: "admin",
      action: `/${AGENT_SERVICE}/BanAgent`,
      outcome: "ok",
      subject: { spiffeId: agent.spiffeId },
    },
    "the ban",
  );
  t.match(records.at(-1), {
    kind: "denial",
    outcome: "denied",
    caller: { role: "unknown", id: agent.spiffeId, address: "127.0.0.1" },
    reason: /^AGENT_BANNED: /,
  });

  const text = JSON.stringify(records);
  t.notOk(text.includes(token), "the join token is nowhere");
  t.notOk(text.includes("0123456789abcdef0123"), "nor is a false one");
  t.notOk(/eyJ[A-Za-z0-9_-]{10}/.test(text), "nor is a JWT");

  t.same(await readOver(admin, {}), await readAuditLog(server.dataDir));
  t.same(
    (await readOver(admin, { last: 2 })).map(({ seq }) => seq),
    records.slice(-2).map(({ seq }) => seq),
  );
  t.same(
    new Set((await readOver(admin, { kinds: ["denial"] })).map(({ kind }) => kind)),
    new Set(["denial"]),
  );
  t.same(
    (await readOver(admin, { request_id: "from-the-agent.1" })).map(({ action }) => action),
    ["jwt.workload"],
  );
  t.ok((await readOver(admin, { entry_id: entryId, actions: ["BatchDeleteEntry"] })).length === 1);
  await refused(t, readOver(admin, { actions: Array.from({ length: 33 }, () => "a") }), {
    kind: "invalid",
    message: /^actions: /,
  });
  await refused(t, readOver(admin, { until: "99999999999999" }), {
    kind: "invalid",
    message: /^until: /,
  });
  await refused(t, readOver(admin, { kinds: ["everything"] }), {
    kind: "invalid",
    message: /^kinds: /,
  });
  await refused(t, readOver(agent.channel, {}), { kind: "denied" });
  await server.stop();
  t.match((await readAuditLog(server.dataDir)).at(-1), { kind: "system", action: "server.stop" });
});

t.test("a flood of strangers leaves a bounded number of records, and their count", async (t) => {
  const server = await startTestServer(t);
  const stranger = server.connect();
  for (let n = 0; n < 80; n++) {
    await refused(t, stranger.unary(ENTRY_SERVICE, "ListEntries", {}), { kind: "denied" });
  }
  await server.stop();
  const denials = (await readAuditLog(server.dataDir)).filter(({ kind }) => kind === "denial");
  t.equal(denials.length, 51);
  t.match(denials.at(-1), {
    action: "denials.summary",
    method: `/${ENTRY_SERVICE}/ListEntries`,
    count: 30,
  });
});

t.test(
  "what the clock does to authorities is recorded, with the server as its actor",
  async (t) => {
    const server = await startTestServer(t, {
      config: {
        ca: { keyType: "ec-p256", ttlSeconds: 3600, jwtKeyType: "ec-p256", jwtIssuer: "" },
        ttl: { x509SvidSeconds: 600, jwtSvidSeconds: 300, agentSvidSeconds: 600 },
      },
    });
    const { authorities } = server.server;
    const steps = async () =>
      (await readOver(server.admin, { kinds: ["system"] })).filter(({ action }) =>
        action.includes(".authority."),
      );
    const first = await steps();
    t.same(
      first.map(({ action, caller }) => [action, caller]),
      ["x509", "jwt"].flatMap((kind) =>
        ["prepare", "activate"].map((step) => [`${kind}.authority.${step}`, { role: "server" }]),
      ),
      "the first ones",
    );
    t.match(first[0], { outcome: "ok", reason: "there is none yet", caller: { role: "server" } });
    await server.admin.unary(
      "spire.api.server.localauthority.v1.LocalAuthority",
      "PrepareX509Authority",
      {},
    );
    t.same(await steps(), first, "what an administrator asks for is the administrator's act");

    const before = authorities.records("x509").map(({ id }) => id);
    server.clock.step(3590_000);
    await authorities.rotate();
    server.clock.step(3 * 3600_000);
    await authorities.rotate();
    const after = (await steps()).slice(first.length);
    const x509 = after.filter(({ action }) => action.startsWith("x509."));
    const pruned = x509
      .filter(({ action }) => action.endsWith("prune"))
      .map(({ subject }) => subject?.authorityId);
    t.same(pruned.slice(0, before.length), before, "those that ended");
    const ended = x509.filter(({ reason }) => reason?.endsWith("it has ended") === true);
    t.same(
      ended.map(({ action }) => action),
      ["x509.authority.prepare", "x509.authority.activate"],
      "and why another took over",
    );
    t.match(ended[1]?.subject, {
      authorityId: authorities.activeX509().id,
      expiresAt: authorities.activeX509().notAfter,
    });
  },
);

t.test("the entry of a join token that nobody used goes, and the record says so", async (t) => {
  const server = await startTestServer(t);
  await server.createToken({ agent_id: id("/host"), ttl: 60 });
  const { entries } = await server.admin.unary<{ entries: { id: string }[] }>(
    ENTRY_SERVICE,
    "ListEntries",
    {},
  );
  t.equal(entries.length, 1);
  await server.clock.advance(10 * 60_000);
  let found: AuditRecord[] = [];
  await until("there is a record", async () => {
    found = await readOver(server.admin, { actions: ["entry.prune"] });
    return found.length > 0;
  });
  t.match(found, [
    {
      kind: "system",
      outcome: "ok",
      caller: { role: "server" },
      subject: { entryId: entries[0]?.id, spiffeId: "spiffe://example.org/host" },
      reason: "its join token expired unused",
    },
  ]);
  t.match(await server.admin.unary(ENTRY_SERVICE, "CountEntries", {}), { count: 0 });
});

t.test("a killed server has a record for every certificate that it handed out", async (t) => {
  const dir = await mkdtemp(join(tmpdir(), "assay-audit-kill-"));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const { csr } = await csrOf("/minted");
  const serials: string[] = [];
  for (let round = 1; round <= 3; round++) {
    const server = await startServerProcess(t, dir);
    const admin = connectUnix(server.socket);
    const enough = Promise.withResolvers<void>();
    const work = async (): Promise<void> => {
      for (;;) {
        const { svid } = await admin.unary<{ svid: SvidMessage }>(SVID_SERVICE, "MintX509SVID", {
          csr,
        });
        serials.push(serialOf(svid));
        if (serials.length >= round * 200) enough.resolve();
      }
    };
    const workers = Array.from({ length: 8 }, () => work().catch(() => undefined));
    await enough.promise;
    await server.kill();
    await Promise.all(workers);
    admin.close();
    const recorded = new Set(
      (await readAuditLog(`${dir}/data`)).map(({ subject }) => subject?.serial),
    );
    t.same(
      serials.filter((serial) => !recorded.has(serial)),
      [],
      `${serials.length} certificates`,
    );
  }
  const server = await startServerProcess(t, dir);
  await server.kill();
  const records = await readAuditLog(`${dir}/data`);
  t.same(
    records.map(({ seq }) => seq),
    records.map((_, index) => index + 1),
    "no gap over the kills",
  );
});
