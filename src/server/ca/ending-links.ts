import type { EpochSeconds } from "../../base/clock.ts";
import { type Certificate, parseCertificate } from "../../x509/certificate.ts";
import { formatName } from "../../x509/names.ts";
import type { AuthorityRecord } from "../datastore/contract.ts";
import { OFFLINE } from "../upstream/contract.ts";
import type { AuthorityJournal } from "./authority-journal.ts";
import { TRUST_DOMAIN_SET } from "../../config/own-sets.ts";
import { setOption, setWords } from "./set-name.ts";

export interface EndingLinksParams {
  /** Name of the set. */
  readonly name: string;
  /** Who signs its authorities. */
  readonly upstream: string;
  /** How what stands above them is renewed, where that is known. */
  readonly renewal?: string;
  /** The longest that the set signs for, seconds: an authority is of full use only until that long before its end. */
  readonly longestTtl: number;
}

/**
 * Certificates of the active authority's path that end within 60 days, or a third of their life, and are renewed by no
 * program: those of the upstream, and below an offline root the authority itself while no other is prepared. What
 * lives shorter than a week is renewed by somebody's program. Days are counted to when the longest certificate would
 * be cut short.
 */
export function endingLinks(
  journal: AuthorityJournal,
  { name, upstream, renewal, longestTtl }: EndingLinksParams,
): readonly string[] {
  const { active, now } = journal;
  const csr = `'assay authority x509 csr${setOption(name)}'`;
  if (active === undefined) {
    if (upstream !== OFFLINE) return [];
    const whose = name === TRUST_DOMAIN_SET ? "" : ` of ${setWords(name)}`;
    return [`no X.509 authority${whose} yet: have a request signed (${csr}) and import it`];
  }
  const [own, ...above] = links(active.record);
  const waits =
    upstream === OFFLINE &&
    !journal.withStatus("prepared").some(({ record }) => record.notAfter > now);
  const whose = name === TRUST_DOMAIN_SET ? "" : `${setWords(name)}: `;
  const until = (link: Certificate): string => {
    const end = `ends in ${days(link.notAfter, now)}`;
    if (longestTtl < DAY) return end;
    const whole = `certificates of ${days(longestTtl, 0)}`;
    const wholeUntil = link.notAfter - longestTtl;
    if (wholeUntil - now < DAY) return `${end} and allows no ${whole}`;
    return `${end} and allows ${whole} for ${days(wholeUntil, now)} more`;
  };
  const rotate = `'assay authority x509 rotate${setOption(name)}'`;
  const how = renewal === undefined ? "" : ` (${renewal}; then ${rotate})`;
  const isEnding = (link: Certificate): boolean => endsSoon(link, now, longestTtl);
  const ending = above
    .filter(isEnding)
    .map(
      (link) =>
        `${whose}upstream authority '${formatName(link.subject)}' ${until(link)}: renew it, nothing outlives it${how}`,
    );
  if (own === undefined || !waits || !isEnding(own)) return ending;
  const step = `have another signed (${csr}) and import it`;
  return [`${whose}X.509 authority ${active.record.id} ${until(own)}: ${step}`, ...ending];
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

function endsSoon(
  { notBefore, notAfter }: Certificate,
  now: EpochSeconds,
  longestTtl: number,
): boolean {
  const life = notAfter - notBefore;
  const spare = longestTtl < DAY ? 0 : longestTtl;
  return life >= WEEK && notAfter - spare - now <= Math.min(WARN_BEFORE, life / 3);
}

function days(end: EpochSeconds, now: EpochSeconds): string {
  return `${Math.max(0, Math.floor((end - now) / DAY))} days`;
}

const DAY = 24 * 3600;
const WEEK = 7 * DAY;
const WARN_BEFORE = 60 * DAY;
