/** SVIDs straight from the server, for whoever holds a token and has no agent: `fetch x509|jwt --via oidc`. */
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { readTokenFile } from "../../attestors/issuer/token-file.ts";
import { concatBytes } from "../../base/bytes.ts";
import { AssayError, fail } from "../../base/errors.ts";
import { DEFAULT_TRUST_DOMAIN } from "../../config/sections/common-settings.ts";
import { generateKey, signerFromPkcs8 } from "../../keys/software-signer.ts";
import type { NewJWTSVIDResponse__Output } from "../../rpc/gen/assay/token/v1/NewJWTSVIDResponse.ts";
import type { NewX509SVIDResponse__Output } from "../../rpc/gen/assay/token/v1/NewX509SVIDResponse.ts";
import type { Bundle__Output } from "../../rpc/gen/spire/api/types/Bundle.ts";
import { TrustDomain } from "../../spiffe/trust-domain.ts";
import { createCsr } from "../../x509/csr.ts";
import { decodePem, encodeCertificates, encodePem } from "../../x509/pem.ts";
import type { CommandContext } from "../program/command.ts";
import { type OptionSpec, UsageError } from "../program/grammar.ts";
import { replaceFile } from "../files/replace-file.ts";
import { type FetchedSvid, svidOf } from "./svid.ts";

export const VIA_OPTIONS: readonly OptionSpec[] = [
  {
    name: "via",
    value: "WAY",
    help: "ask the server with a token instead of an agent",
    choices: ["oidc"],
    fallback: "the agent",
  },
  { name: "token-file", value: "FILE", help: "with --via: the token" },
  { name: "server", value: "HOST:PORT", help: "with --via: the server", env: "ASSAY_SERVER" },
  {
    name: "trust-bundle",
    value: "FILE",
    help: "with --via: bundle by which the server is known (PEM, from 'assay bundle show')",
  },
  {
    name: "trust-domain",
    value: "TD",
    help: "with --via: the server's trust domain",
    env: "ASSAY_TRUST_DOMAIN",
    fallback: DEFAULT_TRUST_DOMAIN,
  },
  {
    name: "key-file",
    value: "FILE",
    help: "with --via: the private key (PEM) that the token is bound to, made when missing",
    fallback: "a new key each time",
  },
];

/** True when `--via` was given. @throws UsageError when options contradict each other */
export function isViaToken({ options }: CommandContext): boolean {
  if (options.text("via") !== undefined) {
    if (options.given("socket") !== undefined) {
      throw new UsageError("--socket has no meaning with --via, which asks no agent");
    }
    return true;
  }
  const stray = VIA_OPTIONS.find(({ name }) => options.given(name) !== undefined);
  if (stray === undefined) return false;
  throw new UsageError(`--${stray.name} has a meaning with --via only`);
}

/** @throws precondition, denied, unavailable and the like, with the next step */
export async function x509ViaToken(
  context: CommandContext,
  spiffeId: string | undefined,
): Promise<FetchedSvid[]> {
  const target = targetOf(context);
  const key = await keyOf(context);
  const { svids, bundle, federated_bundles } = await call<NewX509SVIDResponse__Output>(
    target,
    "NewX509SVID",
    {
      csr: key.csr,
      spiffe_id: spiffeId ?? "",
    },
  );
  const bundlePem = pemOf(bundle);
  const federated = new Map(
    federated_bundles.map((each) => [TrustDomain.parse(each.trust_domain).name, pemOf(each)]),
  );
  return svids.map(({ cert_chain: chain, hint }) => ({
    ...svidOf(concatBytes(chain), key.pkcs8),
    hint,
    bundlePem,
    federated,
  }));
}

function pemOf(bundle: Bundle__Output | null): string {
  const authorities = bundle?.x509_authorities ?? [];
  return encodeCertificates(authorities.map(({ asn1 }) => asn1));
}

/** @throws as above */
export async function jwtViaToken(
  context: CommandContext,
  spiffeId: string | undefined,
  audience: readonly string[],
): Promise<NewJWTSVIDResponse__Output["svids"]> {
  const target = targetOf(context);
  const { csr } = await keyOf(context);
  const request = { csr, spiffe_id: spiffeId ?? "", audience };
  return (await call<NewJWTSVIDResponse__Output>(target, "NewJWTSVID", request)).svids;
}

interface Target {
  readonly server: string;
  readonly tokenFile: string;
  readonly bundleFile: string;
  readonly trustDomain: string;
  readonly signal: AbortSignal;
}

function targetOf(context: CommandContext): Target {
  return {
    server: required(context, "server"),
    tokenFile: required(context, "token-file"),
    bundleFile: required(context, "trust-bundle"),
    trustDomain: context.options.text("trust-domain") ?? DEFAULT_TRUST_DOMAIN,
    signal: context.signal,
  };
}

async function call<Response extends object>(
  { server, tokenFile, bundleFile, trustDomain, signal }: Target,
  method: string,
  request: object,
): Promise<Response> {
  const token = await readTokenFile(tokenFile);
  const [{ dial }, { loadBootstrapBundle }] = await Promise.all([
    import("../../agent/server-client/connection.ts"),
    import("../../agent/identity/bootstrap.ts"),
  ]);
  const bundle = await loadBootstrapBundle(bundleFile, trustDomain);
  using channel = dial({ server, trustDomain, bundle, svid: undefined });
  try {
    return await channel.unary<Response>(
      "assay.token.v1.Token",
      method,
      { token, ...request },
      { signal, deadlineMs: DEADLINE_MS },
    );
  } catch (thrown) {
    if (!(thrown instanceof AssayError)) throw thrown;
    if (thrown.kind === "unavailable") {
      throw fail("unavailable", `the server ${server} cannot be used: ${thrown.message}`, {
        cause: thrown,
      });
    }
    if (thrown.kind !== "denied") throw thrown;
    throw fail("denied", `${thrown.message}; a token counts once unless --key-file keeps its key`, {
      cause: thrown,
    });
  }
}

async function keyOf(
  context: CommandContext,
): Promise<{ readonly csr: Uint8Array; readonly pkcs8: Uint8Array }> {
  const file = context.options.text("key-file");
  const isThere = file !== undefined && existsSync(file);
  const pkcs8 = isThere ? readKey(file) : (await generateKey("ec-p256")).pkcs8;
  if (file !== undefined && !isThere) {
    await replaceFile(resolve(file), encodePem("PRIVATE KEY", pkcs8), 0o600);
  }
  return { csr: await createCsr({ uris: [], signer: signerFromPkcs8(pkcs8) }), pkcs8 };
}

function readKey(file: string): Uint8Array {
  const [block] = decodePem(readFileSync(file, "utf8"));
  if (block?.label === "PRIVATE KEY") return block.der;
  throw fail("precondition", `--key-file: there is no unencrypted PKCS #8 key in ${file}`);
}

function required({ options }: CommandContext, name: string): string {
  const value = options.text(name);
  if (value === undefined) throw new UsageError(`--via ${options.text("via")} needs --${name}`);
  return value;
}

const DEADLINE_MS = 30_000;
