/** The first trust bundle from a pinned address. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { type Server, createServer } from "node:https";
import type { AddressInfo } from "node:net";
import t from "tap";
import { fetchBootstrapBundle } from "../../src/agent/identity/bundle-url.ts";
import { systemClock } from "../../src/base/clock.ts";
import { errorFrom } from "../../src/base/errors.ts";
import { OID } from "../../src/x509/oids.ts";
import { Domain, TRUST_DOMAIN } from "../support/running.ts";
import { refused } from "../support/refused.ts";
import { TestCa } from "../support/test-ca.ts";

const NOW = Math.floor(Date.now() / 1000);

const LIFE = { notBefore: NOW - 10, notAfter: NOW + 3600 };

t.test("a trust bundle from a pinned address", async (t) => {
  const ca = await TestCa.create({ ...LIFE });
  const tls = await ca.leaf({ ...LIFE, dnsNames: ["localhost"], extKeyUsage: [OID.serverAuth] });
  const pin = createHash("sha256").update(tls.signer.publicKey).digest("hex");
  let requests = 0;
  const server: Server = createServer(
    { cert: tls.certPem, key: tls.keyPem },
    (request, response) => {
      requests += 1;
      if (request.url === "/bundle.pem") response.end(ca.pem);
      else if (request.url === "/big") response.end(Buffer.alloc(2_000_000, 0x41));
      else if (request.url === "/moved") response.writeHead(302, { location: "/bundle.pem" }).end();
      else if (request.url === "/half") {
        response.writeHead(200, { "content-length": 100 });
        response.write("x", () => request.socket.destroy());
      } else if (request.url !== "/silent") response.end("<html>");
    },
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const fetch = (path: string, more: { pin?: string; signal?: AbortSignal } = { pin }) =>
    fetchBootstrapBundle({
      url: `https://127.0.0.1:${port}${path}`,
      trustDomain: TRUST_DOMAIN,
      clock: systemClock,
      signal: new AbortController().signal,
      ...more,
    });
  t.match(await fetch("/bundle.pem"), { x509Authorities: [{ der: ca.der }] });
  t.equal(requests, 1);
  await refused(t, fetch("/bundle.pem", { pin: "0".repeat(64) }), { kind: "unauthenticated" });
  await refused(t, fetch("/bundle.pem", {}), { kind: "unauthenticated", message: /pin/ });
  t.equal(requests, 1, "nothing was asked of a server that is not the pinned one");
  await refused(t, fetch("/big"), { kind: "precondition", message: /1048576/ });
  await refused(t, fetch("/moved"), { kind: "unavailable", message: /302/ });
  await refused(t, fetch("/half"), { kind: "unavailable" });
  await refused(t, fetch("/page"), { kind: "precondition" });
  const stop = new AbortController();
  const silent = fetch("/silent", { pin, signal: stop.signal }).catch(errorFrom);
  await once(server, "request");
  stop.abort(new DOMException("stop", "AbortError"));
  t.match(await silent, { kind: "cancelled" });

  await using domain = await Domain.start();
  const agents = createServer({ cert: tls.certPem, key: tls.keyPem }, (_, response) => {
    void domain.bundlePem().then((pem) => response.end(pem));
  });
  agents.listen(0, "127.0.0.1");
  await once(agents, "listening");
  t.teardown(() => void agents.close());
  const url = `https://127.0.0.1:${(agents.address() as AddressInfo).port}/`;
  const agent = await domain.startAgent({ bootstrap: { kind: "url", url, pin } });
  t.ok(agent.spiffeId);
});
