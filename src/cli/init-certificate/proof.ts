/** The ways in which `assay init-certificate` proves what it is. */
import { readFile, stat } from "node:fs/promises";
import { readTokenFile } from "../../attestors/issuer/token-file.ts";
import { AssayError, fail, isKind } from "../../base/errors.ts";
import { unreadable } from "../../base/unreadable.ts";
import { DEFAULT_TRUST_DOMAIN } from "../../config/sections/common-settings.ts";
import { signerFromPkcs8 } from "../../keys/software-signer.ts";
import { proveHeld } from "../../provision/renewal-proof.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import { SpiffeId } from "../../spiffe/spiffe-id.ts";
import { parseCertificate } from "../../x509/certificate.ts";
import { encodeCertificates, encodePem } from "../../x509/pem.ts";
import type { CommandContext } from "../program/command.ts";
import { type OptionSpec, UsageError } from "../program/grammar.ts";
import { connectAgent } from "../connection/rpc-clients.ts";

export const WAYS = ["agent", "pod", "oidc", "once"] as const;
export type Way = (typeof WAYS)[number];

export const PROOF_OPTIONS: readonly OptionSpec[] = [
  {
    name: "via",
    value: "WAY",
    help: "what to prove it by: the agent's SVID, a pod's projected token, a token of another issuer, or a one-time token",
    choices: WAYS,
    fallback: "agent",
  },
  { name: "server", value: "HOST:PORT", help: "the server", env: "ASSAY_SERVER" },
  {
    name: "token-file",
    value: "FILE",
    help: "with --via pod, oidc or once: the token, read again at each renewal",
    fallback: "with --via pod /var/run/secrets/tokens/assay",
  },
  {
    name: "cluster",
    value: "NAME",
    help: "with --via pod: the cluster, as the server's configuration names it",
    env: "ASSAY_CLUSTER",
  },
  {
    name: "trust-bundle",
    value: "FILE",
    help: "with a token: bundle by which the server is known (PEM, from 'assay bundle show')",
  },
  {
    name: "trust-domain",
    value: "TD",
    help: "with a token: the server's trust domain",
    env: "ASSAY_TRUST_DOMAIN",
    fallback: DEFAULT_TRUST_DOMAIN,
  },
];

/** Where to call, and what to show there. */
export interface Proof {
  readonly method: "NewCertificateByToken" | "NewCertificateBySVID";
  readonly trustDomain: string;
  readonly bundle: Bundle;
  /** For mutual TLS. */
  readonly identity?: { readonly certPem: string; readonly keyPem: string };
  /** The request's part. */
  readonly fields: object;
  /** A part that depends on what is asked for (DER). */
  readonly fieldsFor?: (csr: Uint8Array) => Promise<object>;
  /** A token that counts for one key; undefined where each request may have its own. */
  readonly boundToken?: string;
}

export interface ProofSource {
  readonly way: Way;
  /** `host:port`. */
  readonly server: string;
  /** Read anew. @throws precondition, not_found, unavailable and the like, with the next step */
  readonly proof: () => Promise<Proof>;
  /** By a certificate that was given before. @throws precondition */
  readonly withCertificate: (held: HeldCertificate) => Promise<Proof>;
}

/** DER, leaf first, with its PKCS #8 key and the roots it came with. */
export interface HeldCertificate {
  readonly chain: readonly Uint8Array[];
  readonly key: Uint8Array;
  readonly bundle: readonly { readonly der: Uint8Array }[];
  /** Those of the server, where another set than the trust domain's own has signed; absent after a restart. */
  readonly serverBundle?: readonly Uint8Array[];
}

/** Where what is missing comes from, by option, or by way and option. */
const SOURCES: Readonly<Record<string, string>> = {
  "trust-bundle": "; 'assay bundle show > FILE' on the server makes it",
  "once token-file": "; 'assay token generate --entry ID --write FILE' on the server makes one",
  cluster: "; it is named as in the server's file (frontends.certificates.clusters)",
};

/** @throws UsageError when options are missing or contradict each other */
export function proofSource(context: CommandContext): ProofSource {
  const { options } = context;
  const way = WAYS.find((known) => known === options.text("via")) ?? "agent";
  const server = options.text("server");
  if (server === undefined)
    throw new UsageError("--server is missing; for example --server assay.example.org:8081");
  return way === "agent" ? agentSource(context, server) : tokenSource(context, server, way);
}

function agentSource(context: CommandContext, server: string): ProofSource {
  const stray = ["token-file", "trust-bundle", "trust-domain", "cluster"].find(
    (name) => context.options.given(name) !== undefined,
  );
  if (stray !== undefined)
    throw new UsageError(
      `--${stray} has a meaning with --via pod, oidc or once only; say --via, or leave it out to prove yourself by the agent`,
    );
  const proof = (): Promise<Proof> => svidProof(context);
  return { way: "agent", server, proof, withCertificate: proof };
}

