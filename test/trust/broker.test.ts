/** The SPIFFE Broker API as go-spiffe has it: its messages, its mutual TLS, on both transports. */
import { type ChildProcess, spawn } from "node:child_process";
import { realpathSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import t from "tap";
import { goClient } from "../interop/toolchains.ts";
import { Domain, id } from "../support/running.ts";
import { freePort } from "../support/free-port.ts";

const SLEEP = realpathSync("/bin/sleep");

function linesOf(child: ChildProcess): AsyncIterator<string> {
  if (child.stdout === null) throw new TypeError("the client's output is not a pipe");
  return createInterface({ input: child.stdout })[Symbol.asyncIterator]();
}

t.test("go-spiffe as a broker, on a Unix socket and over TCP", async (t) => {
  const program = await goClient();
  await using domain = await Domain.start();
  await domain.entry({ path: "/mesh", selectors: [`unix:path:${program.command}`] });
  await domain.entry({ path: "/sleep", selectors: [`unix:path:${SLEEP}`] });
  const socket = join(domain.dir, "broker", "broker.sock");
  const listen = `127.0.0.1:${await freePort()}`;
  const agent = await domain.startAgent({
    broker: { socket, listen, brokers: [{ id: id("/mesh"), pidOverTcp: true, pods: false }] },
  });
  const sleep = spawn(SLEEP, ["1000"]);
  t.teardown(() => sleep.kill("SIGKILL"));
  const clients = [`unix:${socket}`, listen].map((target) => {
    const args = [...program.args, "broker", target, agent.spiffeId.toString(), `${sleep.pid}`];
    const child = spawn(program.command, args, {
      env: { ...process.env, SPIFFE_ENDPOINT_SOCKET: `unix://${agent.socket}` },
      stdio: ["ignore", "pipe", "inherit"],
    });
    t.teardown(() => child.kill("SIGKILL"));
    return linesOf(child);
  });
  const next = (): Promise<unknown[]> =>
    Promise.all(clients.map(async (lines) => JSON.parse((await lines.next()).value as string)));

  const one = { event: "svids", ids: [id("/sleep")], tokens: 1 };
  t.same(await next(), [one, one]);
  await domain.entry({ path: "/two", selectors: [`unix:path:${SLEEP}`] });
  const two = { event: "svids", ids: [id("/sleep"), id("/two")], tokens: 2 };
  t.same(await next(), [two, two]);
  sleep.kill("SIGKILL");
  const over = { event: "over", code: "NotFound", details: 1 };
  t.same(await next(), [over, over], "with the reason in its details");
});
