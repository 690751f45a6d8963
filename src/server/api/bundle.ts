import type { BatchDeleteFederatedBundleRequest__Output } from "../../rpc/gen/spire/api/server/bundle/v1/BatchDeleteFederatedBundleRequest.ts";
import type { BundleHandlers } from "../../rpc/gen/spire/api/server/bundle/v1/Bundle.ts";
import type { Bundle__Output } from "../../rpc/gen/spire/api/types/Bundle.ts";
import type { BundleMask__Output } from "../../rpc/gen/spire/api/types/BundleMask.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import type { BundleDeleteMode, BundleService } from "../bundles/bundle-service.ts";
import type { BundlePatch, ForeignBundle } from "../bundles/foreign-bundle.ts";
import type { Implementation } from "../../rpc/service.ts";
import type { Logger } from "../../observe/logger.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import {
  MAX_BATCH,
  atMost,
  epochField,
  integerField,
  pageField,
  trustDomainField,
} from "./fields.ts";
import { OK_STATUS, itemStatus } from "./item-status.ts";
import { bundleMessage } from "./messages.ts";
import { fail } from "../../base/errors.ts";

export interface BundleApiDeps {
  readonly bundles: BundleService;
  readonly trustDomain: TrustDomain;
  readonly logger: Logger;
}

/** `spire.api.server.bundle.v1.Bundle`, but for what a downstream server publishes. */
export function bundleApi({
  bundles,
  trustDomain,
  logger,
}: BundleApiDeps): Implementation<BundleHandlers> {
  const foreignDomain = (name: string, text: string): string => {
    const parsed = trustDomainField(name, text);
    if (parsed === trustDomain.name) {
      throw fail("invalid", `${name}: '${parsed}' is the server's own trust domain`);
    }
    return parsed;
  };

  const writeEach = async (
    messages: readonly Bundle__Output[],
    mask: BundleMask__Output | null,
    write: (message: Bundle__Output, domain: string) => Promise<Bundle>,
  ) => {
    atMost("bundle", messages.length, MAX_BATCH);
    const results = [];
    for (const message of messages) {
      try {
        const written = await write(message, foreignDomain("trust_domain", message.trust_domain));
        results.push({ status: OK_STATUS, bundle: bundleMessage(written, mask) });
      } catch (thrown) {
        results.push({ status: itemStatus(thrown, logger) });
      }
    }
    return { results };
  };

  return {
    async GetBundle({ output_mask }) {
      return bundleMessage(bundles.own(), output_mask);
    },

    async CountBundles() {
      return { count: 1 + (await bundles.count()) }; // the own one counts, as at SPIRE
    },

    async ListFederatedBundles(request) {
      const page = await bundles.list(pageField(request));
      return {
        bundles: page.items.map((bundle) => bundleMessage(bundle, request.output_mask)),
        next_page_token: page.nextToken ?? "",
      };
    },

    async GetFederatedBundle({ trust_domain, output_mask }) {
      const domain = foreignDomain("trust_domain", trust_domain);
      const bundle = await bundles.get(domain);
      if (bundle === undefined) throw fail("not_found", `bundle of '${domain}' not found`);
      return bundleMessage(bundle, output_mask);
    },

    BatchCreateFederatedBundle: ({ bundle, output_mask }) =>
      writeEach(bundle, output_mask, (message, domain) =>
        bundles.create(foreignBundle(message, domain)),
      ),

    BatchSetFederatedBundle: ({ bundle, output_mask }) =>
      writeEach(bundle, output_mask, (message, domain) =>
        bundles.set(foreignBundle(message, domain)),
      ),

    BatchUpdateFederatedBundle: ({ bundle, input_mask, output_mask }) =>
      writeEach(bundle, output_mask, (message, domain) =>
        bundles.update(domain, bundlePatch(message, input_mask)),
      ),

    async BatchDeleteFederatedBundle({ trust_domains, mode }) {
      atMost("trust_domains", trust_domains.length, MAX_BATCH);
      const deleteMode = modeField(mode);
      const results = [];
      for (const trust_domain of trust_domains) {
        try {
          await bundles.delete(foreignDomain("trust_domains", trust_domain), deleteMode);
          results.push({ status: OK_STATUS, trust_domain });
        } catch (thrown) {
          results.push({ status: itemStatus(thrown, logger), trust_domain });
        }
      }
      return { results };
    },
  };
}

function foreignBundle(message: Bundle__Output, trustDomain: string): ForeignBundle {
  return {
    trustDomain,
    x509Authorities: x509Authorities(message),
    jwtAuthorities: jwtAuthorities(message),
    refreshHint: refreshHint(message),
  };
}

/** The sequence is counted here and cannot be set. */
function bundlePatch(message: Bundle__Output, mask: BundleMask__Output | null): BundlePatch {
  const wanted = (field: "x509_authorities" | "jwt_authorities" | "refresh_hint") =>
    mask === null || mask[field];
  return {
    ...(wanted("x509_authorities") ? { x509Authorities: x509Authorities(message) } : {}),
    ...(wanted("jwt_authorities") ? { jwtAuthorities: jwtAuthorities(message) } : {}),
    ...(wanted("refresh_hint") ? { refreshHint: refreshHint(message) } : {}),
  };
}

/** Whether an authority is tainted is its own domain's to say, not the importer's. */
function x509Authorities({ x509_authorities }: Bundle__Output): ForeignBundle["x509Authorities"] {
  return x509_authorities.map(({ asn1 }) => ({ der: asn1, tainted: false }));
}

function jwtAuthorities({ jwt_authorities }: Bundle__Output): ForeignBundle["jwtAuthorities"] {
  return jwt_authorities.map(({ key_id, public_key, expires_at }, index) => ({
    keyId: key_id,
    publicKey: public_key,
    expiresAt: epochField(`jwt_authorities[${index}].expires_at`, expires_at),
    tainted: false,
  }));
}

function refreshHint({ refresh_hint }: Bundle__Output): number {
  return integerField("refresh_hint", refresh_hint, MAX_REFRESH_HINT);
}

function modeField(mode: BatchDeleteFederatedBundleRequest__Output["mode"]): BundleDeleteMode {
  switch (mode) {
    case "RESTRICT":
      return "restrict";
    case "DELETE":
      return "delete";
    case "DISSOCIATE":
      return "dissociate";
    default:
      throw fail("invalid", "mode: is unknown");
  }
}

const MAX_REFRESH_HINT = 366 * 24 * 3600;
