/** Servers that do as a test tells them, in the place of a kubelet or an API server. */
import { mkdtempSync, rmSync } from "node:fs";
import { type RequestListener, createServer as createPlainServer } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Test } from "tap";
import { KubernetesClient } from "../../src/attestors/kubernetes/client.ts";
import type { KubernetesConnection } from "../../src/attestors/kubernetes/connection.ts";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import { TestCa } from "../support/test-ca.ts";

const NOW = Math.floor(Date.now() / 1000);
export const LIFE = { notBefore: NOW - 10, notAfter: NOW + 3600 };
const ca = await TestCa.create({ ...LIFE });

export function folder(t: Test): string {
  const dir = mkdtempSync(join(tmpdir(), "assay-k8s-"));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

export async function secureServer(
  t: Test,
  answer: RequestListener,
): Promise<KubernetesConnection> {
  const leaf = await ca.leaf({ ...LIFE, uris: [], dnsNames: ["api.test"] });
  const server = createServer({ cert: leaf.certPem, key: leaf.keyPem }, answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return {
    server: `https://127.0.0.1:${port}`,
    serverName: "api.test",
    authorities: { text: ca.pem },
  };
}

export async function plainServer(t: Test, answer: RequestListener): Promise<KubernetesConnection> {
  const server = createPlainServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { server: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

export function client(t: Test, connection: KubernetesConnection, clock: Clock = systemClock) {
  const made = new KubernetesClient({ connection, clock, maxAnswerBytes: 100_000 });
  t.teardown(() => made[Symbol.dispose]());
  return made;
}

export const json = (value: unknown): RequestListener => {
  return (_request, response) => response.end(JSON.stringify(value));
};
