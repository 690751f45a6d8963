import { buildServerConfig, DEFAULT_TRUST_DOMAIN } from "../config/build-server.ts";
import { makePrivateFolder, makeSocketFolder } from "../config/folders.ts";
import { defaultPaths } from "../config/paths.ts";
import { KEY_TYPES } from "../keys/contract.ts";
import type { Command } from "./command.ts";
import { runDaemon } from "./daemon.ts";
import { currentUid } from "./rpc-clients.ts";
import { orUsage } from "./grammar.ts";
import { LOG_OPTIONS, PROCESS_OPTIONS, loadSettings } from "./settings.ts";

export const command: Command = {
  name: "server",
  options: [
    {
      name: "trust-domain",
      value: "TD",
      help: "name of the trust domain",
      env: "ASSAY_TRUST_DOMAIN",
      fallback: DEFAULT_TRUST_DOMAIN,
    },
    {
      name: "data-dir",
      value: "DIR",
      help: "folder for the database and the keys",
      fallback: "/var/lib/assay/server, or below $XDG_STATE_HOME",
    },
    {
      name: "listen",
      value: "HOST:PORT",
      help: "where agents connect; port 0 takes a free one",
      fallback: "127.0.0.1:8081",
    },
    {
      name: "socket",
      value: "PATH",
      help: "admin socket, for this user alone",
      env: "ASSAY_SERVER_SOCKET",
      fallback: "/run/assay/server.sock, or below $XDG_RUNTIME_DIR",
    },
    {
      name: "key-manager",
      value: "KIND",
      help: "where the authorities' keys live",
      choices: ["disk", "memory"],
      fallback: "disk, encrypted",
    },
    {
      name: "key-file",
      value: "FILE",
      help: "key that encrypts the keys on disk; also $ASSAY_KEY_ENCRYPTION_KEY or the systemd credential assay-key",
      fallback: "generated in the data folder",
    },
    {
      name: "ca-key-type",
      value: "TYPE",
      help: "key of X.509 authorities",
      choices: KEY_TYPES,
      fallback: "ec-p256",
    },
    { name: "ca-ttl", value: "DURATION", help: "life of an authority", fallback: "24h" },
    {
      name: "jwt-key-type",
      value: "TYPE",
      help: "key of JWT authorities",
      choices: KEY_TYPES,
      fallback: "ec-p256",
    },
    { name: "jwt-issuer", value: "TEXT", help: "'iss' of JWT-SVIDs", fallback: "none" },
    {
      name: "x509-ttl",
      value: "DURATION",
      help: "life of an X.509-SVID whose entry names none",
      fallback: "1h",
    },
    {
      name: "jwt-ttl",
      value: "DURATION",
      help: "life of a JWT-SVID whose entry names none",
      fallback: "5m",
    },
    { name: "agent-ttl", value: "DURATION", help: "life of an agent's own SVID", fallback: "1h" },
    {
      name: "x509pop-ca",
      value: "FILE",
      help: "authorities (PEM) of certificates that agents may attest with",
    },
    {
      name: "x509pop-mode",
      value: "MODE",
      help: "whose certificates: those below --x509pop-ca, or own SVIDs below /spire-exchange/",
      choices: ["external_pki", "spiffe"],
      fallback: "external_pki",
    },
    {
      name: "attest-limit",
      value: "N",
      help: "attestations a second from one address",
      fallback: "1",
    },
    { name: "sign-limit", value: "N", help: "signatures a second for one agent", fallback: "500" },
    ...LOG_OPTIONS,
    ...PROCESS_OPTIONS,
  ],
  examples: [
    "assay server --trust-domain example.org --listen 0.0.0.0:8081",
    "assay server --config /etc/assay/server.yaml",
  ],
  async run(context) {
    const settings = await loadSettings(command, context);
    const who = { uid: currentUid(), env: context.env };
    const config = orUsage(() => buildServerConfig(settings, who));
    if (settings.text("trust-domain") === undefined) {
      context.output.note(`assay: no --trust-domain was given, using ${config.trustDomain}`);
    }
    makePrivateFolder(config.dataDir, settings.where("data-dir"));
    makeSocketFolder(config.socket, defaultPaths(who).runtime, settings.where("socket"));
    const { startServer } = await import("../server/main.ts");
    return runDaemon({
      context,
      log: config,
      socket: config.socket,
      start: (tools) => startServer(config, tools),
      ready: ({ tcpAddress, socket, metricsAddress }) => ({
        listen: tcpAddress,
        socket,
        ...(metricsAddress === undefined ? {} : { metrics: metricsAddress }),
      }),
    });
  },
};
