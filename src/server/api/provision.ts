import { createHash } from "node:crypto";
import { toHex } from "../../base/bytes.ts";
import { fail } from "../../base/errors.ts";
import type { ApiToken } from "../../rpc/gen/assay/provision/v1/ApiToken.ts";
import type { AuthorizeRequest__Output } from "../../rpc/gen/assay/provision/v1/AuthorizeRequest.ts";
import type { Grant } from "../../rpc/gen/assay/provision/v1/Grant.ts";
import type { ProvisionHandlers } from "../../rpc/gen/assay/provision/v1/Provision.ts";
import type { CallContext, Implementation } from "../../rpc/service.ts";
import type { ProvisionApiToken, ProvisionGrant } from "../datastore/provision.ts";
import { callerOf } from "../endpoints/caller.ts";
import {
  type GrantRequest,
  type Grantor,
  administrator,
} from "../frontends/provision/grant-request.ts";
import type { Provisioning } from "../frontends/provision/provisioning.ts";
import { atMost, integerField, pageField, textField } from "./fields.ts";

export interface ProvisionApiDeps {
  /** Absent: the front end is not configured. */
  readonly provisioning: Provisioning | undefined;
}

/** `assay.provision.v1.Provision`. */
export function provisionApi({
  provisioning,
}: ProvisionApiDeps): Implementation<ProvisionHandlers> {
  const parts = (): Provisioning => {
    if (provisioning !== undefined) return provisioning;
    throw fail(
      "precondition",
      "the front end provision is off; set 'frontends.provision' in the server's file",
    );
  };
  return {
    async Authorize(request, call) {
      const { grants, listenerRoots } = parts();
      const made = await grants.authorize(grantRequest(request), grantorOf(call));
      return {
        token: made.token,
        grant: grantMessage(made.grant),
        ca_fingerprints: listenerRoots().map(fingerprintOf),
      };
    },

    async Withdraw({ token_hash, common_name }) {
      const { grants } = parts();
      if ((token_hash === "") === (common_name === "")) {
        throw fail("invalid", "give a token's hash or a common name");
      }
      const count =
        token_hash === ""
          ? await grants.withdrawAll(textField("common_name", common_name, MAX_NAME))
          : Number(await grants.withdraw(textField("token_hash", token_hash, MAX_HASH)));
      if (count > 0) return { count };
      throw fail("not_found", "there is no such authorization");
    },

    async ListGrants(request) {
      const page = pageField({ ...request, page_size: request.page_size || DEFAULT_PAGE });
      const { items, nextToken = "" } = await parts().grants.list(page);
      return { grants: items.map(grantMessage), next_page_token: nextToken };
    },

    async CreateApiToken({ name, ttl, allow_names, allow_entries }) {
      atMost("allow_names", allow_names.length, MAX_NAMES);
      const { token, record } = await parts().apiTokens.create({
        name: textField("name", name, MAX_NAME),
        ttlSeconds: integerField("ttl", ttl, MAX_SECONDS),
        allowNames: allow_names,
        allowEntries: allow_entries,
      });
      return { token, api_token: apiTokenMessage(record) };
    },

    async DeleteApiToken({ name }) {
      return { withdrawn: await parts().apiTokens.delete(textField("name", name, MAX_NAME)) };
    },

    async ListApiTokens() {
      const tokens = await parts().apiTokens.list();
      return { api_tokens: tokens.map(apiTokenMessage) };
    },
  };
}

function grantRequest(request: AuthorizeRequest__Output): GrantRequest {
  const { common_name, token, names, spiffe_id, entry_id } = request;
  return {
    commonName: common_name,
    ...(token === "" ? {} : { token }),
    names,
    lifeSeconds: integerField("life", request.life, MAX_SECONDS),
    tokenLifeSeconds: integerField("ttl", request.ttl, MAX_SECONDS),
    ...(spiffe_id === "" ? {} : { spiffeId: textField("spiffe_id", spiffe_id, MAX_ID) }),
    ...(entry_id === "" ? {} : { entryId: textField("entry_id", entry_id, MAX_NAME) }),
  };
}

function grantorOf(call: CallContext): Grantor {
  const { role, id } = callerOf(call);
  const label = id === undefined ? role : `${role} ${id.toString()}`;
  return administrator(label);
}

function grantMessage(grant: ProvisionGrant): Grant {
  const { certificate } = grant;
  return {
    token_hash: grant.hash,
    common_name: grant.commonName,
    dns_names: [...grant.dnsNames],
    ip_addresses: [...grant.ipAddresses],
    life: grant.lifeSeconds,
    spiffe_id: grant.spiffeId,
    entry_id: grant.entryId,
    granted_by: grant.grantedBy,
    created_at: grant.createdAt,
    expires_at: grant.expiresAt,
    failures: grant.failures,
    withdrawn: grant.withdrawn,
    serial: certificate?.serial ?? "",
    not_after: certificate?.notAfter ?? 0,
  };
}

function apiTokenMessage(token: ProvisionApiToken): ApiToken {
  return {
    name: token.name,
    token_hash: token.hash,
    allow_names: [...token.allowNames],
    allow_entries: token.allowEntries,
    created_at: token.createdAt,
    expires_at: token.expiresAt,
  };
}

function fingerprintOf(der: Uint8Array): string {
  return toHex(createHash("sha256").update(der).digest());
}

const MAX_NAME = 255;
const MAX_ID = 2048;
const MAX_HASH = 64;
const MAX_NAMES = 64;
const MAX_SECONDS = 0x7fff_ffff;
const DEFAULT_PAGE = 500;
