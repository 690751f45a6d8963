import type { ServerConfig } from "../../config/server/server-config.ts";
import { type WitAuthoritiesOptions, WitAuthorities } from "../ca/wit-authorities.ts";
import type { Issuance } from "./issuance.ts";
import { WitIssuance, type WitIssuanceOptions } from "./wit.ts";

/** What there is of WIT-SVIDs where `experimental` names them. */
export interface Wit extends AsyncDisposable {
  readonly authorities: WitAuthorities;
  readonly issuance: WitIssuance;
}

export interface OpenWitParams
  extends Pick<WitAuthoritiesOptions, "datastore" | "keyManager" | "logger">,
    Pick<WitIssuanceOptions, "trustDomain" | "clock" | "random"> {
  readonly config: ServerConfig;
  readonly issuance: Pick<Issuance, "ttl">;
  readonly audit: WitAuthoritiesOptions["audit"] & WitIssuanceOptions["audit"];
}

/** @returns undefined where it is off */
export async function openWit(params: OpenWitParams): Promise<Wit | undefined> {
  const { config, issuance } = params;
  if (config.experimental?.includes("wit-svid") !== true) return undefined;
  const { jwtKeyType: keyType, ttlSeconds } = config.ca;
  const longestTtlSeconds = config.ttl.jwtSvidSeconds;
  const authorities = await WitAuthorities.open({
    ...params,
    keyType,
    ttlSeconds,
    longestTtlSeconds,
  });
  return {
    authorities,
    issuance: new WitIssuance({
      ...params,
      authorities,
      ttlSeconds: () => issuance.ttl.jwtSvidSeconds,
    }),
    [Symbol.asyncDispose]: () => authorities[Symbol.asyncDispose](),
  };
}
