/** A server's own bundle endpoint, asked by clients of every kind. */
import { copyFileSync, writeFileSync } from "node:fs";
import { request as httpsRequest } from "node:https";
import { type AddressInfo, connect as connectTcp, createServer } from "node:net";
import { join } from "node:path";
import { type TLSSocket, connect } from "node:tls";
import t, { type Test } from "tap";
import { bytesEqual } from "../../../src/base/bytes.ts";
import { parseBundleDocument } from "../../../src/spiffe/bundle-document.ts";
import { checkLeaf } from "../../../src/spiffe/x509-svid.ts";
import { parseCertificate } from "../../../src/x509/certificate.ts";
import { freePort } from "../../support/free-port.ts";
import { temporaryFolder } from "../../support/caller.ts";
import { refused } from "../../support/refused.ts";
import { type TestServer, startTestServer } from "../../support/server.ts";
import { caOfToday, webLeaf } from "./endpoint.ts";

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

const AUTHORITIES = "spire.api.server.localauthority.v1.LocalAuthority";
const spiffe = {
  listen: "127.0.0.1:0",
  profile: "https_spiffe",
  refreshHint: 120,
} as const;

function portOf({ server }: TestServer): number {
  return server.bundleEndpointAddress?.port ?? 0;
}

function ask(
  port: number,
  {
    method = "GET",
    path = "/",
    headers = {},
  }: { method?: string; path?: string; headers?: object } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = httpsRequest(
      {
        host: "127.0.0.1",
        port,
        method,
        path,
        headers: { ...headers },
        rejectUnauthorized: false,
        agent: false,
      },
      (answer) => {
        let body = "";
        answer.setEncoding("utf8");
        answer.on("data", (part: string) => (body += part));
        answer.on("end", () =>
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body }),
        );
      },
    );
    call.on("error", reject);
    call.end();
  });
}

function handshake(port: number, options: object = {}): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ...options });
    socket.once("secureConnect", () => resolve(socket));
    socket.once("error", reject);
  });
}

async function shown(t: Test, port: number): Promise<Uint8Array> {
  const socket = await handshake(port);
  t.teardown(() => socket.destroy());
  return new Uint8Array(socket.getPeerCertificate().raw);
}

t.test("https_spiffe: the bundle at /, under the server's own SVID", async (t) => {
  const rig = await startTestServer(t, { config: { federation: { bundleEndpoint: spiffe } } });
  const port = portOf(rig);
  const whole = await ask(port);
  t.match(whole, {
    status: 200,
    headers: {
      "content-type": "application/json",
      "cache-control": "public, max-age=24, must-revalidate",
      etag: /^"[\w-]{27}"$/,
    },
  });
  const document = JSON.parse(whole.body) as { keys: { use: string; kid?: string }[] };
  t.match(document, {
    spiffe_refresh_hint: 120,
    keys: [{ use: "x509-svid" }, { use: "jwt-svid" }],
  });
  t.equal(document.keys[0]?.kid, undefined);
  const bundle = parseBundleDocument("example.org", whole.body);
  t.same([bundle.x509Authorities.length, bundle.jwtAuthorities.length], [1, 1]);
  const leaf = parseCertificate(await shown(t, port));
  t.equal(checkLeaf(leaf).toString(), "spiffe://example.org/spire/server");

  const etag = String(whole.headers["etag"]);
  for (const [name, ifNoneMatch, status] of [
    ["the same", etag, 304],
    ["weak", `"x", W/${etag}`, 304],
    ["any", "*", 304],
    ["another", '"x"', 200],
  ] as const) {
    const answer = await ask(port, { headers: { "if-none-match": ifNoneMatch } });
    t.match(answer, { status, headers: { etag } }, name);
    t.equal(answer.body === "", status === 304);
  }
  for (const [name, request, status] of [
    ["another path", { path: "/bundle" }, 404],
    ["a path with dots", { path: "/../" }, 404],
    ["POST", { method: "POST" }, 405],
    ["PUT", { method: "PUT" }, 405],
    ["DELETE", { method: "DELETE" }, 405],
    ["OPTIONS", { method: "OPTIONS" }, 405],
  ] as const) {
    const answer = await ask(port, request);
    t.match(answer, { status, headers: { "content-type": /^text\/plain/ } }, name);
    t.throws(() => void JSON.parse(answer.body), `${name}: no JSON that passes for a bundle`);
  }
  t.equal((await ask(port, { path: "/?now" })).status, 200, "a query means nothing");
  t.match(await ask(port, { method: "HEAD" }), { status: 200, body: "" });

  await rig.admin.unary(AUTHORITIES, "PrepareX509Authority", {});
  const later = await ask(port, { headers: { "if-none-match": etag } });
  t.equal(later.status, 200, "another bundle has another name");
  const next = parseBundleDocument("example.org", later.body);
  t.equal(next.x509Authorities.length, 2);
  t.ok(next.sequence > bundle.sequence);
});

