import { createHash } from "node:crypto";
import { fail } from "../base/errors.ts";
import { encodeCertificates, encodePem } from "../x509/pem.ts";
import { FEDERATED, type Target, holdsX509 } from "./target.ts";
import { type DeliveredSvid, type Root, type View, pickOf } from "./view.ts";

export interface RenderedFile {
  /** Relative, at most one folder deep. */
  readonly name: string;
  readonly content: Uint8Array;
  /** Holds a key or a token. */
  readonly isSecret: boolean;
}

/** What of a view goes into one target. */
export interface Contents {
  readonly svid: DeliveredSvid | undefined;
  readonly roots: readonly Root[];
  readonly federated: readonly (readonly [trustDomain: string, roots: readonly Root[]])[];
  readonly crls: readonly Uint8Array[];
  readonly jwtBundle: Uint8Array | undefined;
  readonly tokens: ReadonlyMap<string, string>;
}

/** @throws not_found when no SVID is the target's; precondition when its bundle would be empty */
export function contentsOf(target: Target, view: View, nowMs: number): Contents {
  const { jwtBundle, tokens } = view;
  if (!holdsX509(target))
    return { svid: undefined, roots: [], federated: [], crls: [], jwtBundle, tokens };
  const svid = pickOf(view.svids, target.pick);
  const isLive = ({ expiresAt }: Root): boolean => !target.omitExpired || expiresAt * 1000 >= nowMs;
  const federated = [...view.federated]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([trustDomain, roots]) => [trustDomain, roots.filter(isLive)] as const)
    .filter(([, roots]) => roots.length > 0);
  const own = svid.bundle.filter(isLive);
  if (own.length === 0) throw fail("precondition", "the bundle of the trust domain is empty");
  const roots = target.includeFederated
    ? [...own, ...federated.flatMap(([, foreign]) => foreign)]
    : own;
  return { svid, roots, federated, crls: target.crl ? view.crls : [], jwtBundle, tokens };
}

/** Two equal ones mean files that say the same; `x509` leaves tokens out, which programs read anew by themselves. */
export interface Fingerprint {
  readonly all: string;
  readonly x509: string;
}

export function fingerprintOf({
  svid,
  roots,
  federated,
  crls,
  jwtBundle,
  tokens,
}: Contents): Fingerprint {
  const hash = createHash("sha256");
  const part = (name: string, ...bytes: readonly (Uint8Array | string)[]): void => {
    hash.update(`${name} ${bytes.length}\n`);
    for (const each of bytes) hash.update(`${each.length}:`).update(each);
  };
  if (svid !== undefined) part("svid", svid.spiffeId, svid.key, ...svid.chain);
  part("roots", ...roots.map(({ der }) => der));
  for (const [trustDomain, foreign] of federated) {
    part("federated", trustDomain, ...foreign.map(({ der }) => der));
  }
  part("crls", ...crls);
  const x509 = hash.copy().digest("hex");
  if (jwtBundle !== undefined) part("jwt-bundle", jwtBundle);
  for (const [file, token] of tokens) part("token", file, token);
  return { all: hash.digest("hex"), x509 };
}

/** @throws what the key store's writer throws */
export async function renderFiles(target: Target, contents: Contents): Promise<RenderedFile[]> {
  const { names } = target;
  const { svid, crls, jwtBundle, tokens } = contents;
  return [
    ...(svid === undefined ? [] : await renderX509(target, svid, contents)),
    ...(crls.length === 0
      ? []
      : [open(names.crl, crls.map((der) => encodePem("X509 CRL", der)).join(""))]),
    ...(jwtBundle === undefined ? [] : [open(names.jwtBundle, jwtBundle)]),
    ...[...tokens].map(([file, token]) => secret(file, token)),
  ];
}

async function renderX509(
  { format, names, password = "", storeCipher }: Target,
  svid: DeliveredSvid,
  { roots, federated }: Contents,
): Promise<RenderedFile[]> {
  const chain = encodeCertificates(svid.chain);
  const key = encodePem("PRIVATE KEY", svid.key);
  const foreign = federated.map(([trustDomain, roots]) =>
    open(`${FEDERATED}/${trustDomain}.pem`, encodeCertificates(roots.map(({ der }) => der))),
  );
  const bundle = roots.map(({ der }) => der);
  switch (format) {
    case "pem":
      return [
        open(names.svid, chain),
        secret(names.key, key),
        open(names.bundle, encodeCertificates(bundle)),
        ...foreign,
      ];
    case "haproxy":
      return [
        secret(names.svid, chain + key),
        open(names.bundle, encodeCertificates(bundle)),
        ...foreign,
      ];
    case "pkcs12": {
      // Only those who want a store pay for its library.
      const { keyStore, trustStore } = await import("../x509/pkcs12/stores.ts");
      const { chain, key, spiffeId } = svid;
      return [
        secret(
          names.svid,
          await keyStore({ alias: spiffeId, chain, key, password, cipher: storeCipher }),
        ),
        open(names.bundle, await trustStore({ roots: bundle, password })),
        ...foreign,
      ];
    }
    case "jwt":
      return [];
  }
}

function open(name: string, content: string | Uint8Array): RenderedFile {
  return { name, content: bytesOf(content), isSecret: false };
}

function secret(name: string, content: string | Uint8Array): RenderedFile {
  return { name, content: bytesOf(content), isSecret: true };
}

function bytesOf(content: string | Uint8Array): Uint8Array {
  return typeof content === "string" ? new TextEncoder().encode(content) : content;
}
