/** What anyone is told before there is an account (RFC 8555 §7.1.1), and about the limits (§6.6). */
import { type HttpAnswer, text } from "../../../http/http-answer.ts";
import type { Profiles } from "./profiles.ts";
import type { AcmeUrls } from "./urls.ts";

export interface DirectoryParams {
  readonly urls: AcmeUrls;
  readonly profiles: Pick<Profiles, "described">;
  readonly externalAccountRequired: boolean;
  readonly termsOfService?: string;
  readonly website?: string;
  readonly caaIdentities: readonly string[];
}

export function directoryDocument(params: DirectoryParams): HttpAnswer {
  const { urls, termsOfService, website, caaIdentities, externalAccountRequired } = params;
  const body = {
    newNonce: urls.newNonce,
    newAccount: urls.newAccount,
    newOrder: urls.newOrder,
    revokeCert: urls.revokeCert,
    keyChange: urls.keyChange,
    renewalInfo: urls.renewalInfo,
    meta: {
      ...(termsOfService === undefined ? {} : { termsOfService }),
      ...(website === undefined ? {} : { website }),
      ...(caaIdentities.length === 0 ? {} : { caaIdentities }),
      externalAccountRequired,
      profiles: params.profiles.described(),
    },
  };
  return { status: 200, type: "application/json", body: `${JSON.stringify(body, undefined, 2)}\n` };
}

/** @param lines one sentence for each limit */
export function limitsDocument(lines: readonly string[]): HttpAnswer {
  const none = "There are no rate limits here.";
  return text(200, (lines.length === 0 ? [none] : lines).join("\n"));
}
