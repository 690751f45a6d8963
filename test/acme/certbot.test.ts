/** certbot as anybody uses it, against the assembled server under an offline root. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import t from "tap";
import { startRig, verify } from "./rig.ts";
import { pythonProgram } from "./tools.ts";

const exec = promisify(execFile);

t.test("T3, T9: certbot gets, renews and revokes certificates, nothing unverified", async (t) => {
  const certbot = await pythonProgram("certbot");
  const rig = await startRig(t);
  const run = async (...args: string[]): Promise<string> => {
    const folders = ["config", "work", "logs"].flatMap((name) => [
      `--${name}-dir`,
      join(rig.dir, "certbot", name),
    ]);
    const { stdout } = await exec(
      certbot,
      [...args, ...folders, "--server", rig.directory, "--non-interactive"],
      { env: { ...process.env, REQUESTS_CA_BUNDLE: rig.serverRoot } },
    );
    return stdout;
  };
  const standalone = ["--standalone", "--http-01-port", String(rig.httpPort)];
  const account = ["--agree-tos", "--register-unsafely-without-email"];
  const live = (name: string): string =>
    join(rig.dir, "certbot/config/live", name, "fullchain.pem");
  await run(
    "certonly",
    ...standalone,
    ...account,
    "-d",
    "www.example.org",
    "-d",
    "api.example.org",
  );
  const first = await verify(live("www.example.org"), rig.root, "api.example.org");
  await run("renew", "--force-renewal", ...standalone, "--no-random-sleep-on-renew");
  const second = await verify(live("www.example.org"), rig.root, "www.example.org");
  t.not(second, first, "another certificate");

  await t.rejects(
    run("certonly", ...standalone, "-d", "www.example.com"),
    /not among the names that this account may have/,
    "a name that nobody listed",
  );
  await t.rejects(
    run("certonly", ...standalone, "--http-01-port", "1", "-d", "other.example.org"),
    /./,
    "nobody answers at the port of challenges",
  );
  await run(
    "revoke",
    "--cert-name",
    "www.example.org",
    "--delete-after-revoke",
    "--reason",
    "superseded",
  );
  await t.rejects(verify(live("www.example.org"), rig.root, "www.example.org"), "and is gone");
  await run("unregister");
});
