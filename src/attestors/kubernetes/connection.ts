/**
 * Where a Kubernetes API (an API server, a kubelet) is and by what it is known and asked. Files are named and not held:
 * projected tokens and kubelet client certificates are renewed under the same path.
 */
export interface KubernetesConnection {
  /** `https://HOST:PORT`, or `http://HOST:PORT` for a kubelet's read-only port. */
  readonly server: string;
  /** Authorities (PEM) that the server's certificate must chain to; absent: those of the web. */
  readonly authorities?: Credential;
  /** The name in the server's certificate, where it is not the address's host. */
  readonly serverName?: string;
  /** Any certificate will do: whoever answers is believed. */
  readonly isUnverified?: true;
  readonly token?: Credential;
  readonly clientCertificate?: { readonly cert: Credential; readonly key: Credential };
}

/** A file that is read again as it changes, or the text itself. */
export type Credential = { readonly file: string } | { readonly text: string };
