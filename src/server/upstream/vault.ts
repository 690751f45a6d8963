/** The PKI engine of OpenBao or HashiCorp Vault: it signs our request as an intermediate. */
import { bytesEqual } from "../../base/bytes.ts";
import type { Clock } from "../../base/clock.ts";
import { errorFrom, fail } from "../../base/errors.ts";
import { readTextFile } from "../../base/text-file.ts";
import { type VaultAnswer, VaultClient } from "../../vault/vault-client.ts";
import { type Certificate, parseCertificate } from "../../x509/certificate.ts";
import { decodePem, encodePem, requireCertificates } from "../../x509/pem.ts";
import type { CaRequest, SignedCa, Upstream } from "./contract.ts";
import { requestFor } from "./request.ts";
import { type VaultAuth, vaultAccess } from "./vault-login.ts";

export interface VaultUpstreamOptions extends VaultAuth {
  readonly address: string;
  readonly caFile?: string;
  readonly vaultNamespace?: string;
  /** Path of the PKI engine. */
  readonly mount: string;
  /** Name or ID of one of its issuers; its default one when absent. */
  readonly issuer?: string;
  /** PEM: the roots, where the engine does not hold them. */
  readonly bundleFile?: string;
  readonly timeoutMs: number;
  /** Whether authorities of sets ask to be kept from naming URIs; they do when absent. */
  readonly nameConstraints?: boolean;
  readonly clock: Clock;
}

/** Asks nobody yet. @throws invalid, precondition when the settings or files do not do */
export async function openVaultUpstream(options: VaultUpstreamOptions): Promise<Upstream> {
  const { address, caFile, vaultNamespace, timeoutMs, clock } = options;
  if (options.bundleFile !== undefined) await certificatesIn(options.bundleFile);
  const client = await VaultClient.open({
    address: address.replace(/\/+$/, ""),
    timeoutMs,
    clock,
    ...(caFile === undefined ? {} : { caFile }),
    ...(vaultNamespace === undefined ? {} : { vaultNamespace }),
    ...vaultAccess(options),
  });
  const engine = new PkiEngine(client, options);
  return {
    authority: {
      name: "vault",
      sign: (request, signal) => engine.sign(request, signal),
      [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
    },
    watch: {
      pollMs: POLL_MS,
      isWhole: false,
      look: async (signal) => ({
        x509Authorities: (await engine.roots(signal)).map(({ raw }) => ({
          der: raw,
          tainted: false,
        })),
        jwtAuthorities: [],
      }),
    },
  };
}

class PkiEngine {
  readonly #client: VaultClient;
  readonly #options: VaultUpstreamOptions;
  readonly #issuer: string;

  constructor(client: VaultClient, options: VaultUpstreamOptions) {
    this.#client = client;
    this.#options = options;
    this.#issuer = `${options.mount}/issuer/${encodeURIComponent(options.issuer ?? "default")}`;
  }

  async sign({ key, ttlSeconds, ...owner }: CaRequest, signal: AbortSignal): Promise<SignedCa> {
    const { nameConstraints } = this.#options;
    const csr = encodePem("CERTIFICATE REQUEST", await requestFor(key, owner, nameConstraints));
    // Subject, names and name constraints are the request's; the engine adds what makes it an authority.
    const body = { csr, use_csr_values: true, ttl: `${ttlSeconds}s`, format: "pem" };
    const data = await this.#ask("POST", `${this.#issuer}/sign-intermediate`, body, signal);
    const [own, ...others] = [
      ...this.#read(data, "certificate"),
      ...this.#read(data, "issuing_ca"),
      ...this.#read(data, "ca_chain"),
    ];
    if (own === undefined) throw fail("unavailable", "the answer holds no certificate");
    const between = unique(others.filter((each) => !isSelfSigned(each) && !isSame(each, own)));
    const roots = await this.#rootsOf(others);
    return { chain: [own, ...between].map(({ raw }) => raw), roots: roots.map(({ raw }) => raw) };
  }

  async roots(signal: AbortSignal): Promise<readonly Certificate[]> {
    if (this.#options.bundleFile !== undefined) return this.#rootsOf([]);
    const data = await this.#ask("GET", this.#issuer, undefined, signal);
    return this.#rootsOf([...this.#read(data, "certificate"), ...this.#read(data, "ca_chain")]);
  }

  async #rootsOf(certificates: readonly Certificate[]): Promise<readonly Certificate[]> {
    const { bundleFile, mount } = this.#options;
    if (bundleFile !== undefined) return certificatesIn(bundleFile);
    const roots = unique(certificates.filter(isSelfSigned));
    if (roots.length > 0) return roots;
    throw fail(
      "precondition",
      `the engine at ${mount} does not hold its root: name a file with the roots in upstreamAuthority.vault.bundleFile`,
    );
  }

  async #ask(
    method: "GET" | "POST",
    path: string,
    body: object | undefined,
    signal: AbortSignal,
  ): Promise<VaultAnswer> {
    const answer = await this.#client.request(method, path, body, signal);
    const data = answer?.["data"];
    if (typeof data === "object" && data !== null) return data as VaultAnswer;
    throw fail(
      "precondition",
      `${this.#options.address} has no PKI engine at ${this.#options.mount}, or no such issuer`,
    );
  }

  /** One PEM text or a list of them. */
  #read(data: VaultAnswer, member: string): readonly Certificate[] {
    const value = data[member];
    const texts = (Array.isArray(value) ? value : [value]).slice(0, MAX_CERTIFICATES);
    try {
      return texts
        .filter((text) => typeof text === "string")
        .flatMap((text) => decodePem(text))
        .map(({ der }) => parseCertificate(der));
    } catch (cause) {
      const why = errorFrom(cause).message;
      throw fail("unavailable", `${this.#options.address} answered with a ${member} that ${why}`, {
        cause,
      });
    }
  }
}

async function certificatesIn(file: string): Promise<readonly Certificate[]> {
  const text = await readTextFile(file);
  try {
    return requireCertificates(text).map(parseCertificate);
  } catch (cause) {
    throw fail("precondition", `${file}: ${errorFrom(cause).message}`, { cause });
  }
}

function unique(certificates: readonly Certificate[]): readonly Certificate[] {
  return certificates.filter(
    (each, at) => certificates.findIndex((one) => isSame(one, each)) === at,
  );
}

function isSame(one: Certificate, other: Certificate): boolean {
  return bytesEqual(one.raw, other.raw);
}

function isSelfSigned({ issuer, subject }: Certificate): boolean {
  return bytesEqual(issuer, subject);
}

const POLL_MS = 60_000;
const MAX_CERTIFICATES = 16;
