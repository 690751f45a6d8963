/** One bundle document from a bundle endpoint: who is believed, what is taken, and how long anyone waits. */
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import t from "tap";
import { systemClock } from "../../../src/base/clock.ts";
import {
  type BundleSource,
  type HeldDocument,
  fetchBundle,
} from "../../../src/server/federation/fetch-bundle.ts";
import { encodeBundleDocument } from "../../../src/spiffe/bundle-document.ts";
import type { Bundle } from "../../../src/spiffe/bundle.ts";
import { encodePem } from "../../../src/x509/pem.ts";
import { refused, type Refusal } from "../../support/refused.ts";
import type { IssuedLeaf, TestCa } from "../../support/test-ca.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import {
  type Handler,
  PEER,
  PEER_SERVER,
  answering,
  caOfToday,
  endpointLeaf,
  serveBundle,
  today,
  webLeaf,
} from "./endpoint.ts";

let ca: TestCa;
let web: TestCa;
let svid: IssuedLeaf;
t.before(async () => {
  ca = await caOfToday();
  web = await caOfToday("web.example");
  svid = await endpointLeaf(ca);
});

const spiffe = (endpointUrl: string): BundleSource => ({
  trustDomain: PEER,
  endpointUrl,
  endpointProfile: "https_spiffe",
  endpointSpiffeId: PEER_SERVER,
});
const overWeb = (endpointUrl: string): BundleSource => ({
  trustDomain: PEER,
  endpointUrl,
  endpointProfile: "https_web",
  endpointSpiffeId: "",
  webRoots: encodePem("CERTIFICATE", web.der),
});

const fetchFrom = (
  source: BundleSource,
  {
    known = { [PEER]: ca.bundle() },
    held,
  }: { known?: Readonly<Record<string, Bundle>>; held?: HeldDocument } = {},
) =>
  fetchBundle({
    source,
    bundleOf: (name) => known[name],
    ...(held === undefined ? {} : { held }),
    clock: systemClock,
    signal: new AbortController().signal,
  });

t.test("https_spiffe: exactly the ID, by the bundle of its own domain", async (t) => {
  const next = await caOfToday();
  const served: Bundle = { ...ca.bundle(), x509Authorities: next.bundle().x509Authorities };
  const url = await serveBundle(t, svid, answering(served));
  const bundle = (await fetchFrom(spiffe(url)))?.bundle;
  t.match(bundle, { trustDomain: PEER, refreshHint: 300, sequence: 1 });
  t.same(bundle?.x509Authorities[0]?.der, next.der);

  const other = await caOfToday("other.example");
  const elsewhere: BundleSource = {
    ...spiffe(url),
    endpointSpiffeId: "spiffe://other.example/bundles",
  };
  const served2 = await serveBundle(
    t,
    await endpointLeaf(other, elsewhere.endpointSpiffeId),
    answering(served),
  );
  const known = { "other.example": other.bundle(), [PEER]: ca.bundle() };
  t.ok((await fetchFrom({ ...elsewhere, endpointUrl: served2 }, { known }))?.bundle, "another's");

  const wrong: readonly (readonly [string, IssuedLeaf, Refusal])[] = [
    [
      "another ID",
      await endpointLeaf(ca, `spiffe://${PEER}/other`),
      { kind: "unauthenticated", message: /is spiffe:\/\/partner\.example\/other, not / },
    ],
    ["another authority", await endpointLeaf(next), { kind: "unauthenticated" }],
    [
      "another domain's SVID with a root of the right one",
      await endpointLeaf(ca, "spiffe://other.example/spire/server"),
      { kind: "unauthenticated", message: /of trust domain 'other\.example'/ },
    ],
    [
      "a certificate of the web",
      await ca.leaf({ uris: [], dnsNames: ["localhost"], ...today() }),
      { kind: "unauthenticated", message: /no uri name/ },
    ],
    [
      "an expired one",
      await ca.leaf({ spiffeId: PEER_SERVER, notBefore: 1, notAfter: 2 }),
      { kind: "unauthenticated", message: /expired/ },
    ],
  ];
  let asked = 0;
  for (const [name, leaf, refusal] of wrong) {
    const impostor = await serveBundle(t, leaf, (request, response) => {
      asked += 1;
      answering(served)(request, response);
    });
    await refused(t, fetchFrom(spiffe(impostor)), refusal, name);
  }
  t.equal(asked, 0, "nothing was asked of them");
  await refused(t, fetchFrom(spiffe(url), { known: {} }), {
    kind: "precondition",
    message: /no bundle of 'partner\.example' yet .*assay bundle set partner\.example/,
  });
});

