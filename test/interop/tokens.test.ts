/** Clients that show tokens with their calls, written as doc/attestors.md says. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import t, { type Test } from "tap";
import { TestIssuer } from "../support/oidc-issuer.ts";
import { Domain, TRUST_DOMAIN, id } from "../support/running.ts";
import { type ClientProgram, goClient, pythonClient } from "./toolchains.ts";

async function open(t: Test) {
  const issuer = await TestIssuer.start();
  t.teardown(() => issuer[Symbol.asyncDispose]());
  const domain = await Domain.start();
  t.teardown(() => domain[Symbol.asyncDispose]());
  await domain.entry({ path: "/job", selectors: ["token:ci:job:deploy"] });
  const { url, caFile } = issuer;
  const section = { alias: "ci", url, caFile, loopbackHttp: false, maxLife: 86_400, pods: false };
  const agent = await domain.startAgent({
    workloadAttestors: { token: { issuers: [section], oneTime: true } },
  });
  const file = join(domain.dir, "token");
  const write = (claims: Record<string, unknown> = {}): void =>
    writeFileSync(
      file,
      issuer.token({ claims: { aud: `spiffe://${TRUST_DOMAIN}`, job: "deploy", ...claims } }),
    );
  write();
  return { file, write, endpoint: `unix://${agent.socket}` };
}

/** The lines that a client prints. */
function run(t: Test, program: ClientProgram, endpoint: string, ...args: string[]) {
  const child: ChildProcess = spawn(program.command, [...program.args, ...args], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, SPIFFE_ENDPOINT_SOCKET: endpoint },
  });
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  });
  if (child.stdout === null) throw new TypeError("the client has no output");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return async (): Promise<unknown> => JSON.parse((await lines.next()).value ?? "{}");
}

t.test("go-spiffe comes back with a fresh token when one ends", async (t) => {
  // It may have to be built first.
  const go = await goClient();
  const { file, write, endpoint } = await open(t);
  const now = Math.floor(Date.now() / 1000);
  // It counts for a minute longer: twenty seconds are left.
  write({ exp: now - 40 });
  const next = run(t, go, endpoint, "token", file);
  t.match(await next(), { event: "update", spiffeId: id("/job"), verified: true });
  write();
  t.match(await next(), { event: "watchError", message: /Unavailable.*token has expired/ });
  t.match(await next(), { event: "update", spiffeId: id("/job"), verified: true });
});

t.test("grpcio with plain stubs", async (t) => {
  const { file, write, endpoint } = await open(t);
  const python = await pythonClient();
  t.match(await run(t, python, endpoint, "token", file)(), { spiffeIds: [id("/job")] });
  write({ aud: "spiffe://other.org" });
  t.match(await run(t, python, endpoint, "token", file)(), {
    event: "error",
    message: /UNAUTHENTICATED[^]*token of issuer ci is for another audience/,
  });
});
