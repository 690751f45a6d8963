import { LISTEN_ADDRESS } from "./common-settings.ts";
import { section, text } from "./shape.ts";

const DISK = section({
  certFile: {
    shape: text(),
    help: "the issuing authority (PEM), followed by those between it and the root",
    required: true,
  },
  keyFile: { shape: text(), help: "its private key (PEM)", required: true },
  passphraseFile: { shape: text(), help: "passphrase of that key, where it is encrypted" },
  bundleFile: {
    shape: text(),
    help: "the roots (PEM); not needed where the issuing authority is the root",
  },
});

const NESTED = section({
  server: {
    shape: LISTEN_ADDRESS,
    help: "the upstream server, Assay's or SPIRE's, of the same trust domain",
    required: true,
  },
  workloadApiSocket: {
    shape: text(),
    help: "Workload API socket of an agent of that server, where this server has a downstream entry",
    required: true,
  },
});

const OFFLINE = section({});

/** `upstreamAuthority` of a server's file: who signs its X.509 authorities. */
export const UPSTREAM_AUTHORITY = section({
  disk: { shape: DISK, help: "an issuing authority in files, read for each signature" },
  nested: {
    shape: NESTED,
    help: "another server of the trust domain signs, by its downstream API",
  },
  offline: {
    shape: OFFLINE,
    help: "a root kept elsewhere: 'assay authority x509 csr' and 'import' carry requests and certificates",
  },
});
