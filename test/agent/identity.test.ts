import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import t from "tap";
import { loadBootstrapBundle, unionBundle } from "../../src/agent/identity/bootstrap.ts";
import { RenewNow } from "../../src/agent/identity/renew-now.ts";
import { lockFolder } from "../../src/agent/identity/folder-lock.ts";
import {
  IdentityFile,
  encodeIdentity,
  parseIdentity,
} from "../../src/agent/identity/identity-file.ts";
import { NodeAttestation } from "../../src/agent/identity/node-attestation.ts";
import { joinTokenAttestor } from "../../src/attestors/node/join-token/agent.ts";
import { fail } from "../../src/base/errors.ts";
import { generateKey } from "../../src/keys/software-signer.ts";
import { silentLogger } from "../../src/observe/logger.ts";
import { encodeBundleDocument } from "../../src/spiffe/bundle-document.ts";
import type { Bundle } from "../../src/spiffe/bundle.ts";
import { parseCertificate } from "../../src/x509/certificate.ts";
import { encodePem } from "../../src/x509/pem.ts";
import { end, temporaryFolder } from "../support/caller.ts";
import { VirtualClock, settle } from "../support/virtual-clock.ts";
import { AGENT_ID, Admitter, Node } from "./identity-rig.ts";

const kind = (name: string, message = /./) => ({ name: "AssayError", kind: name, message });
const never = new AbortController().signal;

