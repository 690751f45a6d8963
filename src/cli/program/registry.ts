import type { AuthorityWord } from "../authority/kinds.ts";
import type { AuthorityStep } from "../authority/step.ts";
import type { Command } from "./command.ts";

interface Registered {
  readonly name: string;
  readonly summary: string;
  /** Commands are loaded when they are called: a client command must not pay for the server. */
  readonly load: () => Promise<{ readonly command: Command }>;
}

/** A declaration, as the table below is made while this file loads. */
function authorityCommands(kind: AuthorityWord, noun: string): readonly Registered[] {
  const step = (word: AuthorityStep, summary: string): Registered => ({
    name: `authority ${kind} ${word}`,
    summary,
    load: async () => ({
      command: (await import("../authority/step.ts")).stepCommand(word, kind),
    }),
  });
  return [
    {
      name: `authority ${kind} show`,
      summary: `show the ${noun} authorities of the trust domain`,
      load: async () => ({
        command: (await import("../authority/show.ts")).showCommand(kind),
      }),
    },
    {
      name: `authority ${kind} prepare`,
      summary: `make and publish the next ${noun} authority`,
      load: async () => ({
        command: (await import("../authority/prepare.ts")).prepareCommand(kind),
      }),
    },
    {
      name: `authority ${kind} rotate`,
      summary: `prepare the next ${noun} authority, and let it sign a little later`,
      load: async () => ({
        command: (await import("../authority/rotate.ts")).rotateCommand(kind),
      }),
    },
    step("activate", `let a prepared ${noun} authority sign`),
    step("taint", `have all that an old ${noun} authority signed replaced`),
    step("revoke", `take a tainted ${noun} authority out of the bundle`),
  ];
}

