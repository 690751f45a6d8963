// `assay dev`, as a newcomer meets it: the first start, rotations, the second start, and what is left behind.
import { existsSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import t from "tap";
import { emptyEnvironment, run, start, temporaryFolder } from "./program.ts";
import { until } from "../support/patience.ts";

function newHome(t: { teardown(run: () => void): void }): {
  dir: string;
  env: NodeJS.ProcessEnv;
  state: string;
} {
  const folder = temporaryFolder();
  t.teardown(() => folder.remove());
  const dir = folder.path;
  return { dir, env: emptyEnvironment(dir), state: `${dir}/state/assay/dev` };
}

/** Processes whose command line names the folder. */
function processesOf(dir: string): string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(dir);
    } catch {
      return false;
    }
  });
}

t.test("once: the first SVID, exit code 0, and nothing but the state folder", async (t) => {
  const { dir, env, state } = newHome(t);
  const first = await run(["dev", "--once"], env);
  t.equal(first.err, "");
  t.equal(first.code, 0);
  t.match(
    first.out,
    /^A server and an agent ran, and end now\. Without --once they stay, and every process/,
  );
  t.match(first.out, /^ {2}export SPIFFE_ENDPOINT_SOCKET=unix:\/\/\/.*\/api\.sock$/m);
  t.match(first.out, /^SPIFFE ID +spiffe:\/\/example\.org\/user\/[\w.-]+$/m);
  t.match(first.out, /^expires +\S+Z \(in (1h|59m\d*s?)\)$/m);
  t.same(readdirSync(dir).sort(), ["state"], "nothing else was made");
  t.equal(statSync(state).mode & 0o777, 0o700);
  t.notOk(existsSync(`${state}/dev.pid`));
  t.same(processesOf(dir), []);

  const socket = /unix:\/\/(\S+)/.exec(first.out)?.[1] ?? "";
  t.notOk(existsSync(dirname(socket)), "the folder of the sockets is gone");
  const second = await run(["dev", "--once"], env);
  t.equal(second.code, 0);
  t.ok(second.out.includes(socket), "the socket is where it was");
  const serial = /^serial .*$/m;
  t.not(serial.exec(second.out)?.[0], serial.exec(first.out)?.[0]);

  // The agent's identity means nothing to a server that begins anew: it joins again.
  rmSync(`${state}/server`, { recursive: true });
  t.match(await run(["dev", "--once"], env), { code: 0, err: "" });

  // And a server that has forgotten no more than the agent knows of keeps one alias, not one for each start.
  rmSync(`${state}/agent`, { recursive: true });
  const dev = start(["dev"], env);
  await dev.said(/Ctrl-C ends/);
  const entries = await run(
    ["entry", "list", "--output", "json", "--socket", `${dirname(socket)}/server.sock`],
    env,
  );
  t.same(
    (JSON.parse(entries.out) as { spiffeId: string }[])
      .map(({ spiffeId }) => spiffeId.replace(/user\/.*/, "user"))
      .sort(),
    ["spiffe://example.org/host", "spiffe://example.org/user"],
  );
  const [, admin = ""] = await dev.said(/explain --pid \$\$ --socket (\S+)/);
  t.match(await run(["explain", String(process.pid), "--socket", admin], env), {
    code: 0,
    out: /^process \d+: 1 entry gives it an identity\n[^]*\n {2}in sync by the server's stream: /,
  });
  t.match(await dev.stop("SIGINT"), { code: 0 });
  t.notOk(existsSync(dirname(admin)), "the folder of that socket is gone, too");
});

t.test("it follows rotations; a second one on the folder is refused; Ctrl-C ends it", async (t) => {
  const { dir, env, state } = newHome(t);
  const dev = start(["dev", "--x509-ttl", "9s", "--trust-domain", "dev.test"], env);
  await dev.said(/^SPIFFE ID +spiffe:\/\/dev\.test\/user\//m);
  const socket = (await dev.said(/unix:\/\/(\S+)/))[1] ?? "";

  const second = await run(["dev"], env);
  t.match(second, {
    code: 1,
    out: "",
    err: /'assay dev' already runs on .* \(process \d+\); end it, or give this one another --data-dir\n$/,
  });

  const workload = { ...env, SPIFFE_ENDPOINT_SOCKET: `unix://${socket}` };
  t.match(await run(["fetch", "x509"], workload), {
    code: 0,
    out: /^spiffe:\/\/dev\.test\/user\//,
  });
  await dev.said(/rotated: serial [0-9a-f]+, expires in \ds\n[^]*rotated: serial/);

  t.match(await dev.stop("SIGINT"), {
    code: 0,
    out: new RegExp(`\nStopped the agent and the server.*\n.* stays in ${state}: .*\n$`),
    err: "",
  });
  t.same(processesOf(dir), []);
  t.notOk(existsSync(dirname(socket)));
  t.notOk(existsSync(`${state}/dev.pid`));
  t.match(
    await run(["dev", "--once"], env),
    { code: 1, err: /the server ended: .*data folder belongs to .*choose another folder/ },
    "example.org on the folder of dev.test",
  );
});

t.test("its children end with it, even when it is killed", async (t) => {
  const { dir, env } = newHome(t);
  const dev = start(["dev"], env);
  await dev.said(/Ctrl-C ends/);
  t.equal(processesOf(dir).length, 2, "server and agent");
  await dev.stop("SIGKILL");
  await until("the children have ended", () => processesOf(dir).length === 0);
  t.match(
    await run(["dev", "--once"], env),
    { code: 0, err: "" },
    "the lock of a dead process holds nobody",
  );
});

t.test("a child that ends takes everything down, with its last words", async (t) => {
  const { dir, env, state } = newHome(t);
  const dev = start(["dev"], env);
  await dev.said(/Ctrl-C ends/);
  const agent = processesOf(dir).find((pid) =>
    readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("\0agent\0"),
  );
  process.kill(Number(agent), "SIGKILL");
  const ended = await dev.ended;
  t.match(ended, {
    code: 1,
    err: new RegExp(`the agent ended: .* \\(log: ${state}/agent.log\\)\n$`),
  });
  t.same(processesOf(dir), []);
});

t.test("two on two folders at once, each with its own trust", async (t) => {
  const { dir, env } = newHome(t);
  const both = await Promise.all([
    run(["dev", "--once", "--data-dir", `${dir}/a`], env),
    run(["dev", "--once", "--data-dir", `${dir}/b`, "--socket", `${dir}/b.sock`], env),
  ]);
  t.match(both, [{ code: 0 }, { code: 0 }]);
  t.ok(both[1]?.out.includes(`unix://${dir}/b.sock`));
});
