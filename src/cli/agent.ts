import { buildAgentConfig } from "../config/build-agent.ts";
import { DEFAULT_TRUST_DOMAIN } from "../config/build-server.ts";
import { makeAdminFolder, makePrivateFolder, makeSocketFolder } from "../config/folders.ts";
import { defaultPaths } from "../config/paths.ts";
import { KEY_TYPES } from "../keys/contract.ts";
import type { Command } from "./command.ts";
import { runDaemon } from "./daemon.ts";
import { currentUid } from "./rpc-clients.ts";
import { orUsage } from "./grammar.ts";
import { LOG_OPTIONS, PROCESS_OPTIONS, loadSettings } from "./settings.ts";

export const command: Command = {
  name: "agent",
  options: [
    { name: "server", value: "HOST:PORT", help: "the server's address", env: "ASSAY_SERVER" },
    {
      name: "trust-domain",
      value: "TD",
      help: "name of the trust domain",
      env: "ASSAY_TRUST_DOMAIN",
      fallback: DEFAULT_TRUST_DOMAIN,
    },
    {
      name: "trust-bundle",
      value: "FILE",
      help: "bundle by which the server is known at the first start (PEM, from 'assay bundle show')",
    },
    {
      name: "trust-bundle-url",
      value: "URL",
      help: "https address to get that bundle from instead",
    },
    {
      name: "trust-bundle-sha256",
      value: "HEX",
      help: "SHA-256 of the public key of that address's TLS server, which then needs no web authority",
    },
    {
      name: "insecure-bootstrap",
      help: "believe whatever server answers at the first start; for trials only",
    },
    {
      name: "attestor",
      value: "TYPE",
      help: "how this node proves itself",
      choices: ["join_token", "x509pop"],
      fallback: "join_token",
    },
    {
      name: "x509pop-cert",
      value: "FILE",
      help: "this host's certificate (PEM), read again at each attestation",
    },
    { name: "x509pop-key", value: "FILE", help: "its private key (PEM)" },
    { name: "x509pop-chain", value: "FILE", help: "its intermediates (PEM), 4 at most" },
    {
      name: "join-token-file",
      value: "FILE",
      help: "file with the join token; also $ASSAY_JOIN_TOKEN",
    },
    {
      name: "join-token",
      value: "TOKEN",
      help: "the join token; every user of this host can read it in the process list",
    },
    {
      name: "data-dir",
      value: "DIR",
      help: "folder for the agent's own identity",
      fallback: "/var/lib/assay/agent, or below $XDG_STATE_HOME",
    },
    {
      name: "socket",
      value: "PATH",
      help: "Workload API socket",
      fallback: "/run/assay/agent/api.sock, or below $XDG_RUNTIME_DIR",
    },
    {
      name: "admin-socket",
      value: "PATH",
      help: "socket for log levels, debugging and health, for this user alone",
      fallback: "none",
    },
    {
      name: "workload-key-type",
      value: "TYPE",
      help: "key of X.509-SVIDs",
      choices: KEY_TYPES,
      fallback: "ec-p256",
    },
    {
      name: "sync-interval",
      value: "DURATION",
      help: "how often to ask the server for changes",
      fallback: "5s",
    },
    { name: "x509-cache", value: "N", help: "X.509-SVIDs to hold", fallback: "1000" },
    { name: "jwt-cache", value: "N", help: "JWT-SVIDs to hold", fallback: "1000" },
    {
      name: "allow-unauthenticated-verifiers",
      help: "give the own trust domain's bundle to processes without an identity",
    },
    {
      name: "allowed-foreign-jwt-claims",
      value: "NAME,...",
      help: "claims of foreign JWT-SVIDs that validation passes on",
      fallback: "none",
    },
    ...LOG_OPTIONS,
    ...PROCESS_OPTIONS,
  ],
  examples: [
    "assay agent --server 127.0.0.1:8081 --trust-domain example.org --trust-bundle bundle.pem --join-token-file token",
    "assay agent --config /etc/assay/agent.yaml",
  ],
  notes: ["A restart needs neither bundle nor token while the agent's own SVID lives."],
  async run(context) {
    const settings = await loadSettings(command, context);
    const who = { uid: currentUid(), env: context.env };
    const config = orUsage(() => buildAgentConfig(settings, who));
    if (settings.text("trust-domain") === undefined) {
      context.output.note(`assay: no --trust-domain was given, using ${config.trustDomain}`);
    }
    if (context.options.given("join-token") !== undefined) {
      context.output.note(
        "assay: --join-token can be read in the process list; use --join-token-file or ASSAY_JOIN_TOKEN",
      );
    }
    const tokenFile = settings.text("join-token-file");
    if (tokenFile !== undefined && config.joinToken === undefined) {
      context.output.note(`assay: there is no token in ${tokenFile}; the stored identity must do`);
    }
    makePrivateFolder(config.dataDir, settings.where("data-dir"));
    makeSocketFolder(config.socket, defaultPaths(who).runtime, settings.where("socket"));
    if (config.adminSocket !== undefined) {
      makeAdminFolder(config.adminSocket, settings.where("admin-socket"));
    }
    const { startAgent } = await import("../agent/main.ts");
    return runDaemon({
      context,
      log: config,
      socket: config.socket,
      start: (tools) => startAgent(config, tools),
      ended: ({ stopped }) => stopped,
      ready: ({ socket, spiffeId, metricsAddress }) => ({
        socket,
        spiffeId: spiffeId.toString(),
        ...(metricsAddress === undefined ? {} : { metrics: metricsAddress }),
      }),
    });
  },
};
