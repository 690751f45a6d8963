// What an operator asks a running server on the command line.
import { X509Certificate } from "node:crypto";
import t from "tap";
import { startAdminRig } from "./admin.ts";
import { ASSAY, Program } from "./program.ts";

t.test("log-level", async (t) => {
  const { run, ok, json } = await startAdminRig(t);
  t.same(await json("log-level"), { current: "info", launch: "info" });
  t.same(await json("log-level", "debug"), { current: "debug", launch: "info" });
  t.equal(await ok("log-level"), "now       debug\nat start  info\n");
  t.same(await json("log-level", "--reset"), { current: "info", launch: "info" });
  t.match(await run("log-level", "debug", "--reset"), { code: 2, err: /leave one out/ });
  t.match(await run("log-level", "loud"), { code: 2, err: /debug or info or warn or error/ });
  t.match(await run("log-level", "--of", "agent"), { code: 2, err: /--socket is missing/ });
});

t.test("debug", async (t) => {
  const { ok, json } = await startAdminRig(t);
  t.match(await json("debug"), {
    uptimeSeconds: 0,
    agents: 0,
    entries: 0,
    bundles: 1,
    svidChain: [
      { spiffeId: "spiffe://example.org/spire/server" },
      { spiffeId: "spiffe://example.org" },
    ],
  });
  t.match(await ok("debug"), /^up for .*\nagents +0\n[^]*spiffe:\/\/example\.org {2}ends /);
});

t.test("a lifetime beyond what the authority can sign is told to who asked for it", async (t) => {
  const { run } = await startAdminRig(t);
  const create = (...more: string[]) =>
    run(
      "entry",
      "create",
      "--spiffe-id",
      "spiffe://example.org/long",
      "--parent-id",
      "spiffe://example.org/host",
      "--selector",
      "unix:uid:1",
      ...more,
    );
  const { code, out, err } = await create("--x509-ttl", "50h", "--output", "json");
  t.equal(code, 0);
  const { id } = JSON.parse(out) as { id: string };
  t.match(err, new RegExp(`^assay: warning: entry ${id}: x509 SVID ttl of 2d2h is beyond`));
  t.match(await run("entry", "update", id, "--x509-ttl", "40h"), {
    code: 0,
    err: /ttl of 1d16h is/,
  });
  t.match(await run("entry", "update", id, "--x509-ttl", "1h"), { code: 0, err: "" });
});

t.test("an agent's serial number is written as its certificate's is", async (t) => {
  const { server, json, ok } = await startAdminRig(t);
  const { identity } = await server.attest();
  const serial = new X509Certificate(identity.certPem).serialNumber
    .toLowerCase()
    .replace(/^0+/, "");
  t.match(await json("agents", "list"), [{ serialNumber: serial }]);
  t.match(await ok("agents", "list"), serial);
});

t.test("audit find refuses what no record can have", async (t) => {
  const { run } = await startAdminRig(t);
  const cases: [string, string, RegExp][] = [
    ["--serial", "zz", /--serial: 'zz' is no serial number; write it in hex/],
    ["--serial", ":", /--serial: ':' is no serial number; write it in hex/],
    ["--spiffe-id", "web", /--spiffe-id: .*spiffe:\/\/example\.org\/path, not 'web'/],
    ["--since", "yesterday", /--since: 'yesterday' is no duration;.*, or a time as 2026-/],
    ["--since", "2026-99-99", /--since: '2026-99-99' is no time/],
    ["--until", "never", /--until: 'never' is no duration;.*, or a time as 2026-/],
    ["--request-id", "(request)", /--request-id: '\(request\)' is no request ID; write what/],
  ];
  for (const [option, value, err] of cases) {
    t.match(await run("audit", "find", option, value), { code: 2, out: "", err });
  }
});

t.test("audit find by the request that an error names", async (t) => {
  const { server } = await startAdminRig(t);
  await server.attest();
  await server.attest();
  const find = async (...conditions: string[]) => {
    const { out } = await new Program(
      ASSAY,
      ["audit", "find", "--socket", server.socket, "--output", "json", ...conditions],
      { ...process.env },
    ).ended;
    return out.split("\n").filter((line) => line !== "");
  };
  const [first = "", second = ""] = await find("--action", "x509.agent");
  t.not(second, "");
  const { requestId } = JSON.parse(first) as { requestId: string };
  t.same(await find("--request-id", requestId), [first]);
  t.same(await find("--request-id", `(request ${requestId})`), [first], "as copied");
  t.same(await find("--request-id", requestId, "--kind", "denial"), []);
  t.same(await find("--action", "x509.agent", "--until", "1h"), []);
  t.same(await find("--serial", "00"), [], "a condition like any other");
});

t.test("audit find writes times for people, records as they are for programs", async (t) => {
  const { server } = await startAdminRig(t);
  await server.attest();
  const find = (...more: string[]) =>
    new Program(
      ASSAY,
      ["audit", "find", "--kind", "issuance", "--socket", server.socket, ...more],
      {
        ...process.env,
      },
    ).ended;
  t.match((await find()).out, / x509\.agent ok .* expiresAt=\d{4}-\d\d-\d\dT[\d:]+Z /);
  t.match((await find("--output", "json")).out, /"action":"x509.agent",.*"expiresAt":\d{10}\}/);
});
