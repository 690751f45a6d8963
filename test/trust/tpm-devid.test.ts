/** Node attestation with keys in a TPM (`tpm_devid`) against Debian's software TPM, with keys that its tools made. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { tpmDevidAttestor } from "../../src/attestors/node/tpm-devid/agent.ts";
import { tpmDevidServer } from "../../src/attestors/node/tpm-devid/server.ts";
import { systemClock } from "../../src/base/clock.ts";
import { systemRandom } from "../../src/base/random.ts";
import type { AgentConfig } from "../../src/config/agent/agent-config.ts";
import { parsePublicFile, spkiOf } from "../../src/tpm/public-area.ts";
import { endorsementTemplates } from "../../src/tpm/templates.ts";
import { parseCertificate } from "../../src/x509/certificate.ts";
import { distinguishedName } from "../../src/x509/names.ts";
import { decodePem } from "../../src/x509/pem.ts";
import { Domain } from "../support/running.ts";
import { refused } from "../support/refused.ts";
import { TestCa } from "../support/test-ca.ts";
import { SoftwareTpm } from "./software-tpm.ts";

type Section = NonNullable<AgentConfig["nodeAttestors"]["tpmDevid"]>;

const NOW = Math.floor(Date.now() / 1000);
const LIFE = { notBefore: NOW - 3600, notAfter: NOW + 3600 };
const devices = await TestCa.create({ name: "devices", ...LIFE });
const { signal } = new AbortController();

/** A key below the storage root, as an operator provisions it, and a certificate for it. */
async function provision(tpm: SoftwareTpm, params: Provisioning = {}): Promise<Section> {
  const { name = "devid", algorithm = "rsa2048:rsassa-sha256:null", password } = params;
  const root = algorithm.startsWith("rsa") ? "rsa2048:aes128cfb" : "ecc256:aes128cfb";
  const auth = password === undefined ? "" : ` -p ${password}`;
  await tpm.tool(
    `tpm2_createprimary -Q -C o -g sha256 -G ${root} -c ${name}.root -a ${OWN}|userwithauth|noda|restricted|decrypt`,
  );
  await tpm.tool(
    `tpm2_create -Q -C ${name}.root -g sha256 -G ${algorithm} -u ${name}.pub -r ${name}.priv${auth} -a ${OWN}|userwithauth|sign`,
  );
  await tpm.tool("tpm2_flushcontext -t");
  const devidPub = join(tpm.dir, `${name}.pub`);
  const area = parsePublicFile(new Uint8Array(readFileSync(devidPub)), "key");
  const subject = distinguishedName([{ type: "CN", value: name }]);
  const { certPem } = await devices.leaf({ publicKey: spkiOf(area), subject, ...LIFE });
  return {
    device: tpm.socket,
    devidCert: tpm.file(`${name}.pem`, certPem),
    devidPriv: join(tpm.dir, `${name}.priv`),
    devidPub,
  };
}

interface Provisioning {
  readonly name?: string;
  readonly algorithm?: string;
  readonly password?: string;
}

function domainOf(tpm: SoftwareTpm, endorsementCaFile = tpm.authorities): Promise<Domain> {
  const devidCaFile = tpm.file("devices.pem", devices.pem);
  return Domain.start({ nodeAttestors: { tpmDevid: { devidCaFile, endorsementCaFile } } });
}

async function joins(domain: Domain, name: string, tpmDevid: Section): Promise<string> {
  const agent = await domain.startAgent({
    joinToken: undefined,
    attestor: { type: "tpm_devid" },
    nodeAttestors: { tpmDevid },
    dataDir: join(domain.dir, name),
    socket: join(domain.dir, `${name}.sock`),
  });
  const { path } = agent.spiffeId;
  await agent[Symbol.asyncDispose]();
  return path;
}

