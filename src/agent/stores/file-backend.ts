import type { Random } from "../../base/random.ts";
import { FileGenerations } from "../../delivery/file-generations.ts";
import type { RenderedFile } from "../../delivery/render.ts";
import { encodeCertificates, encodePem } from "../../x509/pem.ts";
import type { Place, StoredSvid, SvidBackend } from "./contract.ts";
import { valuesOf } from "./place.ts";

export interface FileBackendOptions {
  readonly folder: string;
  readonly gid?: number;
  readonly keyMode: number;
  readonly random: Random;
}

/** `file:name:NAME`: svid.pem, key.pem and bundle.pem in FOLDER/NAME, exchanged all at once. */
export class FileBackend implements SvidBackend {
  readonly name = "file";
  readonly #options: FileBackendOptions;

  constructor(options: FileBackendOptions) {
    this.#options = options;
  }

  check(place: Place): void {
    this.#folder(place);
  }

  async put(place: Place, svid: StoredSvid): Promise<string> {
    using generations = this.#generations(place);
    await generations.write(filesOf(svid));
    return "";
  }

  async remove(place: Place): Promise<void> {
    using generations = this.#generations(place);
    await generations.remove();
  }

  #generations(place: Place): FileGenerations {
    const { gid, keyMode, random } = this.#options;
    return new FileGenerations({
      dir: this.#folder(place),
      ...(gid === undefined ? {} : { gid }),
      fileMode: 0o644,
      keyMode,
      random,
    });
  }

  #folder(place: Place): string {
    return `${this.#options.folder}/${valuesOf(this.name, place, { name: NAME }).name}`;
  }
}

function filesOf({ chain, key, bundle, federated }: StoredSvid): RenderedFile[] {
  const open = (name: string, ders: readonly Uint8Array[]): RenderedFile => ({
    name,
    content: new TextEncoder().encode(encodeCertificates(ders)),
    isSecret: false,
  });
  return [
    open("svid.pem", chain),
    {
      name: "key.pem",
      content: new TextEncoder().encode(encodePem("PRIVATE KEY", key)),
      isSecret: true,
    },
    open("bundle.pem", bundle),
    ...[...federated].map(([trustDomain, roots]) => open(`federated/${trustDomain}.pem`, roots)),
  ];
}

const NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
