import { formatDuration } from "../../config/settings/duration.ts";
import { isoTime } from "../text/facts.ts";
import type { AuthorityWord } from "../authority/kinds.ts";

export interface ShorterLifeParams {
  readonly kind: AuthorityWord;
  /** Seconds; 0: none was asked for. */
  readonly asked: number;
  /** Both by the server's clock. */
  readonly beginsAt: number;
  readonly expiresAt: number;
}

/** What to say when an SVID ends before its time; `undefined` when it does not. */
export function shorterLife(params: ShorterLifeParams): string | undefined {
  const { kind, asked, beginsAt, expiresAt } = params;
  const life = expiresAt - beginsAt;
  if (life >= asked) return undefined;
  return `assay: warning: it ends at ${isoTime(expiresAt)}, after ${formatDuration(life)} and not ${formatDuration(asked)}: no SVID outlives the authority that signs it; 'assay authority ${kind} show' says when that ends`;
}
