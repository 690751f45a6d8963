import type { KubernetesAnswer, KubernetesClient } from "../../attestors/kubernetes/client.ts";
import { type AssayError, fail } from "../../base/errors.ts";
import { encodeCertificates, encodePem } from "../../x509/pem.ts";
import type { Place, StoredSvid, SvidBackend } from "./contract.ts";
import { valuesOf } from "./place.ts";

export interface VaultOptions {
  /** Vault takes its token as `Authorization: Bearer`, too, and speaks JSON as plainly. */
  readonly client: KubernetesClient;
  readonly trustDomain: string;
  readonly namespace?: string;
  readonly mount: string;
  readonly prefix: string;
}

/**
 * `vault:path:PATH`: a secret of the KV engine (version 2) at MOUNT/PREFIX/PATH, with the keys that SPIRE's stores have
 * (`spiffeId`, `x509Svid`, `x509SvidKey`, `bundle`, `federatedBundles`). Its custom metadata says whose it is, one version
 * is kept, and each write names the version that it replaces. Needs the rights to create and update `data` and to create,
 * read, update and delete `metadata`, and none to read `data`.
 */
export class VaultBackend implements SvidBackend {
  readonly name = "vault";
  readonly #options: VaultOptions;

  constructor(options: VaultOptions) {
    this.#options = options;
  }

  check(place: Place): void {
    this.#path("data", place);
  }

  async put(place: Place, svid: StoredSvid, signal: AbortSignal): Promise<string> {
    const metadata = this.#path("metadata", place);
    const version = await this.#ownVersion(place, signal);
    // First whose it is, so that nothing lies there unmarked; an older key is no longer held then.
    await this.#ask(
      "POST",
      metadata,
      {
        max_versions: 1,
        custom_metadata: { "managed-by": this.#mark, "spiffe-id": svid.spiffeId },
      },
      signal,
    );
    const body = { options: { cas: version ?? 0 }, data: dataOf(svid) };
    await this.#ask("POST", this.#path("data", place), body, signal);
    return "";
  }

  async remove(place: Place, _handle: string | undefined, signal: AbortSignal): Promise<void> {
    let version: number | undefined;
    try {
      version = await this.#ownVersion(place, signal);
    } catch (thrown) {
      // Somebody else's by now.
      if (thrown instanceof Error && "kind" in thrown && thrown.kind === "conflict") return;
      throw thrown;
    }
    if (version === undefined) return;
    await this.#ask("DELETE", this.#path("metadata", place), undefined, signal);
  }

  get #mark(): string {
    return `assay/${this.#options.trustDomain}`;
  }

  /** @returns the present version of what is ours; undefined when nothing is there. @throws conflict */
  async #ownVersion(place: Place, signal: AbortSignal): Promise<number | undefined> {
    const path = this.#path("metadata", place);
    const answer = await this.#options.client.ask({ method: "GET", path, signal });
    if (answer.status === 404) return undefined;
    if (answer.status !== 200) throw this.#refused(path, answer);
    const { custom_metadata: custom, current_version: version } = (answer.body["data"] ?? {}) as {
      custom_metadata?: Record<string, unknown> | null;
      current_version?: unknown;
    };
    if (custom?.["managed-by"] === this.#mark) return typeof version === "number" ? version : 0;
    throw fail(
      "conflict",
      `${this.#where(path)}: what is there is somebody else's; name another path`,
    );
  }

  async #ask(
    method: "POST" | "DELETE",
    path: string,
    body: object | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { client } = this.#options;
    const answer = await client.ask({
      method,
      path,
      ...(body === undefined ? {} : { body }),
      signal,
    });
    if (answer.status === 200 || answer.status === 204) return;
    throw this.#refused(path, answer);
  }

  #path(kind: "data" | "metadata", place: Place): string {
    const { path } = valuesOf(this.name, place, { path: PATH });
    const { namespace, mount, prefix } = this.#options;
    const parts = [
      ...segments(namespace ?? ""),
      ...segments(mount),
      kind,
      ...segments(prefix),
      ...segments(path),
    ];
    return `/v1/${parts.map(encodeURIComponent).join("/")}`;
  }

  #refused(path: string, { status, body }: KubernetesAnswer): AssayError {
    const errors = body["errors"];
    const said = Array.isArray(errors) ? errors.map(String).join("; ").slice(0, MAX_SAID) : "";
    const message = `${this.#where(path)}: status ${status}${said === "" ? "" : `: ${said.replaceAll(/\p{Cc}/gu, " ")}`}`;
    if (status === 403) return fail("denied", message);
    if (status === 400 && /check-and-set/.test(said)) return fail("conflict", message);
    if (status === 400 || status === 404) return fail("precondition", message);
    return fail("unavailable", message);
  }

  #where(path: string): string {
    return `${this.#options.client.server}${path}`;
  }
}

function dataOf({ spiffeId, hint, chain, key, bundle, federated }: StoredSvid): object {
  return {
    spiffeId,
    x509Svid: encodeCertificates(chain),
    x509SvidKey: encodePem("PRIVATE KEY", key),
    bundle: encodeCertificates(bundle),
    federatedBundles: Object.fromEntries(
      [...federated].map(([trustDomain, roots]) => [
        `spiffe://${trustDomain}`,
        encodeCertificates(roots),
      ]),
    ),
    ...(hint === "" ? {} : { hint }),
  };
}

function segments(path: string): string[] {
  return path.split("/").filter((segment) => segment !== "");
}

/** No segment begins with a dot: `..` would lead out of the prefix. */
const PATH = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}(\/[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}){0,15}$/;
const MAX_SAID = 300;
