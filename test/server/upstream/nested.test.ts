/** Three servers of one trust domain, one below the other, each with an agent. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { systemClock } from "../../../src/base/clock.ts";
import type { RunningAgent } from "../../../src/agent/running-agent.ts";
import type { Bundle__Output } from "../../../src/rpc/gen/spire/api/types/Bundle.ts";
import { nestedUpstream } from "../../../src/server/upstream/nested.ts";
import { TrustDomain } from "../../../src/spiffe/trust-domain.ts";
import { parseCertificate, parseCertificates } from "../../../src/x509/certificate.ts";
import { encodePem } from "../../../src/x509/pem.ts";
import { refused } from "../../support/refused.ts";
import { Domain, id } from "../../support/running.ts";
import { WorkloadClient } from "../../support/workload-client.ts";
import { upstreamConformance } from "./conformance.ts";
import { until } from "../../support/patience.ts";

interface Level {
  readonly domain: Domain;
  readonly agent: RunningAgent;
}

async function level(above?: Level): Promise<Level> {
  const domain = await Domain.start(above === undefined ? {} : { upstreamAuthority: below(above) });
  const agent = await domain.startAgent();
  await domain.entry({ path: "/server-below", more: { downstream: true } });
  return { domain, agent };
}

function below({ domain, agent }: Level) {
  const { host, port } = domain.server.tcpAddress;
  return { nested: { server: `${host}:${port}`, workloadApiSocket: agent.socket } };
}

const bundleOf = ({ domain }: Level): Promise<Bundle__Output> =>
  domain.call<Bundle__Output>("bundle.v1.Bundle", "GetBundle", {});
const rootsOf = async (each: Level): Promise<string[]> =>
  (await bundleOf(each)).x509_authorities.map(({ asn1, tainted }) => {
    const { subjectKeyId = "" } = parseCertificate(asn1);
    return tainted ? `${subjectKeyId} tainted` : subjectKeyId;
  });

function verifies(chain: Uint8Array, roots: readonly Uint8Array[]): string {
  const dir = mkdtempSync(join(tmpdir(), "assay-nested-"));
  try {
    const pem = (ders: readonly Uint8Array[]): string =>
      ders.map((der) => encodePem("CERTIFICATE", der)).join("");
    const [leaf, ...others] = parseCertificates(chain).map(({ raw }) => raw);
    writeFileSync(join(dir, "leaf.pem"), pem(leaf === undefined ? [] : [leaf]));
    writeFileSync(join(dir, "others.pem"), pem(others));
    writeFileSync(join(dir, "roots.pem"), pem(roots));
    return execFileSync(
      "openssl",
      ["verify", "-x509_strict", "-CAfile", "roots.pem", "-untrusted", "others.pem", "leaf.pem"],
      { cwd: dir, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
    );
  } finally {
    rmSync(dir, { recursive: true });
  }
}

t.test("three levels: chains, tokens, a rotation and a taint from the top", async (t) => {
  const top = await level();
  t.teardown(() => top.domain[Symbol.asyncDispose]());
  const middle = await level(top);
  t.teardown(() => middle.domain[Symbol.asyncDispose]());
  const bottom = await level(middle);
  t.teardown(() => bottom.domain[Symbol.asyncDispose]());
  const [first = ""] = await rootsOf(top);
  t.same([await rootsOf(middle), await rootsOf(bottom)], [[first], [first]], "one root for all");

  await bottom.domain.entry({ path: "/workload" });
  using client = new WorkloadClient(bottom.agent.socket);
  using watch = client.x509();
  const view = async () =>
    (await watch.next()).svids.find(({ spiffe_id }) => spiffe_id === id("/workload"));
  let svid = await view();
  while (svid === undefined) svid = await view();
  const roots = (await bundleOf(top)).x509_authorities.map(({ asn1 }) => asn1);
  const chain = parseCertificates(svid.x509_svid);
  t.equal(chain.length, 3, "leaf, the server's authority, the one above it");
  t.match(verifies(svid.x509_svid, roots), /leaf\.pem: OK/);
  for (const [index, each] of chain.slice(0, -1).entries()) {
    const above = chain[index + 1];
    t.equal(each.authorityKeyId, above?.subjectKeyId);
    t.same(each.issuer, above?.subject);
    t.ok(each.notAfter <= (above?.notAfter ?? 0));
  }

  const { svids } = await client.fetchJwt(["a"], id("/workload"));
  using above = new WorkloadClient(top.agent.socket);
  await until("the top's agent knows the key", () =>
    above.validate("a", svids[0]?.svid ?? "").then(
      () => true,
      () => false,
    ),
  );

  await upstreamConformance(t, {
    upstream: nestedUpstream({
      ...below(middle).nested,
      trustDomain: TrustDomain.parse("example.org"),
      clock: systemClock,
    }),
    trustDomain: TrustDomain.parse("example.org"),
    now: () => Math.floor(Date.now() / 1000),
  });

  const step = (name: string, request: object = {}) =>
    top.domain.call<{ prepared_authority?: { authority_id: string } }>(
      "localauthority.v1.LocalAuthority",
      name,
      request,
    );
  const { prepared_authority: prepared } = await step("PrepareX509Authority");
  const second = prepared?.authority_id ?? "";
  await until("the new root is at the bottom", async () =>
    (await rootsOf(bottom)).includes(second),
  );
  await step("ActivateX509Authority", { authority_id: second });
  await step("TaintX509Authority", { authority_id: first });
  let chainNow = chain;
  while (chainNow.at(-1)?.authorityKeyId !== second) {
    const next = await view();
    if (next === undefined) continue;
    chainNow = parseCertificates(next.x509_svid);
    t.match(
      verifies(
        next.x509_svid,
        (await bundleOf(top)).x509_authorities.map(({ asn1 }) => asn1),
      ),
      /leaf\.pem: OK/,
      "at every moment",
    );
  }
  t.pass("the taint at the top had the SVID at the bottom replaced, below the new root");
  await until("the taint is at the bottom", async () =>
    (await rootsOf(bottom)).includes(`${first} tainted`),
  );
  await step("RevokeX509Authority", { authority_id: first });
  for (const each of [middle, bottom]) {
    await until("the revocation arrives", async () => (await rootsOf(each)).join() === second);
  }

  // A server without its upstream goes on with what it has, a restart included.
  await middle.domain.stopServer();
  await bottom.domain.stopServer();
  await bottom.domain.startServer();
  t.same(await rootsOf(bottom), [second]);
  const late = nestedUpstream({
    ...below(top).nested,
    server: "127.0.0.1:1",
    trustDomain: TrustDomain.parse("example.org"),
    clock: systemClock,
  });
  const never = new AbortController().signal;
  await refused(t, late.watch?.look(never) ?? Promise.resolve(), {
    kind: "unavailable",
    message: /^upstream server 127\.0\.0\.1:1: /,
  });
  const other = nestedUpstream({
    ...below(top).nested,
    trustDomain: TrustDomain.parse("other.org"),
    clock: systemClock,
  });
  await refused(t, other.watch?.look(never) ?? Promise.resolve(), {
    kind: "precondition",
    message: /gives this server no identity of trust domain other\.org/,
  });
});