t.test("what TLS does not do there", async (t) => {
  const rig = await startTestServer(t, { config: { federation: { bundleEndpoint: spiffe } } });
  const port = portOf(rig);
  await t.rejects(handshake(port, { maxVersion: "TLSv1.1", minVersion: "TLSv1" }), "TLS 1.1");
  const plain = connectTcp(port, "127.0.0.1");
  plain.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
  const said = await new Promise<string>((resolve) => {
    let text = "";
    plain.on("data", (part) => (text += part.toString("latin1")));
    plain.on("error", () => undefined);
    plain.on("close", () => resolve(text));
  });
  t.notMatch(said, /HTTP/, "no plain HTTP");
  t.same(await serverFlight(t, port), [2, 11, 12, 14], "no CertificateRequest (13) among it");
});

/** The handshake messages of TLS 1.2 that a server sends in the clear (RFC 5246 §7.3). */
async function serverFlight(t: Test, port: number): Promise<number[]> {
  const seen: Buffer[] = [];
  const relay = createServer((near) => {
    const far = connectTcp(port, "127.0.0.1");
    far.on("data", (part: Buffer) => seen.push(part));
    near.pipe(far).pipe(near);
    for (const each of [near, far]) each.on("error", () => each.destroy());
  });
  await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve));
  t.teardown(() => relay.close());
  const socket = await handshake((relay.address() as AddressInfo).port, { maxVersion: "TLSv1.2" });
  socket.destroy();
  const bytes = Buffer.concat(seen);
  const clear: Buffer[] = [];
  for (let at = 0; bytes[at] === 22; at += 5 + bytes.readUInt16BE(at + 3)) {
    clear.push(bytes.subarray(at + 5, at + 5 + bytes.readUInt16BE(at + 3)));
  }
  const messages = Buffer.concat(clear);
  const types: number[] = [];
  for (let at = 0; types.at(-1) !== 14; at += 4 + messages.readUIntBE(at + 1, 3)) {
    types.push(messages.readUInt8(at));
  }
  return types;
}

