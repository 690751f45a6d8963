/** BIND with one zone, which takes updates (RFC 2136) signed with a key: where cert-manager puts what dns-01 asks for. */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { Resolver } from "node:dns/promises";
import { join } from "node:path";
import type { Test } from "tap";
import { freePort } from "../../support/free-port.ts";
import { endWith } from "../rig.ts";
import { nameServer } from "../tools.ts";

export interface NameServer {
  /** ADDRESS:PORT */
  readonly address: string;
  /** Base64. */
  readonly key: string;
  readonly keyName: string;
}

/** @param target address of the zone and of every name in it */
export async function startNameServer(
  t: Test,
  { dir, zone, target }: { dir: string; zone: string; target: string },
): Promise<NameServer> {
  const home = join(dir, "named");
  mkdirSync(home);
  const key = randomBytes(32).toString("base64");
  const port = await freePort();
  const records = [
    "$TTL 1",
    `@ SOA ns.${zone}. ops.${zone}. 1 60 60 60 1`,
    "@ NS ns",
    `@ A ${target}`,
    `* A ${target}`,
    "",
  ];
  writeFileSync(join(home, "zone"), records.join("\n"));
  const options = [
    `directory "${home}"`,
    `listen-on port ${port} { 127.0.0.1; }`,
    "listen-on-v6 { none; }",
    `pid-file "${home}/pid"`,
    `session-keyfile "${home}/session.key"`,
    "recursion no",
    "dnssec-validation no",
  ];
  const config = join(home, "named.conf");
  writeFileSync(
    config,
    [
      `options { ${options.join("; ")}; };`,
      `key "${KEY_NAME}" { algorithm hmac-sha256; secret "${key}"; };`,
      `zone "${zone}" { type primary; file "${home}/zone"; allow-update { key "${KEY_NAME}"; }; };`,
      "controls { };",
      "",
    ].join("\n"),
  );
  const child = spawn(await nameServer(), ["-f", "-c", config], { stdio: "ignore" });
  endWith(t, child);
  const ended = once(child, "exit").then(() => "ended");
  const resolver = new Resolver({ timeout: 200, tries: 1 });
  resolver.setServers([`127.0.0.1:${port}`]);
  for (;;) {
    const asked = resolver.resolve4(zone).catch(() => undefined);
    const answer = await Promise.race([asked, ended]);
    if (answer === "ended") throw new Error("the name server ended");
    if (answer !== undefined) return { address: `127.0.0.1:${port}`, key, keyName: KEY_NAME };
  }
}

const KEY_NAME = "cert-manager";
