/** Shapes and rows that both daemons have. */
import { fail } from "../../base/errors.ts";
import { ALL_KEY_TYPES, KEY_TYPES, type KeyType, isExperimental } from "../../keys/contract.ts";
import { LOG_LEVELS } from "../../observe/logger.ts";
import { choice, list, text } from "../settings/shape.ts";
import type { SettingTable } from "../settings/setting.ts";

export const DEFAULT_TRUST_DOMAIN = "example.org";

export const KEY_TYPE = choice(KEY_TYPES);

/** Of certificates; experimental ones need `experimental`. */
export const ANY_KEY_TYPE = choice(ALL_KEY_TYPES);

/** What is off unless it is asked for, and may change or go. */
export const EXPERIMENTAL_SETTING = {
  shape: list(choice(["ml-dsa", "wit-svid"]), { most: 8 }),
  value: "NAME,...",
  help: "what is tried out and may change or go; ml-dsa: keys of type ml-dsa-65; wit-svid: WIT-SVIDs",
  default: [],
  fallback: "nothing",
} as const satisfies SettingTable[string];

/** @throws invalid when the key type is experimental and nobody asked for it */
export function checkKeyType(
  keyType: KeyType,
  experimental: readonly string[],
  where: string,
): KeyType {
  if (!isExperimental(keyType) || experimental.includes("ml-dsa")) return keyType;
  throw fail("invalid", `${where}: ${keyType} is experimental; set experimental to ml-dsa as well`);
}

/** `host:port`; IPv6 hosts in brackets. Port 0 takes a free one. */
export const LISTEN_ADDRESS = text({
  pattern: address("0|[1-9][0-9]{0,3}"),
  rule: "is not host:port, for example 127.0.0.1:8081",
});

export const PEER_ADDRESS = text({
  pattern: address("[1-9][0-9]{0,3}"),
  rule: "is not host:port, for example 127.0.0.1:8081",
});

export const TRUST_DOMAIN_SETTING = {
  shape: text({
    pattern: "^(spiffe://)?[a-z0-9._\\-]{1,255}$",
    rule: "is no trust domain: 1 to 255 lower case letters, numbers, dots, dashes and underscores",
  }),
  value: "TD",
  help: "name of the trust domain",
  env: "ASSAY_TRUST_DOMAIN",
  default: DEFAULT_TRUST_DOMAIN,
} as const satisfies SettingTable[string];

export const LOG_SETTINGS = {
  "metrics-listen": {
    shape: LISTEN_ADDRESS,
    value: "HOST:PORT",
    help: "serve /metrics, /live and /ready there, to anyone who can reach it",
    fallback: "nowhere",
  },
  "log-level": {
    shape: choice(LOG_LEVELS),
    value: "LEVEL",
    help: "least severe lines to log",
    default: "info",
    reload: "now",
  },
  "log-format": {
    shape: choice(["text", "json"]),
    value: "FORMAT",
    help: "form of log lines, on standard error",
    default: "text",
  },
} as const satisfies SettingTable;

function address(lowPorts: string): string {
  const high = "[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]";
  return `^(\\[[0-9A-Za-z:.%_]+\\]|[^:\\s\\[\\]/]+):(${lowPorts}|${high})$`;
}
