/**
 * A real systemd of a test's own, with a real message bus and the units that the test writes: first process of
 * namespaces of its own, on a read-only view of the machine's files. Needs root.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { type Socket, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { needPackages } from "./debian.ts";
import { HIERARCHIES, removeCgroup } from "./hierarchies.ts";

const CHECKOUT = join(import.meta.dirname, "../..");

export class SystemdMachine implements AsyncDisposable {
  readonly dir = mkdtempSync(join(tmpdir(), "assay-systemd-"));
  readonly #cgroups = HIERARCHIES.filter((mount) => !CONTROLLER.test(mount)).map((mount) =>
    join(mount, `assay-systemd-${process.pid}`),
  );
  #process: ChildProcess | undefined;
  #socket: Socket | undefined;
  #answers: AsyncIterator<string> | undefined;

  /** @param units the lines of each unit's file; all are started, of a template the instance `a` */
  static async start(units: Readonly<Record<string, string>>): Promise<SystemdMachine> {
    if (process.getuid?.() !== 0) throw new Error("a systemd needs root: run this as root");
    await needPackages(["systemd", "dbus-daemon", "dbus-system-bus-common"]);
    const machine = new SystemdMachine();
    try {
      await machine.#boot(units);
      return machine;
    } catch (cause) {
      const log = readFileSync(join(machine.dir, "log"), "utf8").slice(-2000);
      await machine[Symbol.asyncDispose]();
      throw new Error(`systemd did not start: ${log}`, { cause });
    }
  }

  /** Path of a unit's file. */
  unitFile(name: string): string {
    return join(this.dir, "units", name);
  }

  /** The selectors of a process in this machine, or of a unit's main process. @throws what the attestor does */
  async selectors(
    subject: { readonly pid: number } | { readonly unit: string },
  ): Promise<string[]> {
    return (await this.#ask(subject)) as string[];
  }

  /** A command in this machine, to its end. @returns what it prints */
  async run(...command: readonly string[]): Promise<string> {
    return String(await this.#ask({ run: command }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket?.destroy();
    const child = this.#process;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const exited = once(child, "exit");
      // unshare's only child goes with it, and with that all others.
      child.kill("SIGKILL");
      await exited;
    }
    for (const folder of this.#cgroups) await removeCgroup(folder);
    rmSync(this.dir, { recursive: true, force: true });
  }

  async #boot(units: Readonly<Record<string, string>>): Promise<void> {
    mkdirSync(join(this.dir, "units"));
    const socket = join(this.dir, "child.sock");
    const child = join(CHECKOUT, "test/support/systemd-child.ts");
    const all: Record<string, string> = {
      ...BASE,
      "agent.service": `[Service]\nExecStart=${process.execPath} ${child} ${socket}`,
      ...units,
    };
    const wanted = Object.keys(all).map((name) => name.replace("@.", "@a."));
    const target = `[Unit]\nWants=${wanted.join(" ")}`;
    for (const [name, text] of Object.entries({ ...all, "test.target": target })) {
      const header = text.includes("[Unit]") ? "" : "[Unit]\n";
      const whole = `${header}${text}\n`.replace("[Unit]\n", "[Unit]\nDefaultDependencies=no\n");
      writeFileSync(this.unitFile(name), whole);
    }
    const enter = this.#cgroups
      .map((folder) => `mkdir "${folder}"; echo $$ >"${folder}/cgroup.procs"`)
      .join("\n");
    const log = openSync(join(this.dir, "log"), "a");
    const namespaces = ["--mount", "--pid", "--cgroup", "--net", "--uts", "--ipc"];
    const unshare = ["unshare", ...namespaces, "--fork", "--kill-child"];
    const boot = join(import.meta.dirname, "systemd-boot.sh");
    this.#process = spawn(
      "setpriv",
      ["--pdeathsig=KILL", "sh", "-c", `set -e\n${enter}\nexec "$@"`, "sh"].concat(
        unshare,
        boot,
        this.dir,
        CHECKOUT,
      ),
      { stdio: ["ignore", log, log] },
    );
    for (let round = 0; !existsSync(socket); round += 1) {
      if (this.#process.exitCode !== null || round === 600) throw new Error("no unit came up");
      await setTimeout(100);
    }
    this.#socket = connect(socket);
    await once(this.#socket, "connect");
    this.#answers = createInterface({ input: this.#socket })[Symbol.asyncIterator]();
  }

  async #ask(question: object): Promise<unknown> {
    this.#socket?.write(`${JSON.stringify(question)}\n`);
    const line = (await this.#answers?.next())?.value as string | undefined;
    if (line === undefined) throw new Error("the machine is gone");
    const { said, refused } = JSON.parse(line) as { said?: unknown; refused?: string };
    if (refused !== undefined) throw new Error(refused);
    return said;
  }
}

/** Hierarchies that systemd does not manage by itself. */
const CONTROLLER =
  /\/(cpu|cpuacct|cpu,cpuacct|memory|devices|freezer|blkio|pids|net_cls|perf_event|hugetlb|rdma|misc)$/;
/** A bus with Debian's own configuration, which says what anybody may ask systemd, and what transient units wait for. */
const BASE = {
  "sysinit.target": "[Unit]",
  "basic.target": "[Unit]",
  "dbus.socket": "[Socket]\nListenStream=/run/dbus/system_bus_socket",
  "dbus.service": `[Service]
Type=notify
NotifyAccess=main
ExecStart=/usr/bin/dbus-daemon --system --address=systemd: --nofork --nopidfile --systemd-activation`,
};
