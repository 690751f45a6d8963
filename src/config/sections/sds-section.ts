import { type ValueOf, flag, section, text } from "../settings/shape.ts";

const name = text({ maxLength: 256 });

/** `sds` of an agent's file: under which names proxies find their secrets; SPIRE's names and defaults. */
export const SDS_SECTION = section({
  defaultSvidName: {
    shape: name,
    help: "name of the certificate and key of the first SVID",
    default: "default",
  },
  defaultBundleName: {
    shape: name,
    help: "name of the own trust domain's bundle",
    default: "ROOTCA",
  },
  defaultAllBundlesName: {
    shape: name,
    help: "name of the own bundle and those of all federated trust domains together",
    default: "ALL",
  },
  disableSpiffeCertValidation: {
    shape: flag(),
    help: "give plain authorities instead of settings for Envoy's SPIFFE validator",
    default: false,
  },
});

export type SdsConfig = ValueOf<typeof SDS_SECTION>;

/** What holds where a file says nothing. */
export const SDS_DEFAULTS: SdsConfig = {
  defaultSvidName: "default",
  defaultBundleName: "ROOTCA",
  defaultAllBundlesName: "ALL",
  disableSpiffeCertValidation: false,
};
