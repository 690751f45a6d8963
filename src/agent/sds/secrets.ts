/** What a workload's proxy may have, as Envoy's secrets by name. */
import { createHash } from "node:crypto";
import type { SdsConfig } from "../../config/sections/sds-section.ts";
import type { CertificateValidationContext } from "../../rpc/gen/envoy/extensions/transport_sockets/tls/v3/CertificateValidationContext.ts";
import type { DataSource } from "../../rpc/gen/envoy/config/core/v3/DataSource.ts";
import type { Secret as SecretMessage } from "../../rpc/gen/envoy/extensions/transport_sockets/tls/v3/Secret.ts";
import { messageType } from "../../rpc/protos.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import { encodeCertificates, encodePem } from "../../x509/pem.ts";
import { derItems } from "../../x509/der-items.ts";
import type { HeldSvid } from "../cache/svid-store.ts";
import type { ViewContent } from "../cache/view.ts";
import { bundlePem } from "./bundle-pem.ts";
import type { Validator } from "./validator.ts";

/** One secret under the name it was asked for. */
export interface Secret {
  readonly name: string;
  /** Equal for equal content, across streams and restarts; tells nothing of a key. */
  readonly version: string;
  /** The encoded `Secret` message. */
  readonly bytes: Uint8Array;
}

/** All secrets of one view. Each is encoded when it is first asked for, and then the same for every stream. */
export class Secrets {
  readonly #content: ViewContent;
  readonly #config: SdsConfig;
  readonly #made = new Map<string, Secret>();

  constructor(content: ViewContent, config: SdsConfig) {
    this.#content = content;
    this.#config = config;
  }

  /** `undefined` for a name that the workload has no right to, or that means nothing. */
  find(name: string, validator: Validator): Secret | undefined {
    const key = `${validator} ${name}`;
    const known = this.#made.get(key);
    if (known !== undefined) return known;
    const made = this.#certificate(name) ?? this.#validation(name, validator);
    if (made !== undefined) this.#made.set(key, made);
    return made;
  }

  /** What everything is: each SVID and each bundle once, by its SPIFFE ID. */
  get names(): readonly string[] {
    const { svids, own, foreign } = this.#content;
    const bundles = [own, ...foreign].filter(hasAuthorities).map(idOf);
    return [...new Set([...svids.map(({ svid }) => svid.spiffeId), ...bundles])];
  }

  /** Key ids of the authorities that the workload's own SVIDs are of. */
  get #signers(): ReadonlySet<string> {
    return new Set(this.#content.svids.map(({ svid }) => svid.authorityId));
  }

  #certificate(name: string): Secret | undefined {
    const { svids } = this.#content;
    const found =
      name === this.#config.defaultSvidName
        ? svids[0]
        : svids.find(({ svid }) => svid.spiffeId === name);
    return found === undefined ? undefined : certificateSecret(name, found.svid);
  }

  #validation(name: string, validator: Validator): Secret | undefined {
    const { own, foreign } = this.#content;
    const { defaultBundleName, defaultAllBundlesName } = this.#config;
    if (name === defaultAllBundlesName) {
      // Plain authorities are one pool, in which any domain could vouch for any other.
      const all = [own, ...foreign].filter(hasAuthorities);
      return validator === "plain" || all.length === 0
        ? undefined
        : bundleSecret(name, all, { validator, inUse: this.#signers });
    }
    const bundle =
      name === defaultBundleName ? own : [own, ...foreign].find((b) => idOf(b) === name);
    if (bundle === undefined || !hasAuthorities(bundle)) return undefined;
    return bundleSecret(name, [bundle], { validator, inUse: this.#signers });
  }
}

/** What content is told apart by, in hex. */
export function versionOf(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex").slice(0, VERSION_DIGITS);
}

function certificateSecret(name: string, { chain, key }: HeldSvid): Secret {
  const certificates = encodeCertificates(derItems(chain));
  const secret: SecretMessage = {
    name,
    tls_certificate: {
      certificate_chain: inline(certificates),
      private_key: inline(encodePem("PRIVATE KEY", key)),
    },
  };
  return { name, version: versionOf(certificates), bytes: encode("Secret", secret) };
}

function bundleSecret(
  name: string,
  bundles: readonly Bundle[],
  { validator, inUse }: { readonly validator: Validator; readonly inUse: ReadonlySet<string> },
): Secret {
  const validation_context: CertificateValidationContext =
    validator === "plain"
      ? { trusted_ca: inline(bundles.map((bundle) => bundlePem(bundle, inUse)).join("")) }
      : { custom_validator_config: spiffeValidator(bundles, inUse) };
  const secret: SecretMessage = { name, validation_context };
  const bytes = encode("Secret", secret);
  return { name, version: versionOf(bytes), bytes };
}

function spiffeValidator(bundles: readonly Bundle[], inUse: ReadonlySet<string>) {
  const trust_domains = bundles
    .map((bundle) => ({ name: bundle.trustDomain, trust_bundle: inline(bundlePem(bundle, inUse)) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const value = encode("SPIFFECertValidatorConfig", { trust_domains });
  return {
    name: "envoy.tls.cert_validator.spiffe",
    typed_config: { type_url: VALIDATOR_TYPE, value },
  };
}

function inline(pem: string): DataSource {
  return { inline_bytes: Buffer.from(pem) };
}

function encode(type: "Secret" | "SPIFFECertValidatorConfig", message: object): Uint8Array {
  return messageType(`${PACKAGE}.${type}`).encode(message);
}

function hasAuthorities({ x509Authorities }: Bundle): boolean {
  return x509Authorities.length > 0;
}

function idOf({ trustDomain }: Bundle): string {
  return `spiffe://${trustDomain}`;
}

const PACKAGE = "envoy.extensions.transport_sockets.tls.v3";
const VALIDATOR_TYPE = `type.googleapis.com/${PACKAGE}.SPIFFECertValidatorConfig`;
const VERSION_DIGITS = 32;
