/** Sections of node attestors for hosts that have a DNS name, an SSH host certificate or a TPM, for both halves. */
import { count, flag, list, section, text } from "../settings/shape.ts";

export const HTTP_CHALLENGE_SERVER = section({
  allowedDnsPatterns: {
    shape: list(text({ maxLength: 512 }), { least: 1, most: 64 }),
    help: "patterns, one of which must match the whole host name",
    required: true,
  },
  requiredPort: { shape: count(1, 65_535), help: "the only port that is asked" },
  allowNonRootPorts: {
    shape: flag(),
    help: "ask ports from 1024 on, which any process may listen on",
    default: true,
  },
  tofu: {
    shape: flag(),
    help: "a host attests once, until its agent is evicted",
    default: true,
  },
});

export const HTTP_CHALLENGE_AGENT = section({
  hostname: {
    shape: text({ maxLength: 253 }),
    help: "DNS name by which the server reaches this host; absent: the system's",
  },
  agentName: {
    shape: text({ maxLength: 32 }),
    help: "tells agents of one host apart",
    default: "default",
  },
  port: { shape: count(0, 65_535), help: "port to listen on while attesting", default: 0 },
  advertisedPort: { shape: count(1, 65_535), help: "port that the server is told instead" },
  bind: { shape: text({ maxLength: 255 }), help: "address to listen on; absent: all" },
});

export const SSHPOP_SERVER = section({
  certAuthorities: {
    shape: list(text({ maxLength: 8192 }), { most: 64 }),
    help: "public keys of host certificate authorities, as in authorized_keys",
    default: [],
  },
  certAuthoritiesFile: { shape: text(), help: "file with one such key a line" },
  canonicalDomain: { shape: text({ maxLength: 253 }), help: "domain that the hosts are in" },
  agentPath: {
    shape: text({ maxLength: 1024 }),
    help: "an agent's path, of {{Fingerprint}}, {{Hostname}}, {{KeyId}} and {{Serial}}",
    default: "{{Fingerprint}}",
  },
});

export const SSHPOP_AGENT = section({
  hostKey: {
    shape: text(),
    help: "the host's private key",
    default: "/etc/ssh/ssh_host_rsa_key",
  },
  hostCert: {
    shape: text(),
    help: "its host certificate",
    default: "/etc/ssh/ssh_host_rsa_key-cert.pub",
  },
});

export const TPM_DEVID_SERVER = section({
  devidCaFile: {
    shape: text(),
    help: "who signs device certificates (PEM), read again when it changes",
    required: true,
  },
  endorsementCaFile: {
    shape: text(),
    help: "TPM manufacturers' authorities (PEM), intermediate ones included, read again when it changes",
    required: true,
  },
});

export const TPM_DEVID_AGENT = section({
  device: {
    shape: text(),
    help: "the TPM's device, or the Unix socket of a software TPM (unix:PATH)",
    default: "/dev/tpmrm0",
  },
  devidCert: {
    shape: text(),
    help: "the device's certificate (PEM), with its intermediates",
    required: true,
  },
  devidPriv: { shape: text(), help: "its key as the TPM wrapped it", required: true },
  devidPub: { shape: text(), help: "its key's public area", required: true },
  devidPasswordFile: { shape: text(), help: "password of that key; absent: none" },
  ownerHierarchyPasswordFile: { shape: text(), help: "the owner hierarchy's; absent: none" },
  endorsementHierarchyPasswordFile: {
    shape: text(),
    help: "the endorsement hierarchy's; absent: none",
  },
});
