/** Name constraints: what they let through and what not (RFC 5280 §4.2.1.10); other verifiers are in test/trust. */
import t from "tap";
import { parseCertificate } from "../../src/x509/certificate.ts";
import { verifyChain } from "../../src/x509/chain.ts";
import * as der from "../../src/x509/der.ts";
import {
  encodeAltNames,
  encodeExtension,
  encodeNameConstraints,
} from "../../src/x509/extension-encoding.ts";
import { ipBytes } from "../../src/x509/ip-address.ts";
import {
  type NameSubtrees,
  NO_URIS,
  hasNoUris,
  readNameConstraints,
} from "../../src/x509/name-constraints.ts";
import { OID } from "../../src/x509/oids.ts";
import { type LeafOptions, TEST_EPOCH, TestCa } from "../support/test-ca.ts";

const root = await TestCa.create();
const NONE: NameSubtrees = { dns: [], uri: [], ip: [] };
const network = (address: string, mask: string): Uint8Array =>
  Buffer.concat([ipBytes(address), ipBytes(mask)]);

interface Names {
  readonly dns?: readonly string[];
  readonly uri?: readonly string[];
  readonly ip?: readonly string[];
}

function leafOptions({ dns = [], uri = [], ip = [] }: Names): LeafOptions {
  const names = { dnsNames: dns, uris: uri, ipAddresses: ip, critical: false };
  return { uris: [], dnsNames: [], extraExtensions: [encodeAltNames(names)] };
}

async function verified(issuer: TestCa, names: Names): Promise<string> {
  const { der: leaf } = await issuer.leaf(leafOptions(names));
  const chain = [leaf, ...issuer.intermediates].map(parseCertificate);
  return verifyChain(chain, [root.certificate], TEST_EPOCH).then(
    () => "ok",
    (error: Error) => error.message,
  );
}

async function authority(
  permitted: Partial<NameSubtrees>,
  excluded: Partial<NameSubtrees> = {},
): Promise<TestCa> {
  const constraints = encodeNameConstraints({
    permitted: { ...NONE, ...permitted },
    excluded: { ...NONE, ...excluded },
    hasOthers: false,
  });
  return root.intermediate({ uris: [], extraExtensions: [constraints] });
}