t.test("agents join by keys that tpm2-tools made, of every kind, and again", async (t) => {
  await using tpm = await SoftwareTpm.start();
  await using domain = await domainOf(tpm);
  for (const [name, algorithm] of [
    ["rsa", "rsa2048:rsassa-sha256:null"],
    ["pss", "rsa2048:rsapss-sha256:null"],
    ["ecc", "ecc256:ecdsa-sha256:null"],
    ["p384", "ecc384:ecdsa-sha384:null"],
    ["free", "rsa2048"],
  ] as const) {
    const section = await provision(tpm, { name, algorithm });
    const path = await joins(domain, `${name}-1`, section);
    t.match(path, /^\/spire\/agent\/tpm_devid\/[0-9a-f]{40}$/, name);
    t.equal(await joins(domain, `${name}-2`, section), path, "the same agent again");
  }
  t.equal(await tpm.tool("tpm2_getcap handles-transient"), "", "no key is left in the TPM");
  t.equal(await tpm.tool("tpm2_getcap handles-loaded-session"), "", "and no session");
});

t.test("passwords of the key and of both hierarchies, and what a wrong one says", async (t) => {
  await using tpm = await SoftwareTpm.start();
  await using domain = await domainOf(tpm);
  const section = await provision(tpm, { password: "of-the-key" });
  await tpm.tool("tpm2_changeauth -c owner of-the-owner");
  await tpm.tool("tpm2_changeauth -c endorsement of-the-endorsement");
  const whole: Section = {
    ...section,
    devidPasswordFile: tpm.file("key.pw", "of-the-key\n"),
    ownerHierarchyPasswordFile: tpm.file("owner.pw", "of-the-owner\n"),
    endorsementHierarchyPasswordFile: tpm.file("endorsement.pw", "of-the-endorsement\n"),
  };
  t.match(await joins(domain, "whole", whole), /tpm_devid/);
  const wrong = tpm.file("wrong.pw", "wrong\n");
  for (const [name, message] of [
    ["devidPasswordFile", /certify a key: the password is wrong/],
    ["ownerHierarchyPasswordFile", /make a key of the owner hierarchy: the password is wrong/],
    ["endorsementHierarchyPasswordFile", /endorsement hierarchy: the password is wrong/],
  ] as const) {
    const attempt = joins(domain, name, { ...whole, [name]: wrong });
    await refused(t, attempt, { kind: "precondition", message }, name);
  }
  t.equal(await tpm.tool("tpm2_getcap handles-transient"), "", "failures leave no key behind");
});

t.test("endorsement keys on curves: P-384 as swtpm makes them, P-256", async (t) => {
  await using tpm = await SoftwareTpm.start();
  const section = await provision(tpm);
  await tpm.tool("tpm2_nvundefine -C p 0x1c00002");
  {
    await using domain = await domainOf(tpm);
    t.match(await joins(domain, "p384", section), /tpm_devid/);
  }
  const makers = await TestCa.create({ name: "makers", ...LIFE });
  const template = endorsementTemplates().find(({ name }) => name === "ecc p-256");
  if (template === undefined) throw new Error("there is no such template");
  let publicKey: Uint8Array;
  {
    await using own = await tpm.open();
    const made = await own.createPrimary("endorsement", template.template, "");
    publicKey = spkiOf(parsePublicFile(made.publicArea, "key"));
  }
  const { der } = await makers.leaf({
    publicKey,
    ...LIFE,
    keyUsage: ["keyAgreement"],
    extKeyUsage: ["2.23.133.8.1"],
  });
  // Filled up behind the certificate, as some TPMs have it.
  const size = der.length + 100;
  const padded = new Uint8Array(size);
  padded.set(der);
  tpm.file("ek.der", padded);
  const index = "0x1c0000a";
  await tpm.tool(`tpm2_nvdefine -C o -s ${size} -a ownerread|ownerwrite ${index}`);
  await tpm.tool(`tpm2_nvwrite -C o -i ek.der ${index}`);
  await using domain = await domainOf(tpm, tpm.file("makers.pem", makers.pem));
  t.match(await joins(domain, "p256", section), /tpm_devid/);
  await tpm.tool(`tpm2_nvundefine -C o ${index}`);
  await tpm.tool("tpm2_nvundefine -C p 0x1c00016");
  await refused(t, joins(domain, "none", section), { message: /no endorsement certificate/ });
});

