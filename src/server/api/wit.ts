import type { Logger } from "../../observe/logger.ts";
import type { BundleHandlers } from "../../rpc/gen/spire/api/server/bundle/v1/Bundle.ts";
import type { LocalAuthorityHandlers } from "../../rpc/gen/spire/api/server/localauthority/v1/LocalAuthority.ts";
import type { SVIDHandlers } from "../../rpc/gen/spire/api/server/svid/v1/SVID.ts";
import { fail, isKind } from "../../base/errors.ts";
import type { Implementation } from "../../rpc/service.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import type { AuthorityRecord } from "../datastore/contract.ts";
import type { Limits } from "../endpoints/limits.ts";
import type { AuthorizedEntries } from "../entries/authorized-entries.ts";
import type { WitIssuance } from "../issuance/wit.ts";
import { authorizedEntry } from "./authorized-entry.ts";
import { textField, workloadIdField } from "./fields.ts";
import { statesMessage } from "./local-authority.ts";
import { jwtSvidMessage } from "./messages.ts";
import { signEach } from "./sign-each.ts";

/** The authorities of WIT-SVIDs, as far as this room moves and shows them. */
export interface WitAuthorityKeys {
  keys(): readonly {
    readonly keyId: string;
    readonly publicKey: Uint8Array;
    readonly expiresAt: number;
    readonly tainted: boolean;
  }[];
  records(): readonly AuthorityRecord[];
  prepare(): Promise<AuthorityRecord>;
  activate(id: string): Promise<AuthorityRecord>;
  taint(id: string): Promise<AuthorityRecord>;
  revoke(id: string): Promise<AuthorityRecord>;
}

export interface WitApiDeps {
  readonly issuance: Pick<WitIssuance, "workload" | "mint">;
  readonly authorizedEntries: Pick<AuthorizedEntries, "find">;
  readonly limits: Limits;
  readonly trustDomain: TrustDomain;
  readonly logger: Logger;
}

/** What `spire.api.server.svid.v1.SVID` has for WIT-SVIDs. */
export function witSvidApi(
  deps: WitApiDeps,
): Pick<Implementation<SVIDHandlers>, "MintWITSVID" | "BatchNewWITSVID"> {
  const { issuance, authorizedEntries, limits, trustDomain, logger } = deps;
  return {
    async MintWITSVID({ id, public_key, ttl, signing_algorithm }) {
      const spiffeId = workloadIdField("id", id, trustDomain);
      const key = { publicKey: keyField(public_key), algorithm: signing_algorithm };
      return { svid: jwtSvidMessage(await issuance.mint(spiffeId, ttl, key)) };
    },

    BatchNewWITSVID: ({ params }, call) =>
      signEach({
        params,
        call,
        limits,
        logger,
        async sign({ entry_id, public_key, signing_algorithm }, agentId) {
          const entry = authorizedEntry(authorizedEntries, agentId, entry_id);
          const key = { publicKey: keyField(public_key), algorithm: signing_algorithm };
          return jwtSvidMessage(await issuance.workload(entry, key));
        },
      }),
  };
}

/** `GetBundle` with the keys of WIT-SVIDs, which the domain's own bundle does not have. */
export function witBundleApi(
  bundle: Implementation<BundleHandlers>,
  authorities: Pick<WitAuthorityKeys, "keys">,
): Implementation<BundleHandlers> {
  return {
    ...bundle,
    async GetBundle(request, call) {
      const message = (await bundle.GetBundle?.(request, call)) ?? {};
      if (request.output_mask !== null && !request.output_mask.wit_authorities) return message;
      const keys = authorities.keys().map(({ keyId, publicKey, expiresAt, tainted }) => ({
        key_id: keyId,
        public_key: publicKey,
        expires_at: expiresAt,
        tainted,
      }));
      return { ...message, wit_authorities: keys };
    },
  };
}

/** What `spire.api.server.localauthority.v1.LocalAuthority` has for WIT authorities. */
export function witAuthorityApi(
  authorities: WitAuthorityKeys,
): Pick<Implementation<LocalAuthorityHandlers>, WitStep> {
  const state = ({ id, notAfter }: AuthorityRecord) => ({ authority_id: id, expires_at: notAfter });
  const step = async (name: "activate" | "taint" | "revoke", given: string) => {
    if (given === "") throw fail("invalid", "authority_id: is missing");
    const id = textField("authority_id", given, MAX_ID_LENGTH);
    try {
      return state(await authorities[name](id));
    } catch (thrown) {
      if (!isKind(thrown, "not_found")) throw thrown;
      throw fail("invalid", `authority_id: ${thrown.message}`, { cause: thrown });
    }
  };
  return {
    async GetWITAuthorityState() {
      return statesMessage(authorities.records(), state);
    },
    async PrepareWITAuthority() {
      return { prepared_authority: state(await authorities.prepare()) };
    },
    async ActivateWITAuthority({ authority_id }) {
      return { activated_authority: await step("activate", authority_id) };
    },
    async TaintWITAuthority({ authority_id }) {
      return { tainted_authority: await step("taint", authority_id) };
    },
    async RevokeWITAuthority({ authority_id }) {
      return { revoked_authority: await step("revoke", authority_id) };
    },
  };
}

function keyField(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 0) throw fail("invalid", "public_key: is missing");
  if (bytes.length > MAX_KEY_BYTES) {
    throw fail("invalid", `public_key: is longer than ${MAX_KEY_BYTES} bytes`);
  }
  return new Uint8Array(bytes);
}

type WitStep =
  | "GetWITAuthorityState"
  | "PrepareWITAuthority"
  | "ActivateWITAuthority"
  | "TaintWITAuthority"
  | "RevokeWITAuthority";

const MAX_ID_LENGTH = 255;
/** An RSA-4096 key, with room. */
const MAX_KEY_BYTES = 2048;
