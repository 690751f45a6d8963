import type { BatchDeleteFederatedBundleRequest__Output } from "../../rpc/gen/spire/api/server/bundle/v1/BatchDeleteFederatedBundleRequest.ts";
import type { BundleHandlers } from "../../rpc/gen/spire/api/server/bundle/v1/Bundle.ts";
import type { Bundle__Output } from "../../rpc/gen/spire/api/types/Bundle.ts";
import type { BundleMask__Output } from "../../rpc/gen/spire/api/types/BundleMask.ts";
import type { Bundle, JwtAuthority } from "../../spiffe/bundle.ts";
import type { BundleDeleteMode, BundleService } from "../bundles/bundle-service.ts";
import type { AddedAuthorities } from "../bundles/own-bundle.ts";
import type { BundlePatch } from "../bundles/foreign-bundle.ts";
import type { Limits } from "../endpoints/limits.ts";
import type { Implementation } from "../../rpc/service.ts";
import type { Logger } from "../../observe/logger.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import { MAX_BATCH, atMost, pageField, trustDomainField } from "./fields.ts";
import { itemResult } from "./item-status.ts";
import {
  foreignBundle,
  jwtAuthoritiesField,
  refreshHintField,
  x509AuthoritiesField,
} from "./bundle-fields.ts";
import { bundleMessage, jwtAuthorityMessages } from "./messages.ts";
import { fail } from "../../base/errors.ts";
import { inTurn } from "../../base/in-parallel.ts";

/** The way into the domain's own bundle for authorities that are not this server's. */
export interface OwnBundle {
  /** @throws invalid, exists */
  append(added: AddedAuthorities): Promise<Bundle>;
}

export interface BundleApiDeps {
  readonly bundles: BundleService;
  readonly ownBundle: OwnBundle;
  /** The way to the servers above this one, for those below it; does nothing where there is none. */
  readonly authorities: {
    /** @throws unavailable, deadline; what the upstream refuses */
    publishUpstream(key: JwtAuthority): Promise<void>;
  };
  readonly limits: Limits;
  readonly trustDomain: TrustDomain;
  readonly logger: Logger;
}

/** `spire.api.server.bundle.v1.Bundle`, but for WIT authorities. */
export function bundleApi({
  bundles,
  ownBundle,
  authorities,
  limits,
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
    const results = await inTurn(messages, (message) =>
      itemResult(logger, async () => {
        const written = await write(message, foreignDomain("trust_domain", message.trust_domain));
        return { bundle: bundleMessage(written, mask) };
      }),
    );
    return { results };
  };

  return {
    async GetBundle({ output_mask }) {
      return bundleMessage(bundles.own(), output_mask);
    },

    async AppendBundle({ x509_authorities, jwt_authorities, output_mask }) {
      if (x509_authorities.length + jwt_authorities.length === 0) {
        throw fail("invalid", "x509_authorities: there is no authority to append");
      }
      const bundle = await ownBundle.append({
        x509Authorities: x509AuthoritiesField(x509_authorities),
        jwtAuthorities: jwtAuthoritiesField(jwt_authorities),
      });
      return bundleMessage(bundle, output_mask);
    },

    async PublishJWTAuthority({ jwt_authority }, call) {
      await limits.sign(call, 1);
      if (jwt_authority === null) throw fail("invalid", "jwt_authority: is missing");
      const added = jwtAuthoritiesField([jwt_authority]);
      // What it signs must verify in the whole trust domain before it signs.
      for (const key of added) await authorities.publishUpstream(key);
      const { jwtAuthorities } = await ownBundle.append({
        x509Authorities: [],
        jwtAuthorities: added,
      });
      return { jwt_authorities: jwtAuthorityMessages(jwtAuthorities) };
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
      const results = await inTurn(trust_domains, async (trust_domain) => ({
        ...(await itemResult(logger, async () => {
          await bundles.delete(foreignDomain("trust_domains", trust_domain), deleteMode);
          return {};
        })),
        trust_domain,
      }));
      return { results };
    },
  };
}

/** The sequence is counted here and cannot be set. */
function bundlePatch(message: Bundle__Output, mask: BundleMask__Output | null): BundlePatch {
  const wanted = (field: "x509_authorities" | "jwt_authorities" | "refresh_hint") =>
    mask === null || mask[field];
  return {
    ...(wanted("x509_authorities")
      ? { x509Authorities: x509AuthoritiesField(message.x509_authorities) }
      : {}),
    ...(wanted("jwt_authorities")
      ? { jwtAuthorities: jwtAuthoritiesField(message.jwt_authorities) }
      : {}),
    ...(wanted("refresh_hint") ? { refreshHint: refreshHintField(message.refresh_hint) } : {}),
  };
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
