import type { Certificate } from "../x509/certificate.ts";
import { formatName } from "../x509/names.ts";
import type { SPIFFEID } from "./gen/spire/api/types/SPIFFEID.ts";

/** A certificate in the answer of a Debug service; the server's and the agent's are the same. */
export interface ChainMessage {
  readonly id?: SPIFFEID;
  readonly expires_at: number;
  readonly subject: string;
}

/** A process's own SVID up to the authority that it chains to, leaf first. */
export function chainMessages(
  chain: readonly Certificate[],
  roots: readonly Certificate[],
): ChainMessage[] {
  const signedBy = chain.at(-1)?.authorityKeyId;
  const root = roots.find(({ subjectKeyId }) => subjectKeyId === signedBy);
  return [...chain, ...(root === undefined ? [] : [root])].map((certificate) => {
    const id = idOf(certificate);
    return {
      ...(id === undefined ? {} : { id }),
      expires_at: certificate.notAfter,
      subject: formatName(certificate.subject),
    };
  });
}

/** These certificates were checked when they were taken on; here they are only shown. */
function idOf({ uris }: Certificate): SPIFFEID | undefined {
  const [, trust_domain, path] = /^spiffe:\/\/([^/]+)(.*)$/.exec(uris[0] ?? "") ?? [];
  return trust_domain === undefined ? undefined : { trust_domain, path: path ?? "" };
}
