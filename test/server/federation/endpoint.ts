/** Bundle endpoints that do as they are told, right or wrong, over real TLS. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Test } from "tap";
import { encodeBundleDocument } from "../../../src/spiffe/bundle-document.ts";
import type { Bundle } from "../../../src/spiffe/bundle.ts";
import { type IssuedLeaf, TestCa } from "../../support/test-ca.ts";

export const PEER = "partner.example";
export const PEER_SERVER = `spiffe://${PEER}/spire/server`;

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** TLS libraries know no other clock. */
export function today(): { notBefore: number; notAfter: number } {
  const now = Math.floor(Date.now() / 1000);
  return { notBefore: now - 60, notAfter: now + 3600 };
}

export function caOfToday(trustDomain = PEER): Promise<TestCa> {
  return TestCa.create({ trustDomain, ...today() });
}

export function endpointLeaf(ca: TestCa, spiffeId = PEER_SERVER): Promise<IssuedLeaf> {
  return ca.leaf({ spiffeId, ...today() });
}

/** A certificate of the web for localhost. */
export function webLeaf(ca: TestCa, host = "localhost"): Promise<IssuedLeaf> {
  return ca.leaf({ uris: [], dnsNames: [host], ...today() });
}

/** @returns its URL; ended with the test */
export async function serveBundle(t: Test, leaf: IssuedLeaf, handler: Handler): Promise<string> {
  const server = createServer({ cert: leaf.certPem, key: leaf.keyPem }, handler);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  return `https://localhost:${(server.address() as AddressInfo).port}/`;
}

export function answering(bundle: Bundle): Handler {
  return (_, response) => response.end(encodeBundleDocument(bundle));
}
