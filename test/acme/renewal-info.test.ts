/** certbot with an account of the operator's, which renews what was revoked because renewal information says so. */
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { readChain } from "../server/frontends/acme-rig.ts";
import { startRig } from "./rig.ts";
import { pythonProgram } from "./tools.ts";
import { PATIENCE_MS } from "../support/patience.ts";

t.test(
  "certbot: an external account, a profile, and renewal because of renewal information",
  async (t) => {
    const certbot = await pythonProgram("certbot");
    const rig = await startRig(t);
    const { dir, directory, serverRoot, httpPort } = rig;
    const made = await rig.assay("acme", "eab", "create", "--names=a.example.org", "--output=json");
    const { keyId, macKey } = JSON.parse(made) as { keyId: string; macKey: string };
    const folders = ["config", "work", "logs"].map((name) => `--${name}-dir=${join(dir, name)}`);
    const run = async (title: string, ...args: string[]): Promise<string> => {
      const all = [...args, "--non-interactive", `--server=${directory}`, ...folders];
      const env = { REQUESTS_CA_BUNDLE: serverRoot };
      const { code, output } = await runClient(certbot, all, { cwd: dir, env });
      t.equal(code, 0, `${title}\n${code === 0 ? "" : output}`);
      return output;
    };
    const leaf = async () => {
      const path = join(dir, "config/live/a.example.org/fullchain.pem");
      return readChain(await readFile(path, "utf8")).leaf;
    };
    const account = ["--agree-tos", "-m", "a@example.org"];
    await run("register", "register", ...account, `--eab-kid=${keyId}`, `--eab-hmac-key=${macKey}`);
    const standalone = ["--standalone", `--http-01-port=${httpPort}`];
    const issue = ["certonly", ...standalone, "-d", "a.example.org"];
    await run("issue", ...issue, "--preferred-profile=server-7d");
    const first = await leaf();
    t.ok(first.notAfter - first.notBefore < 8 * 24 * 3600, "the profile's life");
    const revoke = ["revoke", "--cert-name=a.example.org", "--no-delete-after-revoke"];
    await run("revoke", ...revoke, "--reason=superseded");
    // Without it, what is run by no terminal waits for some minutes.
    const renew = ["renew", "--no-random-sleep-on-renew"];
    await run("renew what was revoked", ...renew);
    t.not((await leaf()).serial, first.serial, "renewal information said so");
    t.match(await run("renew again", ...renew), /not due for renewal yet/);
    await run("unregister", "unregister");
  },
);

interface Outcome {
  readonly code: number | null;
  /** Both streams, as they came. */
  readonly output: string;
}

/** Runs a client to its end. */
async function runClient(
  command: string,
  args: readonly string[],
  { env = {}, cwd }: { readonly env?: Readonly<Record<string, string>>; readonly cwd: string },
): Promise<Outcome> {
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: PATIENCE_MS,
    killSignal: "SIGKILL",
  });
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject).once("close", resolve);
  });
  return { code, output: Buffer.concat(chunks).toString() };
}
