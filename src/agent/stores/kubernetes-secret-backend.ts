import {
  type KubernetesAnswer,
  type KubernetesClient,
  refusalOf,
} from "../../attestors/kubernetes/client.ts";
import { toBase64 } from "../../base/bytes.ts";
import { type AssayError, fail } from "../../base/errors.ts";
import { encodeCertificates, encodePem } from "../../x509/pem.ts";
import type { Place, StoredSvid, SvidBackend } from "./contract.ts";
import { valuesOf } from "./place.ts";

export interface KubernetesSecretOptions {
  readonly client: KubernetesClient;
  readonly trustDomain: string;
  /** Those that Secrets may be written to. */
  readonly namespaces: ReadonlySet<string>;
}

/**
 * `kubernetes_secret:namespace:NS` and `kubernetes_secret:name:NAME`: a Secret of type `kubernetes.io/tls` with
 * `tls.crt`, `tls.key` and `ca.crt`. Written by server-side apply: the API server itself refuses where somebody else
 * owns one of the fields. Needs the rights to create, patch and delete Secrets, and none to read them.
 */
export class KubernetesSecretBackend implements SvidBackend {
  readonly name = "kubernetes_secret";
  readonly #options: KubernetesSecretOptions;

  constructor(options: KubernetesSecretOptions) {
    this.#options = options;
  }

  check(place: Place): void {
    this.#path(place);
  }

  put(place: Place, svid: StoredSvid, signal: AbortSignal): Promise<string> {
    const data = {
      "tls.crt": encodeCertificates(svid.chain),
      "tls.key": encodePem("PRIVATE KEY", svid.key),
      "ca.crt": encodeCertificates(svid.bundle),
      ...Object.fromEntries(
        [...svid.federated].map(([trustDomain, roots]) => [
          `federated.${trustDomain}.crt`,
          encodeCertificates(roots),
        ]),
      ),
    };
    return this.#apply(place, data, annotationsOf(svid), signal);
  }

  async remove(place: Place, handle: string | undefined, signal: AbortSignal): Promise<void> {
    // Taking the fields over without force tells whether they are ours, and says the Secret's uid.
    const uid = handle ?? (await this.#apply(place, { "tls.crt": "", "tls.key": "" }, {}, signal));
    const answer = await this.#options.client.ask({
      method: "DELETE",
      path: this.#path(place),
      body: { apiVersion: "v1", kind: "DeleteOptions", preconditions: { uid } },
      signal,
    });
    // Gone already, or another one of that name by now.
    if ([200, 202, 404, 409].includes(answer.status)) return;
    throw refused(`delete Secret ${shown(place)}`, answer);
  }

  async #apply(
    place: Place,
    data: Readonly<Record<string, string>>,
    annotations: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<string> {
    const { client, trustDomain } = this.#options;
    const { namespace, name } = this.#values(place);
    const manager = encodeURIComponent(`assay/${trustDomain}`.slice(0, MAX_MANAGER));
    const answer = await client.ask({
      method: "PATCH",
      isApply: true,
      path: `${this.#path(place)}?fieldManager=${manager}&force=false`,
      body: {
        apiVersion: "v1",
        kind: "Secret",
        metadata: {
          name,
          namespace,
          labels: { "app.kubernetes.io/managed-by": "assay" },
          annotations,
        },
        type: "kubernetes.io/tls",
        data: Object.fromEntries(
          Object.entries(data).map(([key, text]) => [
            key,
            toBase64(new TextEncoder().encode(text)),
          ]),
        ),
      },
      signal,
    });
    if (answer.status === 200 || answer.status === 201) return uidOf(answer);
    throw refused(`write Secret ${shown(place)}`, answer);
  }

  #path(place: Place): string {
    const { namespace, name } = this.#values(place);
    return `/api/v1/namespaces/${namespace}/secrets/${name}`;
  }

  #values(place: Place): { readonly namespace: string; readonly name: string } {
    const values = valuesOf(this.name, place, { namespace: LABEL, name: DNS_NAME });
    if (this.#options.namespaces.has(values.namespace)) return values;
    throw fail(
      "denied",
      `svidStores.kubernetesSecret.namespaces does not have '${values.namespace}'`,
    );
  }
}

function annotationsOf({ spiffeId, expiresAt, hint }: StoredSvid): Record<string, string> {
  return {
    "assay/spiffe-id": spiffeId,
    "assay/expires-at": new Date(expiresAt * 1000).toISOString(),
    ...(hint === "" ? {} : { "assay/hint": hint }),
  };
}

function uidOf({ body }: KubernetesAnswer): string {
  const metadata = body["metadata"];
  const uid =
    typeof metadata === "object" && metadata !== null && "uid" in metadata
      ? metadata.uid
      : undefined;
  if (typeof uid === "string") return uid;
  throw fail("unavailable", "the API server answered with a Secret that has no uid");
}

function refused(what: string, answer: KubernetesAnswer): AssayError {
  const { status } = answer;
  const said = `cannot ${what}: ${refusalOf(answer)}`;
  if (status === 401 || status === 403) return fail("denied", said);
  if (status === 409) return fail("conflict", `${said}; it is somebody else's, name another`);
  if (status === 422 || status === 404 || status === 400) return fail("precondition", said);
  return fail("unavailable", said);
}

function shown(place: Place): string {
  return `${place.get("namespace") ?? ""}/${place.get("name") ?? ""}`;
}

const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const DNS_NAME = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;
/** Of the API server. */
const MAX_MANAGER = 128;
