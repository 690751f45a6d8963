/**
 * The upstream's roots in the domain's own bundle. An authority that others signed is in no bundle; what is tainted and
 * revoked is the root above it, and with it all that was signed below.
 */
import { bytesEqual } from "../../base/bytes.ts";
import { fail } from "../../base/errors.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import { parseCertificate } from "../../x509/certificate.ts";
import type { AuthorityRecord } from "../datastore/contract.ts";
import type { UpstreamBundle } from "../upstream/contract.ts";
import { type Authority, upstreamIdOf } from "./authority.ts";
import type { AuthorityJournal } from "./authority-journal.ts";
import { keyIdOf } from "./check-signed-ca.ts";

export class UpstreamRoots {
  readonly #journal: AuthorityJournal;
  /** As the upstream says: key ids of roots, hex. */
  #tainted: ReadonlySet<string> = new Set();

  constructor(journal: AuthorityJournal) {
    this.#journal = journal;
  }

  /** Whether the upstream tainted the root above it. */
  isTainted(record: AuthorityRecord): boolean {
    const id = upstreamIdOf(record);
    return id !== undefined && this.#tainted.has(id);
  }

  /** Publishes what is new at the upstream, before anything is signed below it. */
  async add({ x509Authorities, jwtAuthorities }: UpstreamBundle): Promise<void> {
    this.#tainted = new Set(
      x509Authorities.filter(({ tainted }) => tainted).map(({ der }) => idOf(der)),
    );
    await this.#journal.commit({
      publish: (bundle) => ({
        ...bundle,
        x509Authorities: [
          ...bundle.x509Authorities,
          ...x509Authorities
            .filter(({ der, tainted }) => !tainted && !hasRoot(bundle, der) && !this.#hasEnded(der))
            .map(({ der }) => ({ der, tainted: false })),
        ],
        jwtAuthorities: [
          ...bundle.jwtAuthorities,
          ...jwtAuthorities.filter(({ keyId }) => !hasKey(bundle, keyId)),
        ],
      }),
    });
  }

  /**
   * Taints what the upstream tainted, and with `isWhole` takes out what it tainted before and has no more. To be
   * called when no authority signs below it any longer, else agents would replace SVIDs by others of the same root.
   */
  async follow(
    { x509Authorities, jwtAuthorities }: UpstreamBundle,
    isWhole: boolean,
  ): Promise<void> {
    const active = this.#journal.active && upstreamIdOf(this.#journal.active.record);
    const seen = new Map(x509Authorities.map(({ der, tainted }) => [idOf(der), tainted]));
    const keys = new Map(jwtAuthorities.map(({ keyId, tainted }) => [keyId, tainted]));
    const isGone = (tainted: boolean, there: boolean): boolean => isWhole && tainted && !there;
    await this.#journal.commit({
      put: this.#journal
        .withStatus("old")
        .filter(({ record }) => this.isTainted(record) && !record.tainted)
        .map(tainted),
      publish: (bundle) => ({
        ...bundle,
        x509Authorities: bundle.x509Authorities.flatMap((root) => {
          const id = idOf(root.der);
          if (id === active) return [root];
          if (seen.size > 0 && isGone(root.tainted, seen.has(id))) return [];
          return [seen.get(id) === true ? { ...root, tainted: true } : root];
        }),
        jwtAuthorities: bundle.jwtAuthorities.flatMap((key) => {
          if (keys.size > 0 && isGone(key.tainted, keys.has(key.keyId))) return [];
          return [keys.get(key.keyId) === true ? { ...key, tainted: true } : key];
        }),
      }),
    });
  }

  /** @throws not_found, precondition. @returns the root's key id as it is written here */
  async taint(given: string): Promise<string> {
    const id = this.#requireIdle(given);
    const put = this.#below(id).map(tainted);
    await this.#journal.commit({
      put,
      publish: (bundle) => {
        if (requireRoot(bundle, id).tainted) {
          throw fail("precondition", `upstream authority ${id} is tainted already; revoke it next`);
        }
        return mapRoot(bundle, id, (root) => [{ ...root, tainted: true }]);
      },
    });
    return id;
  }

  /** @throws not_found, precondition */
  async revoke(given: string): Promise<string> {
    const id = this.#requireIdle(given);
    const { notAfter } = parseCertificate(requireRoot(await this.#journal.bundle(), id).der);
    const remove = this.#below(id).map(({ record }) => record);
    await this.#journal.commit({
      remove,
      revoke: [{ kind: "x509", id, notAfter }],
      publish: (bundle) => {
        if (!requireRoot(bundle, id).tainted) {
          throw fail("precondition", `upstream authority ${id} is not tainted; taint it first`);
        }
        return mapRoot(bundle, id, () => []);
      },
    });
    return id;
  }

  #requireIdle(given: string): string {
    const id = given.replaceAll(":", "").toLowerCase();
    const status = this.#inUse().get(id);
    if (status === undefined) return id;
    throw fail(
      "conflict",
      `upstream authority ${id} is the root of the ${status} authority; have the next one signed below another root and activate it first`,
    );
  }

  /** Roots of authorities that sign, or are to. */
  #inUse(): ReadonlyMap<string, string> {
    const found = new Map<string, string>();
    for (const status of ["prepared", "active"] as const) {
      for (const { record } of this.#journal.withStatus(status)) {
        const id = upstreamIdOf(record);
        if (id !== undefined) found.set(id, status);
      }
    }
    return found;
  }

  #below(id: string): readonly Authority[] {
    return this.#journal.withStatus("old").filter(({ record }) => upstreamIdOf(record) === id);
  }

  #hasEnded(der: Uint8Array): boolean {
    return parseCertificate(der).notAfter <= this.#journal.now;
  }
}

function tainted(authority: Authority): Authority {
  return { ...authority, record: { ...authority.record, tainted: true } };
}

function idOf(der: Uint8Array): string {
  return keyIdOf(parseCertificate(der));
}

function hasRoot(bundle: Bundle, der: Uint8Array): boolean {
  return bundle.x509Authorities.some((root) => bytesEqual(root.der, der));
}

function hasKey(bundle: Bundle, keyId: string): boolean {
  return bundle.jwtAuthorities.some((key) => key.keyId === keyId);
}

type Root = Bundle["x509Authorities"][number];

function requireRoot(bundle: Bundle, id: string): Root {
  const root = bundle.x509Authorities.find(({ der }) => idOf(der) === id);
  if (root !== undefined) return root;
  const shown = HEX.test(id) ? ` ${id}` : "";
  throw fail(
    "not_found",
    `no authority with that subject key id${shown} is in the bundle; 'assay authority x509 show' names those above old authorities`,
  );
}

function mapRoot(bundle: Bundle, id: string, change: (root: Root) => readonly Root[]): Bundle {
  return {
    ...bundle,
    x509Authorities: bundle.x509Authorities.flatMap((root) =>
      idOf(root.der) === id ? change(root) : [root],
    ),
  };
}

const HEX = /^[0-9a-f]{1,64}$/;