t.test("https_web: a certificate of files, also when they are replaced", async (t) => {
  const dir = temporaryFolder(t);
  const certificateFile = join(dir, "tls.crt");
  const keyFile = join(dir, "tls.key");
  const ca = await caOfToday("web.example");
  const [first, second] = [await webLeaf(ca), await webLeaf(ca)];
  writeFileSync(certificateFile, first.certPem);
  writeFileSync(keyFile, first.keyPem);
  const bundleEndpoint = { ...spiffe, profile: "https_web", certificateFile, keyFile } as const;
  const rig = await startTestServer(t, { config: { federation: { bundleEndpoint } } });
  const port = portOf(rig);
  t.ok(bytesEqual(await shown(t, port), first.der));
  t.equal((await ask(port)).status, 200);
  writeFileSync(certificateFile, second.certPem);
  rig.clock.step(1000);
  t.ok(bytesEqual(await shown(t, port), first.der), "half of a replacement is none");
  copyFileSync("/dev/null", keyFile);
  rig.clock.step(1000);
  t.ok(bytesEqual(await shown(t, port), first.der), "nor is an empty file");
  writeFileSync(keyFile, second.keyPem);
  rig.clock.step(1000);
  t.ok(bytesEqual(await shown(t, port), second.der));

  writeFileSync(keyFile, first.keyPem);
  const start = startTestServer(t, { config: { federation: { bundleEndpoint } } });
  await refused(t, start, {
    kind: "precondition",
    message: /bundle endpoint: .*is no key \(PEM\) of the one in/,
  });
  const nowhere = { ...bundleEndpoint, keyFile: join(dir, "none") };
  const lost = startTestServer(t, { config: { federation: { bundleEndpoint: nowhere } } });
  await refused(t, lost, { kind: "precondition", message: /none: it cannot be read \(ENOENT\)/ });
  const taken = { ...spiffe, listen: `127.0.0.1:${port}` };
  const again = startTestServer(t, { config: { federation: { bundleEndpoint: taken } } });
  await refused(t, again, {
    kind: "precondition",
    message: /EADDRINUSE.*choose another federation\.bundleEndpoint\.listen/,
  });
});

t.test("it comes, changes, moves and goes with a reload, as a whole or not at all", async (t) => {
  const rig = await startTestServer(t);
  const change = (bundleEndpoint: object | undefined, more: object = {}): Promise<void> =>
    rig.server.reload(async () => ({
      config: {
        ...rig.config,
        ...more,
        ...(bundleEndpoint === undefined ? {} : { federation: { bundleEndpoint } }),
      } as typeof rig.config,
      settings: ["federation"],
    }));
  const [first, second] = [await freePort(), await freePort()];
  const at = (port: number, more: object = {}) => ({
    ...spiffe,
    listen: `127.0.0.1:${port}`,
    ...more,
  });
  const gone = { code: "ECONNREFUSED" };
  await t.rejects(ask(first), gone);
  await change(at(first));
  t.match(await ask(first), { status: 200, headers: { "cache-control": /max-age=24\b/ } });
  await change(at(first, { refreshHint: 50 }));
  t.match(await ask(first), { status: 200, headers: { "cache-control": /max-age=10\b/ } });

  const dir = temporaryFolder(t);
  const [certificateFile, keyFile] = [join(dir, "tls.crt"), join(dir, "tls.key")];
  const web = at(first, { profile: "https_web", certificateFile, keyFile });
  await refused(t, change(web), { kind: "precondition", message: /cannot be read/ });
  t.equal((await ask(first)).status, 200, "as before");
  const leaf = await webLeaf(await caOfToday("web.example"));
  writeFileSync(certificateFile, leaf.certPem);
  writeFileSync(keyFile, leaf.keyPem);
  await change(web);
  t.ok(bytesEqual(await shown(t, first), leaf.der));

  // Another part of the configuration does not do: the new address serves nothing, and the old one goes on.
  const foreign = { federatesWith: new Map([["partner.example", { bundleFile: "/nowhere" }]]) };
  await refused(
    t,
    change(undefined, { federation: { bundleEndpoint: at(second), ...foreign } }),
    {},
  );
  t.equal((await ask(first)).status, 200);
  await t.rejects(ask(second));
  await change(at(second));
  t.equal((await ask(second)).status, 200);
  await t.rejects(ask(first), gone);
  const taken = Number(rig.target.split(":").at(-1));
  await refused(t, change(at(taken)), {
    kind: "precondition",
    message: /EADDRINUSE.*choose another federation.bundleEndpoint.listen/,
  });
  t.equal((await ask(second)).status, 200);
  await change(undefined);
  await t.rejects(ask(second), gone);
});
