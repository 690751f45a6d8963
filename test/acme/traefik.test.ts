/** Traefik as the front door: it gets its certificates by ACME, and new ones in time, without a file made by hand. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import t, { type Test } from "tap";
import { page, pageOnce } from "./browse.ts";
import { type Rig, endWith, startRig } from "./rig.ts";
import { wheelProgram } from "./tools.ts";

/** Below the 20 minutes before the end in which Traefik renews: it does so at its next look, a minute later. */
const SHORT = [
  "    profiles: [minutes]",
  "certificateProfiles:",
  "  minutes: { ttl: 19m, usages: [server], names: web }",
];

function logOf(rig: Rig): string {
  return readFileSync(join(rig.dir, "traefik.log"), "utf8");
}

async function startBackend(t: Test): Promise<number> {
  const server: Server = createServer((_request, response) => response.end("hello"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  });
  return (server.address() as AddressInfo).port;
}

t.test("T3, T9: Traefik gets and renews its certificates itself, nothing unverified", async (t) => {
  const traefik = await wheelProgram("traefik");
  const rig = await startRig(t, { set: SHORT, acme: ["profiles: [minutes]"] });
  const eab = JSON.parse(
    await rig.assay("acme", "eab", "create", "--names", "pay.example.com", "--output", "json"),
  ) as { readonly keyId: string; readonly macKey: string };
  const resolver = (challenge: object, more: object = {}) => ({
    acme: {
      email: "ops@example.org",
      caServer: rig.directory,
      caCertificates: [rig.serverRoot],
      storage: join(rig.dir, `${Object.keys(challenge)[0]}.json`),
      keyType: "EC256",
      certificatesDuration: 1,
      ...challenge,
      ...more,
    },
  });
  const fixed = join(rig.dir, "traefik.yaml");
  const routes = join(rig.dir, "routes.yaml");
  const site = (host: string, certResolver: string) => ({
    rule: `Host(\`${host}\`)`,
    entryPoints: ["websecure"],
    service: "hello",
    tls: { certResolver },
  });
  const backend = await startBackend(t);
  writeFileSync(
    routes,
    JSON.stringify({
      http: {
        routers: {
          shop: site("shop.example.org", "http"),
          api: site("api.example.org", "tls"),
          pay: site("pay.example.com", "tls"),
          other: site("other.example.com", "http"),
        },
        services: {
          hello: { loadBalancer: { servers: [{ url: `http://127.0.0.1:${backend}` }] } },
        },
      },
    }),
  );
  writeFileSync(
    fixed,
    JSON.stringify({
      entryPoints: {
        web: { address: `127.0.0.1:${rig.httpPort}` },
        websecure: { address: `127.0.0.1:${rig.tlsPort}` },
      },
      certificatesResolvers: {
        http: resolver({ httpChallenge: { entryPoint: "web" } }),
        tls: resolver({ tlsChallenge: {} }, { eab: { kid: eab.keyId, hmacEncoded: eab.macKey } }),
      },
      providers: { file: { filename: routes } },
      global: { checkNewVersion: false, sendAnonymousUsage: false },
      log: { level: "ERROR", filePath: join(rig.dir, "traefik.log") },
    }),
  );
  const child = spawn(traefik, ["--configFile", fixed], { stdio: "ignore" });
  endWith(t, child);

  const log = (): string => logOf(rig);
  const first = await pageOnce(rig, "shop.example.org", log);
  t.equal(first.body, "200 hello", "by http-01, verified up to the root that was in the safe");
  t.equal(first.certificate.subjectaltname, "DNS:shop.example.org");
  const second = await pageOnce(rig, "pay.example.com", log);
  t.equal(second.body, "200 hello", "by tls-alpn-01, a name that the external account has");
  t.equal(statSync(join(rig.dir, "httpChallenge.json")).mode & 0o777, 0o600);
  await t.rejects(page(rig, "other.example.com"), "a name that nobody listed has no certificate");
  await t.rejects(
    page(rig, "api.example.org"),
    "the external account's names stand in for the server's",
  );
  t.match(log(), /other\.example\.com.*rejectedIdentifier/s);
  t.match(log(), /api\.example\.org is not among the names that this account may have/);

  const renewed = await pageOnce(
    rig,
    "shop.example.org",
    log,
    ({ serialNumber }) => serialNumber !== first.certificate.serialNumber,
  );
  t.equal(renewed.body, "200 hello", "renewed by itself");
  t.ok(
    Date.parse(renewed.certificate.valid_to) >= Date.parse(first.certificate.valid_to),
    "and lasts longer",
  );
});
