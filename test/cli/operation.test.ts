// What an operator asks a running server on the command line.
import { X509Certificate } from "node:crypto";
import t from "tap";
import { startAdminRig } from "./admin.ts";

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
  t.match(err, new RegExp(`^assay: warning: entry ${id}: x509 SVID ttl of 180000s is beyond`));
  t.match(await run("entry", "update", id, "--x509-ttl", "40h"), {
    code: 0,
    err: /ttl of 144000s/,
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
