import type { Setting } from "./settings/setting.ts";
import {
  choice,
  duration,
  flag,
  list,
  section,
  text,
  type SectionValue,
} from "./settings/shape.ts";

const FILE_NAME = text({
  pattern: "^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$",
  rule: "is no file name; letters, digits, '.', '_' and '-' make one",
  maxLength: 128,
});
const MODE = text({
  pattern: "^0?[0-7]{3}$",
  rule: "is no file mode, for example 0640",
  maxLength: 4,
});

/** What `assay watch --dir` asks of one folder, as options in kebab-case; a file's `targets` have the same. */
export const TARGET_FIELDS = {
  format: {
    shape: choice(["pem", "haproxy", "pkcs12", "jwt"]),
    value: "FORMAT",
    help: "with --dir: what the files are",
    default: "pem",
  },
  spiffeId: {
    shape: text({ maxLength: 2048 }),
    value: "ID",
    help: "with --dir: of several SVIDs the one with this SPIFFE ID",
    fallback: "the first",
  },
  hint: {
    shape: text({ maxLength: 1024 }),
    value: "TEXT",
    help: "with --dir: of several SVIDs the one with this hint",
    fallback: "the first",
  },
  owner: {
    shape: text({ maxLength: 64 }),
    value: "USER",
    help: "with --dir: owner of the files, a name or a number",
    fallback: "the user of this process",
  },
  group: {
    shape: text({ maxLength: 64 }),
    value: "GROUP",
    help: "with --dir: group of the files, a name or a number",
    fallback: "the group of this process",
  },
  keyMode: {
    shape: MODE,
    value: "MODE",
    help: "with --dir: mode of keys, key stores and JWT-SVIDs",
    default: "0600",
  },
  fileMode: {
    shape: MODE,
    value: "MODE",
    help: "with --dir: mode of the other files",
    default: "0644",
  },
  includeFederated: {
    shape: flag(),
    help: "with --dir: put the roots of federated trust domains into the bundle, too",
    default: false,
  },
  omitExpired: {
    shape: flag(),
    help: "with --dir: leave expired roots out of the bundle",
    default: false,
  },
  jwtBundle: {
    shape: flag(),
    help: "with --dir: write the trust domain's JWT keys, too (jwt-bundle.json)",
    default: false,
  },
  crl: {
    shape: flag(),
    help: "with --dir: write the trust domain's revocation lists, too, while there are any (crl.pem)",
    default: false,
  },
  passwordFile: {
    shape: text(),
    value: "FILE",
    help: "with --format pkcs12: the stores' password, or ASSAY_PKCS12_PASSWORD",
  },
  storeCipher: {
    shape: choice(["aes256", "3des"]),
    value: "CIPHER",
    help: "with --format pkcs12: how the key store is encrypted; 3des for old importers, RSA only",
    default: "aes256",
  },
  run: {
    shape: text(),
    value: "COMMAND",
    help: "with --dir: line for /bin/sh after each change",
  },
  runTimeout: {
    shape: duration(1),
    value: "DURATION",
    help: "with --run: how long the command may take",
    default: "30s",
  },
  signal: {
    shape: text(),
    value: "PID|FILE",
    help: "with --dir: process to signal after each change, or the file with its PID",
  },
  signalName: {
    shape: choice(["HUP", "USR1", "USR2", "INT", "TERM", "QUIT", "WINCH"]),
    value: "NAME",
    help: "with --signal: which signal",
    default: "HUP",
  },
  jwtSvids: {
    shape: list(
      section({
        file: { shape: FILE_NAME, help: "name of the file", required: true },
        audience: {
          shape: list(text({ maxLength: 1024 }), { least: 1, most: 16 }),
          help: "who is to accept the token",
          required: true,
        },
      }),
      { most: 16 },
    ),
    help: "JWT-SVIDs to write",
    default: [],
  },
  names: {
    shape: section({
      svid: { shape: FILE_NAME, help: "chain, chain with key, or key store" },
      key: { shape: FILE_NAME, help: "private key" },
      bundle: { shape: FILE_NAME, help: "bundle, or trust store" },
      jwtBundle: { shape: FILE_NAME, help: "JWT keys" },
      crl: { shape: FILE_NAME, help: "revocation lists" },
    }),
    help: "other names for the files",
  },
} as const satisfies Readonly<Record<string, Setting>>;

const TARGET_SECTION = {
  dir: { shape: text(), help: "folder for the files", required: true },
  ...TARGET_FIELDS,
} as const;

export type TargetValues = SectionValue<typeof TARGET_SECTION>;

/** The file that `assay watch --config` reads. */
export const DELIVERY_FILE_FIELDS = {
  socket: { shape: text(), help: "the agent's Workload API socket" },
  targets: {
    shape: list(section(TARGET_SECTION), { least: 1, most: 32 }),
    help: "folders, each with what it is to hold",
    required: true,
  },
} as const;
