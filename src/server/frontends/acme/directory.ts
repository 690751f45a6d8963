/** What anyone is told before there is an account (RFC 8555 §7.1.1), and about the limits (§6.6). */
import { type HttpAnswer, text } from "../../../http/http-answer.ts";
import type { AcmeFrontEndConfig } from "../../../config/server/acme-front-end.ts";
import type { Profiles } from "./profiles.ts";
import type { AcmeUrls } from "./urls.ts";

export interface DirectoryParams {
  readonly urls: AcmeUrls;
  readonly profiles: Pick<Profiles, "described">;
  readonly settings: Pick<
    AcmeFrontEndConfig,
    "termsOfService" | "website" | "names" | "validation"
  >;
}

export function directoryDocument(params: DirectoryParams): HttpAnswer {
  const { urls, settings } = params;
  const { termsOfService, website, names, validation } = settings;
  const { caaIdentities } = validation;
  const { externalAccountRequired } = names;
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
