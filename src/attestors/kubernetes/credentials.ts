import { fail } from "../../base/errors.ts";
import { readTextFile } from "../../base/text-file.ts";
import type { Credential, KubernetesConnection } from "./connection.ts";

/** What one request is made with, as the files say now. */
export interface Credentials {
  /** Without the line break that files end with. */
  readonly token: string | undefined;
  /** PEM. The same object until one of them changes. */
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string };
}

/** Reads a connection's credentials anew for each request: whoever renews them need not tell us. */
export class CredentialReader {
  readonly #connection: KubernetesConnection;
  #tls: Credentials["tls"] = {};

  constructor(connection: KubernetesConnection) {
    this.#connection = connection;
  }

  /** @throws precondition when a file cannot be read, is empty or too large */
  async read(): Promise<Credentials> {
    const { authorities, clientCertificate, token } = this.#connection;
    const [ca, cert, key, bearer] = await Promise.all(
      [authorities, clientCertificate?.cert, clientCertificate?.key, token].map(textOf),
    );
    const held = this.#tls;
    if (held.ca !== ca || held.cert !== cert || held.key !== key) {
      this.#tls = {
        ...(ca === undefined ? {} : { ca }),
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key }),
      };
    }
    const trimmed = bearer?.trim();
    // A header cannot hold it, and the error of whoever tried would.
    if (trimmed !== undefined && !/^[\x21-\x7e]+$/.test(trimmed)) {
      throw fail("precondition", "the token for kubernetes holds characters that no token has");
    }
    return { token: trimmed, tls: this.#tls };
  }
}

async function textOf(credential: Credential | undefined): Promise<string | undefined> {
  if (credential === undefined) return undefined;
  return "text" in credential ? credential.text : await readTextFile(credential.file);
}