t.test(
  "the folder is one agent's: a second one is refused, whatever became of the first",
  async (t) => {
    const dir = join(temporaryFolder(t), "agent");
    const lock = lockFolder(dir);
    t.equal(statSync(dir).mode & 0o777, 0o700);
    t.throws(() => lockFolder(dir), kind("precondition", /another agent runs on .*--data-dir/));
    lock[Symbol.dispose]();
    lock[Symbol.dispose]();
    lockFolder(dir)[Symbol.dispose]();

    const holder = spawn(
      process.execPath,
      [
        "--input-type=module",
        "-e",
        `const { lockFolder } = await import(${JSON.stringify(new URL("../../src/agent/identity/folder-lock.ts", import.meta.url).href)}); lockFolder(${JSON.stringify(dir)}); console.log("locked"); setInterval(() => {}, 1000);`,
      ],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    await once(holder.stdout, "data");
    t.throws(() => lockFolder(dir), kind("precondition", /another agent/));
    await end(holder, "SIGKILL");
    lockFolder(dir)[Symbol.dispose]();

    const open = join(temporaryFolder(t), "open");
    mkdirSync(open);
    chmodSync(open, 0o777);
    t.throws(() => lockFolder(open), kind("precondition", /others may write/));
  },
);

t.test(
  "attest, restart without a token, renew: each step is on disk before it is used",
  async (t) => {
    const node = await Node.create(t);
    {
      await using identity = await node.open();
      t.equal(identity.svid, undefined);
      await identity.setBundle(await node.server.bundle());
      const svid = await node.attestation(identity).attest(never);
      t.equal(svid.spiffeId.toString(), AGENT_ID);
      t.equal(identity.svid, svid);
    }
    const text = readFileSync(join(node.dir, "identity.json"), "utf8");
    t.equal(statSync(join(node.dir, "identity.json")).mode & 0o777, 0o600);
    t.equal(JSON.parse(text).pendingKey, undefined);
    t.same(readdirSync(node.dir).sort(), ["identity.json", "lock"]);
    {
      await using identity = await node.open();
      t.equal(identity.svid?.spiffeId.toString(), AGENT_ID);
      t.equal(identity.bundle?.x509Authorities.length, 1);
      const attestation = node.attestation(identity, undefined);
      const revision = identity.revision;
      t.equal(await attestation.keepFresh(new Set(), never), 1800_000);
      node.clock.step(1799_000);
      t.equal(await attestation.keepFresh(new Set(), never), 1000);
      t.same(node.server.asked, ["attest"]);
      node.clock.step(1000);
      t.equal(await attestation.keepFresh(new Set(), never), 1800_000);
      t.same(node.server.asked, ["attest", "renew"]);
      t.ok(node.server.keys[0] !== node.server.keys[1], "a new key");
      t.ok(identity.revision > revision, "connections are made anew");
      node.clock.step(3600_000);
      await t.rejects(
        attestation.keepFresh(new Set(), never),
        kind("precondition", /expired.*assay token generate/),
      );
    }
    await using late = await node.open();
    t.equal(late.svid, undefined, "an expired SVID is none");
  },
);

t.test("a denied call has the SVID renewed, again soon while that did not come", (t) => {
  const time = new VirtualClock();
  const renewal = new RenewNow(time);
  const asked = (afterMs: number, isWanted: boolean): boolean => {
    time.step(afterMs);
    return renewal.isDue(isWanted);
  };
  t.equal(asked(0, false), true);
  t.equal(asked(0, false), false, "each call of a batch is denied");
  t.equal(asked(29_999, false), false, "it was renewed, and that did not help");
  t.equal(asked(1, false), true);
  t.equal(asked(999, true), false);
  t.equal(asked(1, true), true, "the server was away, and is back");
  t.equal(asked(1000, true), true);
  t.equal(asked(-86_400_000, false), true, "a clock that is set back stops nothing");
  t.end();
});

t.test("another attestor proves the node from its next attestation on", async (t) => {
  const node = await Node.create(t);
  await using identity = await node.open();
  await identity.setBundle(await node.server.bundle());
  const attestation = node.attestation(identity, "first");
  await attestation.attest(never);
  attestation.proveWith(joinTokenAttestor("second"));
  await attestation.attest(never);
  t.same(node.server.proofs, ["join_token first", "join_token second"]);
});

t.test("a bundle that cannot be written is used, and written when it can be", async (t) => {
  const node = await Node.create(t);
  await using identity = await node.open();
  const stored = (): string => readFileSync(join(node.dir, "identity.json"), "utf8");
  const bundle = (refreshHint: number): Bundle => ({
    trustDomain: "example.org",
    x509Authorities: [],
    jwtAuthorities: [],
    refreshHint,
    sequence: 1,
  });
  await identity.setBundle(bundle(1));
  await node.attestation(identity).attest(never);
  // As a disk that is full: nothing can take the file's place.
  const obstacle = join(node.dir, ".identity.json.new");
  mkdirSync(obstacle);
  const before = stored();
  const { revision } = identity;
  t.equal(await identity.setBundle(bundle(2)), true);
  t.equal(identity.bundle?.refreshHint, 2);
  t.equal(identity.revision, revision, "the roots are the same: connections go on");
  t.equal(await identity.setBundle(bundle(2)), false);
  await t.rejects(identity.drop(), { code: "ERR_FS_EISDIR" });
  t.equal(stored(), before);
  await node.clock.advance(9_999);
  rmdirSync(obstacle);
  t.equal(stored(), before);
  await node.clock.advance(1);
  const written = (refreshHint: number): boolean =>
    (JSON.parse(stored()) as { bundle: { content: string } }).bundle.content.includes(
      `"refreshHint":${refreshHint}`,
    );
  while (!written(2)) await settle();
  t.equal(stored().includes("svid"), false, "what was dropped meanwhile stays so");

  mkdirSync(obstacle);
  await t.rejects(node.attestation(identity).attest(never), { code: "ERR_FS_EISDIR" });
  t.same(node.server.asked, ["attest"], "the key to attest with is on disk first");
  await identity.setBundle(bundle(3));
  rmdirSync(obstacle);
  await identity.setBundle(bundle(3));
  t.equal(written(3), true, "nor does it wait when there is a sync before");
  await node.clock.advance(60_000);
  t.equal(node.clock.timers, 0, "nothing is left to write");
});

t.test("a tainted authority is left at once", async (t) => {
  const node = await Node.create(t);
  await using identity = await node.open();
  const attestation = node.attestation(identity);
  const svid = await attestation.attest(never);
  const keyId = svid.chain[0]?.authorityKeyId ?? "";
  await attestation.keepFresh(new Set(["other"]), never);
  t.same(node.server.asked, ["attest"]);
  await attestation.keepFresh(new Set([keyId]), never);
  t.same(node.server.asked, ["attest", "renew"]);
});

t.test("a lost answer is asked for again with the same key, even after a crash", async (t) => {
  const node = await Node.create(t);
  node.server.loseAnswers = 2;
  {
    await using identity = await node.open();
    const attestation = node.attestation(identity);
    await t.rejects(attestation.attest(never), kind("unavailable"));
    await t.rejects(attestation.attest(never), kind("unavailable"));
  }
  await using identity = await node.open();
  await node.attestation(identity).attest(never);
  t.equal(node.server.keys.length, 3);
  t.equal(new Set(node.server.keys).size, 1);
  await identity.drop();
  await node.attestation(identity).attest(never);
  t.ok(node.server.keys[3] !== node.server.keys[0], "another attestation, another key");
});

t.test("refusals name the next step; what may pass is left as it is", async (t) => {
  const node = await Node.create(t);
  await using identity = await node.open();
  const cases: [Error, ReturnType<typeof kind>][] = [
    [
      fail("denied", "token is unknown"),
      kind(
        "precondition",
        /refused the node attestation \(join_token\): token is unknown; create a join token/,
      ),
    ],
    [fail("invalid", "no"), kind("precondition", /assay token generate/)],
    [
      fail("denied", "banned", { reason: "AGENT_BANNED" }),
      kind("precondition", /banned.*assay token generate/),
    ],
    [fail("unavailable", "away"), kind("unavailable")],
    [fail("limited", "slow down"), kind("limited")],
    [fail("deadline", "slow"), kind("deadline")],
  ];
  for (const [error, expected] of cases) {
    node.server.refuse = error;
    await t.rejects(node.attestation(identity).attest(never), expected, error.message);
  }
  await t.rejects(
    new NodeAttestation({
      identity,
      server: node.server,
      clock: node.clock,
      random: { bytes: (n) => new Uint8Array(n), unit: () => 0 },
      logger: silentLogger,
    }).attest(never),
    kind("precondition", /no identity/),
  );
});

t.test(
  "a re-attestable agent proves itself anew instead of renewing, expired or not",
  async (t) => {
    const node = await Node.create(t);
    node.server.reattestable = true;
    await using identity = await node.open();
    const attestation = node.attestation(identity);
    await attestation.attest(never);
    node.clock.step(1800_000);
    await attestation.keepFresh(new Set(), never);
    node.clock.step(7200_000);
    await attestation.keepFresh(new Set(), never);
    t.same(node.server.asked, ["attest", "attest", "attest"]);
  },
);

t.test("an SVID that is not this agent's is not taken over", async (t) => {
  const node = await Node.create(t);
  await using identity = await node.open();
  for (const spiffeId of [
    "spiffe://other.org/spire/agent/x",
    "spiffe://example.org/workload",
    "spiffe://example.org/spire/server",
  ]) {
    node.server.spiffeId = spiffeId;
    await t.rejects(
      node.attestation(identity).attest(never),
      kind("invalid", /no agent's ID/),
      spiffeId,
    );
  }
  t.equal(identity.svid, undefined);
  node.server.spiffeId = AGENT_ID;
  const svid = await node.attestation(identity).attest(never);
  const { pkcs8 } = await generateKey("ec-p256");
  await t.rejects(
    identity.adopt({ key: pkcs8, chain: svid.chain.map(({ raw }) => raw), reattestable: false }),
    kind("invalid", /another key/),
  );
});

t.test("a damaged or foreign file is refused with the way out, and quotes no key", async (t) => {
  const node = await Node.create(t);
  const file = join(node.dir, "identity.json");
  const { pkcs8 } = await generateKey("ec-p256");
  const secret = Buffer.from(pkcs8).toString("base64");
  const good = encodeIdentity({ trustDomain: "example.org", pendingKey: pkcs8 });
  t.same(parseIdentity(good, file).pendingKey, pkcs8);
  const broken: [string, RegExp][] = [
    ["", /damaged/],
    ["{", /damaged/],
    ["null", /damaged/],
    ["[]", /damaged/],
    [good.slice(0, -20), /damaged/],
    [`{"version":1,"trustDomain":"example.org","pendingKey":"${secret}",}`, /damaged/],
    ['{"version":2,"trustDomain":"example.org"}', /another version/],
    ['{"version":1}', /no trust domain/],
    ['{"version":1,"trustDomain":"example.org","pendingKey":"***"}', /damaged/],
    ['{"version":1,"trustDomain":"example.org","svid":{"key":"AA=="}}', /damaged/],
    [
      '{"version":1,"trustDomain":"example.org","svid":{"key":"AA==","chain":["AA=="]}}',
      /cannot be used.*assay token generate/,
    ],
    ['{"version":1,"trustDomain":"example.org","bundle":{"content":"x","sequence":1}}', /damaged/],
    ['{"version":1,"trustDomain":"other.org"}', /belongs to trust domain other.org/],
  ];
  for (const [text, message] of broken) {
    writeFileSync(file, text);
    const error = (await node.open().then(
      () => undefined,
      (thrown: unknown) => thrown,
    )) as Error | undefined;
    t.match(error?.message, message, JSON.stringify(text.slice(0, 60)));
    t.equal(String(error?.message).includes(secret.slice(20, 60)), false, "no secret");
  }
  lockFolder(node.dir)[Symbol.dispose]();
});

t.test("half a write is never read: a new file takes the old one's place as a whole", async (t) => {
  const node = await Node.create(t);
  const file = new IdentityFile(node.dir);
  await file.save({ trustDomain: "example.org" });
  // Left over by a crash, or planted as a link to something precious.
  const precious = join(node.dir, "precious");
  writeFileSync(precious, "precious");
  symlinkSync(precious, join(node.dir, ".identity.json.new"));
  const { pkcs8 } = await generateKey("ec-p256");
  await file.save({ trustDomain: "example.org", pendingKey: pkcs8 });
  t.equal(readFileSync(precious, "utf8"), "precious");
  t.same((await file.load("example.org"))?.pendingKey, pkcs8);
});

t.test("bootstrap bundles: PEM or a bundle document, never empty", async (t) => {
  const dir = temporaryFolder(t);
  const server = await Admitter.create(new VirtualClock());
  const bundle = await server.bundle();
  const der = bundle.x509Authorities[0]?.der ?? new Uint8Array();
  const write = (text: string): string => {
    writeFileSync(join(dir, "bundle"), text);
    return join(dir, "bundle");
  };
  const load = (text: string): Promise<Bundle> => loadBootstrapBundle(write(text), "example.org");
  t.same((await load(encodePem("CERTIFICATE", der))).x509Authorities[0]?.der, der);
  t.same((await load(`# a comment\n${encodePem("CERTIFICATE", der)}`)).x509Authorities.length, 1);
  t.same((await load(encodeBundleDocument(bundle))).x509Authorities[0]?.der, der);
  for (const text of [
    "",
    "junk",
    "{}",
    '{"keys":[]}',
    encodePem("PRIVATE KEY", der),
    encodePem("CERTIFICATE", Uint8Array.of(1, 2)),
  ]) {
    await t.rejects(
      load(text),
      kind("precondition", /trust bundle/),
      JSON.stringify(text.slice(0, 40)),
    );
  }
  const other = await (await Admitter.create(new VirtualClock())).bundle();
  t.equal(unionBundle(bundle, other).x509Authorities.length, 2);
  t.equal(unionBundle(bundle, bundle).x509Authorities.length, 1);
  t.equal(parseCertificate(der).basicConstraints?.ca, true);
});
