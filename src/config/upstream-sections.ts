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

const OFFLINE = section({});

/** `upstreamAuthority` of a server's file: who signs its X.509 authorities. */
export const UPSTREAM_AUTHORITY = section({
  disk: { shape: DISK, help: "an issuing authority in files, read for each signature" },
  offline: {
    shape: OFFLINE,
    help: "a root kept elsewhere: 'assay authority x509 csr' and 'import' carry requests and certificates",
  },
});
