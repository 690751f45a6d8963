/** An issuing authority in files, which their owner may replace at any time: they are read for each signature. */
import { dirname, join, resolve } from "node:path";
import { bytesEqual } from "../../base/bytes.ts";
import { errorFrom, fail } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import { readTextFile } from "../../base/text-file.ts";
import type { Signer } from "../../keys/contract.ts";
import { signerFromPem } from "../../keys/pem-key.ts";
import { type Certificate, parseCertificate } from "../../x509/certificate.ts";
import { signIntermediate } from "../../x509/intermediate.ts";
import { NO_URIS } from "../../x509/name-constraints.ts";
import { decodeCertificates } from "../../x509/pem.ts";
import { randomSerial } from "../ca/serial-number.ts";
import type { CaRequest, SignedCa, Upstream } from "./contract.ts";
import { caNames } from "./request.ts";

export interface DiskUpstreamOptions {
  /** PEM: the issuing authority, then those between it and the root. */
  readonly certFile: string;
  /** PEM: its key. */
  readonly keyFile: string;
  /** Passphrase of that key. */
  readonly passphraseFile?: string;
  /** PEM: the roots; needed unless the issuing authority is one. */
  readonly bundleFile?: string;
  /** Whether authorities of sets beside the trust domain's own are kept from naming URIs; they are when absent. */
  readonly nameConstraints?: boolean;
  readonly random: Random;
}

/** @throws precondition, invalid when the files do not do now */
export async function openDiskUpstream(options: DiskUpstreamOptions): Promise<Upstream> {
  const { random, nameConstraints = true } = options;
  const issuing = await load(options);
  // Said at the start, where somebody looks.
  await signerOf(options, issuing);
  return {
    authority: {
      name: "disk",
      ...renewalOf(options),
      async sign({ key, now, ttlSeconds, ...owner }: CaRequest): Promise<SignedCa> {
        const { chain, roots, ...files } = await load(options);
        const [issuer] = chain;
        const signer = await signerOf(options, { chain, roots, ...files });
        const serial = randomSerial(random);
        const own = await signIntermediate(
          {
            issuer,
            publicKey: key.publicKey,
            ...caNames(owner),
            ...(owner.set === undefined || !nameConstraints ? {} : { nameConstraints: NO_URIS }),
            serial,
            now,
            ttlSeconds,
          },
          signer,
        );
        const between = chain.filter((each) => !isIn(roots, each));
        return {
          chain: [own, ...between.map(({ raw }) => raw)],
          roots: roots.map(({ raw }) => raw),
        };
      },
      [Symbol.asyncDispose]: async () => undefined,
    },
    watch: {
      pollMs: POLL_MS,
      isWhole: false,
      async look() {
        const { roots } = await load(options);
        return {
          x509Authorities: roots.map(({ raw }) => ({ der: raw, tainted: false })),
          jwtAuthorities: [],
        };
      },
    },
  };
}

/** A folder that `assay ca init` made or took over: its root stands for itself. */
function renewalOf({ certFile, keyFile, bundleFile, passphraseFile }: DiskUpstreamOptions): {
  readonly renewal?: string;
} {
  const file = resolve(certFile);
  const dir = dirname(file);
  const isCaFolder =
    file === join(dir, "cacert.pem") &&
    resolve(keyFile) === join(dir, "cakey.pem") &&
    bundleFile === undefined &&
    passphraseFile === undefined;
  if (!isCaFolder) return {};
  return {
    renewal: `'assay ca init NEW --from ${dir} --ttl 3650d' certifies its key anew; put NEW/cacert.pem in the place of ${file} and hand it out`,
  };
}

interface Issuing {
  /** The issuing authority first. */
  readonly chain: readonly [Certificate, ...Certificate[]];
  readonly roots: readonly Certificate[];
}

async function load({ certFile, bundleFile }: DiskUpstreamOptions): Promise<Issuing> {
  const chain = await certificates(certFile);
  if (bundleFile !== undefined) return { chain, roots: await certificates(bundleFile) };
  const roots = chain.filter(({ issuer, subject }) => bytesEqual(issuer, subject));
  if (roots.length > 0) return { chain, roots };
  throw fail(
    "precondition",
    `${certFile} has no root: put the roots into a file of their own and name it with upstreamAuthority.disk.bundleFile`,
  );
}

async function signerOf(
  { keyFile, passphraseFile, certFile }: DiskUpstreamOptions,
  { chain: [issuer] }: Issuing,
): Promise<Signer> {
  const passphrase =
    passphraseFile === undefined ? undefined : (await readTextFile(passphraseFile)).trim();
  const signer = within(keyFile, await readTextFile(keyFile), (text) =>
    signerFromPem(text, passphrase),
  );
  if (bytesEqual(signer.publicKey, issuer.publicKey)) return signer;
  throw fail(
    "precondition",
    `${keyFile} holds another key than that of the first certificate in ${certFile}`,
  );
}

async function certificates(file: string): Promise<[Certificate, ...Certificate[]]> {
  const [first, ...others] = within(file, await readTextFile(file), (text) =>
    decodeCertificates(text).map(parseCertificate),
  );
  if (first === undefined) throw fail("precondition", `${file} holds no certificate (PEM)`);
  return [first, ...others];
}

/** Puts the file's name before what is wrong in it. */
function within<T>(file: string, text: string, read: (text: string) => T): T {
  try {
    return read(text);
  } catch (cause) {
    throw fail("precondition", `${file}: ${errorFrom(cause).message}`, { cause });
  }
}

function isIn(roots: readonly Certificate[], certificate: Certificate): boolean {
  return roots.some(({ raw }) => bytesEqual(raw, certificate.raw));
}

const POLL_MS = 5000;
