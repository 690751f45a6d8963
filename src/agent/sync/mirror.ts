/** What the server has told, entry by entry and bundle by bundle: what a poll replaces and a push changes. */
import { bytesEqual } from "../../base/bytes.ts";
import { errorFrom } from "../../base/errors.ts";
import type { Logger } from "../../observe/logger.ts";
import type { Template__Output } from "../../rpc/gen/assay/template/v1/Template.ts";
import type { Bundle__Output } from "../../rpc/gen/spire/api/types/Bundle.ts";
import type { Entry__Output } from "../../rpc/gen/spire/api/types/Entry.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import type { Entry } from "../cache/entry.ts";
import { sameBundle } from "../identity/agent-identity.ts";
import { bundleFromMessage, entryFromMessage } from "../server-client/messages.ts";

export class Mirror {
  readonly #logger: Logger;
  entries: Map<string, Entry> = new Map();
  own: Bundle | undefined;
  foreign: ReadonlyMap<string, Bundle> = new Map();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** The entry in our words, the same object as before when it says the same; `undefined` when it makes no sense. */
  entry(message: Entry__Output, template?: Template__Output): Entry | undefined {
    try {
      const entry = entryFromMessage(message, template);
      const before = this.entries.get(entry.id);
      const isSame = before !== undefined && JSON.stringify(before) === JSON.stringify(entry);
      return isSame ? before : entry;
    } catch (thrown) {
      this.badEntry(message.id, errorFrom(thrown));
      return undefined;
    }
  }

  badEntry(entry: string, error: Error): void {
    this.#logger.warn("the server sent an entry that makes no sense", { entry, error });
  }

  /** @throws invalid when the bundle is of another trust domain */
  bundle(message: Bundle__Output, trustDomain: string, before: Bundle | undefined): Bundle {
    const { bundle, skipped } = bundleFromMessage(message, trustDomain);
    for (const error of skipped) {
      this.#logger.warn("an authority of a bundle makes no sense and is left out", {
        trustDomain,
        error,
      });
    }
    return before !== undefined && sameBundle(before, bundle) ? before : bundle;
  }

  /** The bundle with these revocation lists; the same object when it has them already. */
  withCrls(bundle: Bundle, crls: readonly Uint8Array[]): Bundle {
    const kept = crls.filter((crl) => crl.length <= MAX_CRL_BYTES).slice(0, MAX_CRLS);
    if (kept.length < crls.length) {
      this.#logger.warn("the server sent revocation lists that are too large or too many", {
        lists: crls.length,
      });
    }
    const { crls: before = [], ...rest } = bundle;
    const isSame =
      before.length === kept.length && kept.every((crl, i) => bytesEqual(crl, before[i] ?? NONE));
    if (isSame) return bundle;
    if (kept.length === 0) return rest;
    return { ...bundle, crls: kept.map((crl) => new Uint8Array(crl)) };
  }
}

const NONE = new Uint8Array();
/** The server bounds a list far below that, and its authorities' number. */
const MAX_CRL_BYTES = 1 << 20;
const MAX_CRLS = 128;