function tokenSource(
  { options }: CommandContext,
  server: string,
  way: Exclude<Way, "agent">,
): ProofSource {
  if (options.given("socket") !== undefined) {
    throw new UsageError(`--socket has no meaning with --via ${way}, which asks no agent`);
  }
  const need = (name: string, fallback?: string): string => {
    const value = options.text(name) ?? fallback;
    if (value === undefined)
      throw new UsageError(
        `--via ${way} needs --${name}${SOURCES[`${way} ${name}`] ?? SOURCES[name] ?? ""}`,
      );
    return value;
  };
  if (way !== "pod" && options.given("cluster") !== undefined) {
    throw new UsageError("--cluster has a meaning with --via pod only");
  }
  const bundleFile = need("trust-bundle");
  const tokenFile = need("token-file", way === "pod" ? POD_TOKEN_FILE : undefined);
  const cluster = way === "pod" ? need("cluster") : "";
  const trustDomain = options.text("trust-domain") ?? DEFAULT_TRUST_DOMAIN;
  const bundleNow = async (): Promise<Bundle> => {
    const { loadBootstrapBundle } = await import("../../agent/identity/bootstrap.ts");
    return loadBootstrapBundle(bundleFile, trustDomain);
  };
  return {
    way,
    server,
    async proof() {
      const token = await (way === "once" ? readOnceToken : readTokenFile)(tokenFile);
      return {
        method: "NewCertificateByToken",
        trustDomain,
        bundle: await bundleNow(),
        fields: tokenFields(way, token, cluster),
        ...(way === "pod" ? {} : { boundToken: token }),
      };
    },
    withCertificate: async (held) => certificateProof(held, trustDomain, await bundleNow()),
  };
}

/** An SVID shows itself in the handshake; what is none is shown in the request, signed with its key. */
async function certificateProof(
  { chain, key, bundle, serverBundle = [] }: HeldCertificate,
  trustDomain: string,
  given: Bundle,
): Promise<Proof> {
  const { unionBundle } = await import("../../agent/identity/bootstrap.ts");
  const known = (roots: readonly Uint8Array[]): Bundle => {
    const x509Authorities = roots.map((der) => ({ der, tainted: false }));
    return unionBundle({ ...given, x509Authorities }, given);
  };
  const [leaf = new Uint8Array()] = chain;
  if (parseCertificate(leaf).uris.length === 0) {
    const signer = signerFromPkcs8(key);
    return {
      method: "NewCertificateByToken",
      trustDomain,
      bundle: known(serverBundle),
      fields: {},
      fieldsFor: async (csr) => ({
        certificate: { certificate: leaf, signature: await proveHeld(signer, csr, leaf) },
      }),
    };
  }
  return {
    method: "NewCertificateBySVID",
    trustDomain,
    // The file may be as old as this process; what came with the certificate is of its day.
    bundle: known(bundle.map(({ der }) => der)),
    identity: { certPem: encodeCertificates(chain), keyPem: encodePem("PRIVATE KEY", key) },
    fields: {},
  };
}

function tokenFields(way: Exclude<Way, "agent">, token: string, cluster: string): object {
  switch (way) {
    case "pod":
      return { pod: { cluster, token } };
    case "oidc":
      return { token };
    case "once":
      return { one_time_token: token };
  }
}

async function svidProof(context: CommandContext): Promise<Proof> {
  const [{ firstX509Response }, { fetchedSvids }, { parseBootstrapBundle }] = await Promise.all([
    import("../fetch/streams.ts"),
    import("../fetch/svid.ts"),
    import("../../agent/identity/bootstrap.ts"),
  ]);
  using agent = await connectAgent(context);
  const response = await firstX509Response(agent, context.signal).catch((thrown: unknown) => {
    // Its entry may be on its way to the agent.
    if (!isKind(thrown, "denied")) throw thrown;
    throw fail("unavailable", thrown.message, { cause: thrown });
  });
  const svids = fetchedSvids(response);
  const wanted = context.options.text("spiffe-id");
  const svid = wanted === undefined ? svids[0] : svids.find(({ spiffeId }) => spiffeId === wanted);
  if (svid === undefined) {
    throw fail("not_found", `the agent gives this process no SVID ${wanted ?? "at all"}`);
  }
  const trustDomain = SpiffeId.parse(svid.spiffeId).trustDomain.name;
  return {
    method: "NewCertificateBySVID",
    trustDomain,
    bundle: parseBootstrapBundle(svid.bundlePem, "of the agent", trustDomain),
    identity: { certPem: svid.chainPem, keyPem: svid.keyPem },
    fields: {},
  };
}

async function readOnceToken(file: string): Promise<string> {
  try {
    if ((await stat(file)).size > MAX_ONCE_BYTES)
      throw fail("precondition", `${file}: is no token`);
    const token = (await readFile(file, "utf8")).trim();
    if (/^[\w-]+$/.test(token)) return token;
    throw fail("precondition", `${file}: there is no one-time token in it`);
  } catch (cause) {
    if (cause instanceof AssayError) throw cause;
    const why = (cause as NodeJS.ErrnoException).code ?? "unknown";
    throw fail("precondition", unreadable(file, why), { cause });
  }
}

const POD_TOKEN_FILE = "/var/run/secrets/tokens/assay";
const MAX_ONCE_BYTES = 512;