t.test("https_web: the web's authorities and the name of the host", async (t) => {
  const url = await serveBundle(t, await webLeaf(web), answering(ca.bundle()));
  t.ok((await fetchFrom(overWeb(url), { known: {} }))?.bundle);
  const unknown = { kind: "unauthenticated", message: /not one of the web's/ } as const;
  const { webRoots: _, ...worldWide } = overWeb(url);
  await refused(t, fetchFrom(worldWide), unknown, "an authority that nobody knows");
  await refused(t, fetchFrom(overWeb(url.replace("localhost", "127.0.0.1"))), unknown, "address");
  const misnamed = await serveBundle(t, await webLeaf(web, "elsewhere"), answering(ca.bundle()));
  await refused(t, fetchFrom(overWeb(misnamed)), unknown, "another host's");
  const expired = await web.leaf({ uris: [], dnsNames: ["localhost"], notBefore: 1, notAfter: 2 });
  await refused(
    t,
    fetchFrom(overWeb(await serveBundle(t, expired, answering(ca.bundle())))),
    unknown,
  );
});

t.test("what is no bundle is refused whole", async (t) => {
  const good = JSON.parse(encodeBundleDocument(ca.bundle())) as { keys: { x5c: string[] }[] };
  const [key] = good.keys;
  const x5c = key?.x5c[0] ?? "";
  const body =
    (value: unknown): Handler =>
    (_, response) =>
      response.end(JSON.stringify(value));
  const status =
    (code: number, headers: Record<string, string> = {}): Handler =>
    (_, response) =>
      response.writeHead(code, headers).end(encodeBundleDocument(ca.bundle()));
  const table: readonly (readonly [string, Handler, Refusal])[] = [
    [
      "100 MB, announced",
      (_, response) => response.writeHead(200, { "content-length": 100 << 20 }).flushHeaders(),
      { kind: "invalid", message: /serves more than 1048576 bytes/ },
    ],
    [
      "100 MB, chunk by chunk",
      (_, response) => {
        const chunk = Buffer.alloc(1 << 16, " ");
        const more = (): void => {
          while (!response.destroyed && response.write(chunk));
        };
        response.on("drain", more);
        more();
      },
      { kind: "invalid", message: /serves more than 1048576 bytes/ },
    ],
    ["no JSON", (_, response) => response.end("<html>"), { message: /not json/ }],
    ["nothing", (_, response) => response.end(), { message: /not json/ }],
    ["no UTF-8", (_, response) => response.end(Buffer.from([0xff])), { message: /UTF-8/ }],
    ["a list", body([good]), { message: /not a json object/ }],
    ["no keys", body({ spiffe_sequence: 1 }), { message: /no list 'keys'/ }],
    ["keys that are null", body({ keys: null }), { message: /no list 'keys'/ }],
    ["two x5c", body({ keys: [{ ...key, x5c: [x5c, x5c] }] }), { message: /exactly one x5c/ }],
    ["no certificate", body({ keys: [{ ...key, x5c: ["AAAA"] }] }), { kind: "invalid" }],
    [
      "one bad key beside a good one",
      body({ keys: [key, { ...key, x5c: ["%"] }] }),
      { message: /key 1 .*not base64/ },
    ],
    [
      "too many keys",
      body({ keys: Array.from({ length: 2000 }, () => ({})) }),
      { message: /more than 1024 keys/ },
    ],
    ["404 with a bundle", status(404), { kind: "unavailable", message: /status 404/ }],
    ["500 with a bundle", status(500), { message: /status 500/ }],
    ["204", status(204), { message: /status 204/ }],
    ["compressed", status(200, { "content-encoding": "gzip" }), { message: /compressed/ }],
    [
      "cut short",
      (_, r) => r.writeHead(200, { "content-length": 9 }).end("{", () => r.destroy()),
      {},
    ],
    ["no HTTP", (request) => request.socket.end("SSH-2.0\r\n"), { kind: "unavailable" }],
    [
      "a header of 100 KB",
      status(200, { "x-much": "x".repeat(100_000) }),
      { kind: "unavailable", message: /OVERFLOW/ },
    ],
  ];
  for (const [name, handler, refusal] of table) {
    const url = await serveBundle(t, svid, handler);
    await refused(t, fetchFrom(spiffe(url)), refusal, name);
  }
  const taken: readonly (readonly [string, unknown, number])[] = [
    ["no keys at all, which revokes all of them", { keys: [] }, 0],
    ["unknown use", { keys: [{ ...key, use: "wit-svid", kid: "w" }, key] }, 1],
    ["no use", { keys: [{ kty: "EC" }, key] }, 1],
    ["unknown type of key", { keys: [{ kty: "OKP", use: "x509-svid" }, key] }, 1],
  ];
  for (const [name, document, count] of taken) {
    const bundle = (await fetchFrom(spiffe(await serveBundle(t, svid, body(document)))))?.bundle;
    t.equal(bundle?.x509Authorities.length, count, name);
  }
});

t.test("redirects: https, without user information, proven alike", async (t) => {
  const to =
    (location: string, code = 302): Handler =>
    (_, response) =>
      response.writeHead(code, { location }).end();
  const there = await serveBundle(t, svid, answering(ca.bundle()));
  for (const code of [301, 302, 303, 307, 308]) {
    const url = await serveBundle(t, svid, to(`${there}x?y`, code));
    t.ok((await fetchFrom(spiffe(url)))?.bundle, `${code}`);
  }
  const relative = await serveBundle(t, svid, (request, response) => {
    if (request.url === "/bundle") answering(ca.bundle())(request, response);
    else to("bundle")(request, response);
  });
  t.ok((await fetchFrom(spiffe(relative)))?.bundle, "a relative one");
  const impostor = await serveBundle(
    t,
    await endpointLeaf(ca, `spiffe://${PEER}/other`),
    answering(ca.bundle()),
  );
  const table: readonly (readonly [string, string, Refusal])[] = [
    ["http", "http://localhost/", { message: /has to be https/ }],
    ["user information", there.replace("//", "//me@"), { message: /user information/ }],
    ["file", "file:///etc/passwd", { message: /has to be https/ }],
    ["no address", "https://", { message: /to where nobody follows|cannot be read/ }],
    ["another ID", impostor, { kind: "unauthenticated", message: /partner\.example\/other/ }],
    ["itself", "/", { message: /more than 5 times/ }],
  ];
  for (const [name, location, refusal] of table) {
    const url = await serveBundle(t, svid, to(location));
    await refused(t, fetchFrom(spiffe(url)), refusal, name);
  }
  const lost = await serveBundle(t, svid, (_, response) => response.writeHead(302).end());
  await refused(t, fetchFrom(spiffe(lost)), { message: /without saying where/ });
});

t.test("who has the bundle already is told so", async (t) => {
  const url = await serveBundle(t, svid, (request, response) => {
    if (request.headers["if-none-match"] === '"a"') response.writeHead(304).end();
    else response.writeHead(200, { etag: '"a"' }).end(encodeBundleDocument(ca.bundle()));
  });
  const first = await fetchFrom(spiffe(url));
  t.match(first, { document: { etag: '"a"' }, bundle: {} });
  if (first !== undefined) {
    t.equal(await fetchFrom(spiffe(url), { held: first.document }), undefined, "304");
    const { digest } = first.document;
    t.equal(await fetchFrom(spiffe(url), { held: { digest } }), undefined, "the same text");
    t.ok(await fetchFrom(spiffe(url), { held: { digest: "another", etag: '"b"' } }));
  }
});

t.test("not modified, said to who has nothing that could be", async (t) => {
  const unchanged: Handler = (_, response) => response.writeHead(304).end();
  const never: Refusal = { kind: "unavailable", message: /unchanged that it never sent/ };
  const url = await serveBundle(t, svid, unchanged);
  await refused(t, fetchFrom(spiffe(url)), never, "no bundle yet");
  await refused(t, fetchFrom(spiffe(url), { held: { digest: "d" } }), never, "one without an ETag");
  t.equal(await fetchFrom(spiffe(url), { held: { digest: "d", etag: '"a"' } }), undefined);
  const moved = await serveBundle(t, svid, (_, response) =>
    response.writeHead(302, { location: url }).end(),
  );
  await refused(t, fetchFrom(spiffe(moved)), never, "behind a redirect");
});

t.test("nobody waits for ever", async (t) => {
  const trickling = await serveBundle(t, svid, (_, response) => {
    const timer = setInterval(() => response.write("{"), 20);
    response.on("close", () => clearInterval(timer));
  });
  const silent = createServer(() => undefined).listen(0, "127.0.0.1");
  await once(silent, "listening");
  t.teardown(() => silent.close());
  const never = `https://localhost:${(silent.address() as AddressInfo).port}/`;
  for (const [name, endpointUrl] of [
    ["one byte at a time", trickling],
    ["no handshake", never],
  ] as const) {
    // The deadline is of the whole: real sockets, and a clock that is moved.
    const clock = new VirtualClock(Date.now());
    const fetched = fetchBundle({
      source: spiffe(endpointUrl),
      bundleOf: () => ca.bundle(),
      clock,
      signal: new AbortController().signal,
    });
    const settled = refused(
      t,
      fetched,
      { kind: "deadline", message: /did not deliver its bundle within 20 s/ },
      name,
    );
    await clock.advance(20_000);
    await settled;
  }
  const stop = new AbortController();
  const fetched = fetchBundle({
    source: spiffe(trickling),
    bundleOf: () => ca.bundle(),
    clock: systemClock,
    signal: stop.signal,
  });
  stop.abort(new Error("stopped"));
  await t.rejects(fetched, { message: "stopped" });
  await refused(t, fetchFrom(spiffe("https://localhost:1/")), {
    kind: "unavailable",
    message: /ECONNREFUSED/,
  });
});