/** Every command, in the order in which `assay --help` lists them. */
export const COMMANDS: readonly Registered[] = [
  {
    name: "dev",
    summary: "run a server and an agent on this machine and show your identity",
    load: () => import("../dev/dev.ts"),
  },
  {
    name: "server",
    summary: "run the server of a trust domain",
    load: () => import("../daemon/server.ts"),
  },
  {
    name: "agent",
    summary: "run the agent of this host",
    load: () => import("../daemon/agent.ts"),
  },
  {
    name: "token generate",
    summary: "make a join token for a new agent",
    load: () => import("../token-generate.ts"),
  },
  {
    name: "entry create",
    summary: "register a workload: who gets which SPIFFE ID",
    load: () => import("../entry/create.ts"),
  },
  { name: "entry show", summary: "show one entry", load: () => import("../entry/show.ts") },
  { name: "entry list", summary: "list entries", load: () => import("../entry/list.ts") },
  { name: "entry update", summary: "change an entry", load: () => import("../entry/update.ts") },
  { name: "entry delete", summary: "delete entries", load: () => import("../entry/delete.ts") },
  {
    name: "entry rotate",
    summary: "have agents make new SVIDs for entries now",
    load: () => import("../entry/rotate.ts"),
  },
  { name: "entry count", summary: "count entries", load: () => import("../entry/count.ts") },
  {
    name: "entry plan",
    summary: "show what 'entry apply' would change",
    load: () => import("../entry/plan.ts"),
  },
  {
    name: "entry apply",
    summary: "make the registry what a file says",
    load: () => import("../entry/apply.ts"),
  },
  { name: "agents list", summary: "list attested agents", load: () => import("../agents/list.ts") },
  { name: "agents count", summary: "count agents", load: () => import("../agents/count.ts") },
  { name: "agents show", summary: "show one agent", load: () => import("../agents/show.ts") },
  {
    name: "agents ban",
    summary: "ban an agent, until it is evicted",
    load: () => import("../agents/ban.ts"),
  },
  {
    name: "agents evict",
    summary: "delete agents; they have to attest again",
    load: () => import("../agents/evict.ts"),
  },
  {
    name: "agents rotate",
    summary: "have agents replace all their SVIDs now",
    load: () => import("../agents/rotate.ts"),
  },
  {
    name: "agents purge",
    summary: "delete agents that ended long ago",
    load: () => import("../agents/purge.ts"),
  },
  {
    name: "x509 mint",
    summary: "make an X.509-SVID without an entry",
    load: () => import("../mint/x509.ts"),
  },
  {
    name: "x509 revoke",
    summary: "end X.509-SVIDs before their time",
    load: () => import("../revoke/revoke.ts"),
  },
  {
    name: "x509 revoked",
    summary: "list revoked X.509-SVIDs",
    load: () => import("../revoke/revoked.ts"),
  },
  {
    name: "x509 crl",
    summary: "print the authorities' revocation lists",
    load: () => import("../revoke/crl.ts"),
  },
  {
    name: "jwt mint",
    summary: "make a JWT-SVID without an entry",
    load: () => import("../mint/jwt.ts"),
  },
  {
    name: "bundle show",
    summary: "print the trust bundle of the trust domain, or a foreign one",
    load: () => import("../bundle/show.ts"),
  },
  { name: "bundle list", summary: "list foreign bundles", load: () => import("../bundle/list.ts") },
  { name: "bundle set", summary: "set a foreign bundle", load: () => import("../bundle/set.ts") },
  {
    name: "bundle delete",
    summary: "delete foreign bundles",
    load: () => import("../bundle/delete.ts"),
  },
  {
    name: "federation create",
    summary: "federate with a trust domain: where its bundle is fetched",
    load: () => import("../federation/create.ts"),
  },
  {
    name: "federation list",
    summary: "list federation relationships",
    load: () => import("../federation/list.ts"),
  },
  {
    name: "federation show",
    summary: "show one federation relationship",
    load: () => import("../federation/show.ts"),
  },
  {
    name: "federation update",
    summary: "change a federation relationship",
    load: () => import("../federation/update.ts"),
  },
  {
    name: "federation delete",
    summary: "delete federation relationships",
    load: () => import("../federation/delete.ts"),
  },
  {
    name: "federation refresh",
    summary: "fetch bundles of foreign trust domains now",
    load: () => import("../federation/refresh.ts"),
  },
  {
    name: "acme eab create",
    summary: "make an external account: who may have which names by ACME",
    load: () => import("../acme/eab-create.ts"),
  },
  {
    name: "acme eab list",
    summary: "list external accounts of ACME",
    load: () => import("../acme/eab-list.ts"),
  },
  {
    name: "acme eab delete",
    summary: "delete an external account, and with it the names of its accounts",
    load: () => import("../acme/eab-delete.ts"),
  },
  ...authorityCommands("x509", "X.509"),
  {
    name: "authority x509 csr",
    summary: "print a request for an offline root",
    load: () => import("../authority/csr.ts"),
  },
  {
    name: "authority x509 import",
    summary: "take the certificate that an offline root signed",
    load: () => import("../authority/import.ts"),
  },
  {
    name: "authority x509 drop-chain",
    summary: "drop the cross certificates that lead to another root",
    load: () => import("../authority/drop-chain.ts"),
  },
  ...authorityCommands("jwt", "JWT"),
  ...authorityCommands("wit", "WIT"),
  {
    name: "ca init",
    summary: "make a CA and a server's configuration in one folder",
    load: () => import("../ca/init.ts"),
  },
  {
    name: "ca root create",
    summary: "make an offline root, on a machine kept apart",
    load: () => import("../ca/root-create.ts"),
  },
  {
    name: "ca root sign",
    summary: "sign a server's request with an offline root",
    load: () => import("../ca/root-sign.ts"),
  },
  {
    name: "ca trust export",
    summary: "write what is to be trusted, for systems, images and browsers",
    load: () => import("../ca/trust/export.ts"),
  },
  {
    name: "provision token",
    summary: "make a one-time token for a certificate",
    load: () => import("../provision/token.ts"),
  },
  {
    name: "provision list",
    summary: "list what was authorized",
    load: () => import("../provision/list.ts"),
  },
  {
    name: "provision revoke",
    summary: "take authorizations back",
    load: () => import("../provision/revoke.ts"),
  },
  {
    name: "fetch x509",
    summary: "fetch this process's X.509-SVIDs from the agent",
    load: () => import("../fetch/x509.ts"),
  },
  {
    name: "fetch jwt",
    summary: "fetch a JWT-SVID for an audience from the agent",
    load: () => import("../fetch/jwt.ts"),
  },
  {
    name: "fetch bundle",
    summary: "fetch the trust bundles this process may use",
    load: () => import("../fetch/bundle.ts"),
  },
  {
    name: "watch",
    summary: "follow this process's X.509-SVIDs as they rotate",
    load: () => import("../watch/watch.ts"),
  },
  {
    name: "init-certificate",
    summary: "get a certificate with names and addresses, before a service starts or beside it",
    load: () => import("../init-certificate/init-certificate.ts"),
  },
  {
    name: "provision client",
    summary: "have a certificate for a one-time token, then run a command with it",
    load: () => import("../provision/client.ts"),
  },
  {
    name: "provision exec",
    summary: "start a container of any image with a provisioned identity",
    load: () => import("../provision/exec.ts"),
  },
  {
    name: "validate jwt",
    summary: "check a JWT-SVID with the agent",
    load: () => import("../validate-jwt.ts"),
  },
  {
    name: "health",
    summary: "ask the server or the agent whether it serves",
    load: () => import("../health.ts"),
  },
  {
    name: "explain",
    summary: "why a process on this host has its identities, or none",
    load: () => import("../explain/explain.ts"),
  },
  {
    name: "audit tail",
    summary: "show the newest records of the server's audit log, and follow it",
    load: () => import("../audit/tail.ts"),
  },
  {
    name: "audit find",
    summary: "find records in the server's audit log",
    load: () => import("../audit/find.ts"),
  },
  {
    name: "log-level",
    summary: "show or change the log level of a running server or agent",
    load: () => import("../log-level.ts"),
  },
  {
    name: "debug",
    summary: "what a running server or agent tells about itself",
    load: () => import("../debug.ts"),
  },
  {
    name: "config validate",
    summary: "check a configuration file of a server or an agent",
    load: () => import("../config/validate.ts"),
  },
  {
    name: "config show",
    summary: "show a whole configuration, with defaults and where each value is from",
    load: () => import("../config/show.ts"),
  },
  { name: "version", summary: "print the version", load: () => import("../version.ts") },
];
