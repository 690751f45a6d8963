/** A TPM in software (Debian's swtpm) in a folder of the test's own, with a manufacturer that signed for it. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, watch, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { systemClock } from "../../src/base/clock.ts";
import { Tpm } from "../../src/tpm/tpm.ts";
import { openTpm } from "../../src/tpm/transport.ts";
import { needPrograms } from "../support/debian.ts";

const exec = promisify(execFile);

export class SoftwareTpm implements AsyncDisposable {
  readonly dir: string;
  /** Speaks to one client at a time. */
  readonly socket: string;
  /** The manufacturer's authorities, PEM. */
  readonly authorities: string;
  #process: ChildProcess | undefined;
  #ended: Promise<unknown> = Promise.resolve();

  private constructor(dir: string) {
    this.dir = dir;
    this.socket = join(dir, "tpm.sock");
    this.authorities = join(dir, "ca", "issuercert.pem");
  }

  static async start(): Promise<SoftwareTpm> {
    await needPrograms({
      swtpm: "swtpm",
      swtpm_setup: "swtpm-tools",
      tpm2_create: "tpm2-tools",
      socat: "socat",
    });
    const tpm = new SoftwareTpm(mkdtempSync(join(tmpdir(), "assay-tpm-")));
    await tpm.#manufacture();
    await tpm.#begin();
    return tpm;
  }

  /** Runs one of Debian's tpm2-tools, whose name and arguments have spaces between them alone. */
  async tool(line: string): Promise<string> {
    const env = { ...process.env, TPM2TOOLS_TCTI: `swtpm:path=${this.socket}` };
    const [name = "", ...args] = line.split(SPACE);
    return (await exec(name, args, { env, cwd: this.dir })).stdout;
  }

  /** Writes a file beside the TPM's. */
  file(name: string, content: string | Uint8Array): string {
    const path = join(this.dir, name);
    writeFileSync(path, content);
    return path;
  }

  /** Resolves when there is such a file. */
  async appears(path: string): Promise<void> {
    const changes = watch(this.dir);
    try {
      while (!existsSync(path)) await once(changes, "change");
    } finally {
      changes.close();
    }
  }

  /** Our own commands. */
  async open(): Promise<Tpm> {
    const { signal } = new AbortController();
    return new Tpm(await openTpm(this.socket, signal), systemClock, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process?.kill();
    await this.#ended;
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** A test that is killed takes it along. */
  async #begin(): Promise<void> {
    const child = spawn(
      "setpriv",
      `--pdeathsig KILL swtpm socket --tpm2 --flags not-need-init,startup-clear --tpmstate dir=${join(this.dir, "state")}
        --server type=unixio,path=${this.socket} --ctrl type=unixio,path=${this.socket}.ctrl`.split(
        SPACE,
      ),
      { stdio: "ignore" },
    );
    this.#process = child;
    this.#ended = once(child, "exit");
    await this.appears(`${this.socket}.ctrl`);
    // The file is there a moment before anybody listens.
    for (;;) {
      try {
        await exec("swtpm_ioctl", ["--unix", `${this.socket}.ctrl`, "-c"]);
        return;
      } catch (error) {
        if (child.exitCode !== null) throw error;
      }
    }
  }

  async #manufacture(): Promise<void> {
    for (const folder of ["state", "ca"]) mkdirSync(join(this.dir, folder));
    const file = (name: string, lines: readonly string[]): string =>
      this.file(name, `${lines.join("\n")}\n`);
    const ca = join(this.dir, "ca");
    const authority = file("localca.conf", [
      `statedir = ${ca}`,
      `signingkey = ${join(ca, "signkey.pem")}`,
      `issuercert = ${join(ca, "issuercert.pem")}`,
      `certserial = ${join(ca, "certserial")}`,
    ]);
    const setup = file("setup.conf", [
      "create_certs_tool = /usr/bin/swtpm_localca",
      `create_certs_tool_config = ${authority}`,
      `create_certs_tool_options = ${file("options.conf", [])}`,
      "active_pcr_banks = sha256",
    ]);
    await exec(
      "swtpm_setup",
      `--tpm2 --tpmstate ${join(this.dir, "state")} --config ${setup} --create-ek-cert
        --logfile ${join(this.dir, "setup.log")}`.split(SPACE),
    );
  }
}

const SPACE = /\s+/;
