/** The four clients with other keys than P-256, and with revocation on: lists in each answer, and their URL in each SVID. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import t from "tap";
import { Domain, id } from "../support/running.ts";
import {
  type ClientProgram,
  goClient,
  javaClient,
  pythonClient,
  rustClient,
} from "./toolchains.ts";

t.test("go, java, python and rust", async (t) => {
  const clients = {
    go: await goClient(),
    java: await javaClient(),
    python: await pythonClient(),
    rust: await rustClient(),
  };
  for (const keyType of ["ec-p384", "rsa-2048", "rsa-4096"] as const) {
    await using domain = await Domain.start({
      ca: { keyType, ttlSeconds: 86_400, jwtKeyType: keyType, jwtIssuer: "" },
      revocation: { url: "http://crl.example.org/crl", crlTtl: 3600 },
    });
    await domain.startAgent({ workloadKeyType: keyType });
    await domain.entry({ path: "/keys" });
    for (const [name, client] of Object.entries(clients)) {
      for (const args of [["x509"], ["jwt", "billing"]]) {
        const said = await firstWord(client, args, `unix://${domain.dir}/api.sock`);
        t.match(said, { spiffeId: id("/keys") }, `${keyType} ${name} ${args[0]}`);
      }
    }
  }
});

async function firstWord(
  { command, args }: ClientProgram,
  more: readonly string[],
  endpoint: string,
): Promise<unknown> {
  const child = spawn(command, [...args, ...more], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, SPIFFE_ENDPOINT_SOCKET: endpoint },
  });
  try {
    for await (const line of createInterface({ input: child.stdout })) return JSON.parse(line);
    return undefined;
  } finally {
    child.kill();
  }
}
