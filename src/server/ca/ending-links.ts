import type { EpochSeconds } from "../../base/clock.ts";
import { type Certificate, parseCertificate } from "../../x509/certificate.ts";
import { formatName } from "../../x509/names.ts";
import type { AuthorityRecord } from "../datastore/contract.ts";
import { OFFLINE } from "../upstream/contract.ts";
import type { AuthorityJournal } from "./authority-journal.ts";

/**
 * Certificates of the active authority's path that end within 60 days, or a third of their life, and are renewed by no
 * program: those of the upstream, and below an offline root the authority itself while no other is prepared. What
 * lives shorter than a week is renewed by somebody's program.
 */
export function endingLinks(journal: AuthorityJournal, upstream: string): readonly string[] {
  const { active, now } = journal;
  if (active === undefined) {
    return upstream === OFFLINE
      ? ["no X.509 authority yet: have a request signed ('assay authority x509 csr') and import it"]
      : [];
  }
  const [own, ...above] = links(active.record);
  const waits =
    upstream === OFFLINE &&
    !journal.withStatus("prepared").some(({ record }) => record.notAfter > now);
  const ending = above.filter((link) => endsSoon(link, now)).map((link) => sentence(link, now));
  if (own === undefined || !waits || !endsSoon(own, now)) return ending;
  const step = "have another signed ('assay authority x509 csr') and import it";
  return [`X.509 authority ${active.record.id} ends in ${days(own, now)}: ${step}`, ...ending];
}

/** When the first certificate above the active authority ends; `undefined` for one that is its own root. */
export function upstreamEnd({ active }: AuthorityJournal): EpochSeconds | undefined {
  if (active === undefined) return undefined;
  const [, ...above] = links(active.record);
  return above.length === 0 ? undefined : Math.min(...above.map(({ notAfter }) => notAfter));
}

/** The authority first, its root last; once. */
function links({ chain, roots: [root] }: AuthorityRecord): readonly Certificate[] {
  const path = root === undefined || root === chain[0] ? chain : [...chain, root];
  return path.map((der) => parseCertificate(Buffer.from(der, "base64")));
}

function endsSoon({ notBefore, notAfter }: Certificate, now: EpochSeconds): boolean {
  const life = notAfter - notBefore;
  return life >= WEEK && notAfter - now <= Math.min(WARN_BEFORE, life / 3);
}

function sentence(link: Certificate, now: EpochSeconds): string {
  return `upstream authority '${formatName(link.subject)}' ends in ${days(link, now)}: renew it, nothing outlives it`;
}

function days({ notAfter }: Certificate, now: EpochSeconds): string {
  return `${Math.max(0, Math.floor((notAfter - now) / DAY))} days`;
}

const DAY = 24 * 3600;
const WEEK = 7 * DAY;
const WARN_BEFORE = 60 * DAY;