t.test("another TPM's key, certificate or credential is worth nothing", async (t) => {
  await using tpm = await SoftwareTpm.start();
  await using other = await SoftwareTpm.start();
  const own = await provision(tpm);
  const foreign = await provision(other);
  await using domain = await domainOf(tpm);
  const cases: readonly (readonly [string, Section, RegExp])[] = [
    [
      "a copied key",
      { ...own, device: other.socket },
      /load the devid key: it was made by another/,
    ],
    ["another maker", foreign, /endorsement certificate signature does not fit/],
    ["another's certificate", { ...own, devidCert: foreign.devidCert }, /is not that of the cert/],
    ["another's private part", { ...own, devidPriv: foreign.devidPriv }, /made by another|value/],
    ["a private part that is none", { ...own, devidPriv: own.devidCert }, /load the devid key/],
    ["a public part that is none", { ...own, devidPub: own.devidCert }, /devid key is neither/],
    ["no such file", { ...own, devidPriv: join(tpm.dir, "no") }, /no cannot be read \(ENOENT\)/],
    ["no such device", { ...own, device: join(tpm.dir, "no") }, /cannot be opened \(ENOENT\)/],
    ["a file for a device", { ...own, device: own.devidCert }, /neither a character device nor/],
  ];
  for (const [name, section, message] of cases) {
    await refused(t, joins(domain, name.replaceAll(" ", "-"), section), { message }, name);
  }
  // The host of the other TPM shows what this TPM said, and passes the challenge on: nobody opens it but this TPM.
  const server = tpmDevidServer({
    devidRoots: () => [devices.certificate],
    endorsementRoots: () =>
      [tpm, other].flatMap(({ authorities }) =>
        decodePem(readFileSync(authorities, "utf8")).map(({ der }) => parseCertificate(der)),
      ),
    clock: systemClock,
    random: systemRandom,
  });
  const [here, there] = [attestorOf(own), attestorOf(foreign)];
  const shown = await here.prove(signal);
  const asked = await there.prove(signal);
  const parts = (payload: Uint8Array): object =>
    JSON.parse(Buffer.from(payload).toString()) as object;
  const { EKCert, EKPub } = parts(shown.payload) as { EKCert: string; EKPub: string };
  const mixed = Buffer.from(JSON.stringify({ ...parts(asked.payload), EKCert, EKPub }));
  const outcomes: readonly [string, typeof shown, Uint8Array][] = [
    ["the statement of one, the endorsement of the other", shown, mixed],
    ["the evidence of one, answered by the other", asked, shown.payload],
  ];
  for (const [name, answering, payload] of outcomes) {
    const attempt = server.admit(payload, (challenge) => answering.respond(challenge), signal);
    await refused(t, attempt, { message: /open the server's credential/ }, name);
  }
  for (const proof of [shown, asked]) await proof.close?.();
});

t.test("through a character device", async (t) => {
  await using tpm = await SoftwareTpm.start();
  const section = await provision(tpm);
  const device = join(tpm.dir, "tpmrm0");
  const between = spawn("socat", [`PTY,raw,echo=0,link=${device}`, `UNIX-CONNECT:${tpm.socket}`], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const ended = once(between, "exit");
  t.teardown(async () => {
    between.kill();
    await ended;
  });
  await tpm.appears(device);
  await using domain = await domainOf(tpm);
  t.match(await joins(domain, "device", { ...section, device }), /tpm_devid/);
});

function attestorOf(section: Section): ReturnType<typeof tpmDevidAttestor> {
  return tpmDevidAttestor({
    device: section.device,
    certFile: section.devidCert,
    privateFile: section.devidPriv,
    publicFile: section.devidPub,
    clock: systemClock,
  });
}

const OWN = "fixedtpm|fixedparent|sensitivedataorigin";