t.test("which names are permitted", async (t) => {
  const ten = network("10.0.0.0", "255.0.0.0");
  const documentation = network("2001:db8::", "ffff:ffff::");
  const spiffe = "spiffe://example.org/web";
  const table: readonly [string, TestCa, readonly Names[], readonly Names[]][] = [
    [
      "a domain",
      await authority({ dns: ["Example.org"] }),
      [
        { dns: ["example.org", "a.b.EXAMPLE.org", "*.example.org"] },
        { uri: ["spiffe://other.org/a"], ip: ["10.0.0.1"] },
      ],
      [{ dns: ["badexample.org"] }, { dns: ["example.org", "example.com"] }, { dns: ["*.org"] }],
    ],
    [
      "all below a domain",
      await authority({ dns: [".example.org"] }),
      [{ dns: ["a.example.org"] }],
      [{ dns: ["example.org"] }],
    ],
    [
      "one of two",
      await authority({ dns: ["a.org", "b.org"] }),
      [{ dns: ["x.b.org", "a.org"] }],
      [{ dns: ["c.org"] }],
    ],
    ["no domain", await authority({}, { dns: [""] }), [{ uri: [spiffe] }], [{ dns: ["a.org"] }]],
    [
      "all but a domain",
      await authority({}, { dns: ["secret.example.org"] }),
      [{ dns: ["example.org", "*.other.org"] }],
      [
        { dns: ["secret.example.org"] },
        { dns: ["a.secret.example.org"] },
        { dns: ["*.example.org"] },
      ],
    ],
    [
      "all but one below the permitted",
      await authority({ dns: ["example.org"] }, { dns: ["x.example.org"] }),
      [{ dns: ["y.example.org"] }],
      [{ dns: ["x.example.org"] }, { dns: ["y.org"] }],
    ],
    [
      "a host of uris",
      await authority({ uri: ["example.org"] }),
      [{ uri: [spiffe] }, { uri: ["https://user@EXAMPLE.org:8443/a"] }, { dns: ["other.org"] }],
      [
        { uri: ["spiffe://a.example.org/web"] },
        { uri: ["spiffe://other.org/example.org"] },
        { uri: ["https://example.org@other.org/"] },
        { uri: ["urn:example.org"] },
        { uri: ["spiffe:///web"] },
        { uri: ["https://[::1]/"] },
        { uri: ["https://10.0.0.1/"] },
        { uri: ["nothing"] },
      ],
    ],
    [
      "all but a host of uris",
      await authority({}, { uri: ["example.org"] }),
      [{ uri: ["spiffe://other.org/web"] }],
      [{ uri: [spiffe] }, { uri: ["urn:x"] }, { uri: ["https://10.0.0.1/"] }],
    ],
    [
      "hosts below one",
      await authority({ uri: [".example.org"] }),
      [{ uri: ["spiffe://a.example.org/"] }],
      [{ uri: [spiffe] }],
    ],
    [
      "networks",
      await authority({ ip: [ten] }),
      [{ ip: ["10.255.0.1"] }, { dns: ["a.org"] }],
      [{ ip: ["11.0.0.1"] }, { ip: ["10.0.0.1", "::1"] }],
    ],
    [
      "networks of both families",
      await authority({ ip: [ten, documentation] }, { ip: [network("10.9.0.0", "255.255.0.0")] }),
      [{ ip: ["10.0.0.1", "2001:db8::1"] }],
      [{ ip: ["2001:db9::1"] }, { ip: ["10.9.1.1"] }],
    ],
    [
      "no uris",
      await root.intermediate({ uris: [], extraExtensions: [encodeNameConstraints(NO_URIS)] }),
      [{ dns: ["a.org", "*.b.org"], ip: ["10.0.0.1", "::1"] }],
      [{ uri: [spiffe] }, { dns: ["a.org"], uri: ["https://no-uri.invalid/"] }],
    ],
  ];
  for (const [name, issuer, good, bad] of table) {
    for (const names of good) {
      t.equal(await verified(issuer, names), "ok", `${name}: ${JSON.stringify(names)}`);
    }
    for (const names of bad) {
      const answer = await verified(issuer, names);
      t.match(answer, /does not permit the (dns name|uri|address) '/, `${name}: ${answer}`);
    }
  }
});

t.test("everything below is held to them", async (t) => {
  const issuer = await authority({ dns: ["example.org"], uri: ["example.org"] });
  const low = await issuer.intermediate({ name: "low", uris: [] });
  t.equal(await verified(low, { dns: ["a.example.org"] }), "ok");
  t.match(await verified(low, { dns: ["a.org"] }), /does not permit/, "two below");
  const named = await issuer.intermediate({ name: "named", uris: ["spiffe://other.org"] });
  t.match(await verified(named, { dns: ["a.example.org"] }), /other\.org/, "an authority's name");
  // RFC 5280 §6.1.3: the same authority with another key.
  const { subject } = issuer.certificate;
  const again = await issuer.intermediate({ subject, uris: ["spiffe://other.org"] });
  t.equal(await verified(again, { dns: ["a.example.org"] }), "ok", "its own next key");
  t.match(await verified(again, { dns: ["a.org"] }), /does not permit/, "but what that signs");
  const top = await TestCa.create({
    extraExtensions: [encodeNameConstraints(NO_URIS)],
    uris: [],
  });
  const leaf = parseCertificate((await top.leaf()).der);
  await t.rejects(verifyChain([leaf], [top.certificate], TEST_EPOCH), /does not permit the uri/);
});

t.test("what they may say", async (t) => {
  const subtree = (tag: number, content: Uint8Array, ...more: readonly Uint8Array[]) =>
    der.seq(der.contextPrimitive(tag, content), ...more);
  const mail = subtree(1, Buffer.from("example.org"));
  const name = der.seq(der.context(4, der.seq()));
  const host = subtree(2, Buffer.from("example.org"));
  const read = (...parts: readonly Uint8Array[]) => readNameConstraints(der.seq(...parts));
  t.match(read(der.context(0, host)), { permitted: { dns: ["example.org"] }, hasOthers: false });
  t.match(read(der.context(1, host, mail)), {
    excluded: { dns: ["example.org"] },
    hasOthers: true,
  });
  t.equal(hasNoUris(NO_URIS), true);
  t.equal(hasNoUris(read(der.context(0, host))), false);
  const bad: readonly [string, Uint8Array, RegExp][] = [
    ["no sequence", der.nullValue(), /name constraints/],
    ["nothing", der.seq(), /are empty/],
    ["an empty list", der.seq(der.context(0)), /name constraints/],
    [
      "a minimum",
      der.seq(
        der.context(0, subtree(2, Buffer.from("a.org"), der.contextPrimitive(0, Buffer.of(1)))),
      ),
      /trailing/,
    ],
    ["in the wrong order", der.seq(der.context(1, host), der.context(0, host)), /trailing/],
    ["half a network", der.seq(der.context(0, subtree(7, Buffer.alloc(4)))), /no address/],
    ["a name with a NUL", der.seq(der.context(0, subtree(2, Buffer.from("a\0b")))), /printable/],
    [
      "too many",
      der.seq(der.context(0, ...Array.from({ length: 257 }, () => host))),
      /too many subtrees/,
    ],
  ];
  for (const [what, content, message] of bad) {
    t.throws(() => readNameConstraints(content), { kind: "invalid", message }, what);
  }
  for (const [what, critical, others, verdict] of [
    ["mail, critical", true, mail, /of a sort that is not supported/],
    ["directory names, critical", true, name, /of a sort that is not supported/],
    ["mail, not critical", false, mail, /^ok$/],
  ] as const) {
    const content = der.seq(der.context(0, host, others));
    const extension = encodeExtension(OID.nameConstraints, critical, content);
    const issuer = await root.intermediate({ uris: [], extraExtensions: [extension] });
    t.match(await verified(issuer, { dns: ["example.org"] }), verdict, what);
    if (!critical)
      t.match(await verified(issuer, { dns: ["a.org"] }), /does not permit/, "the others count");
  }
});
