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
import { needPackages } from "./debian.ts";
import { HIERARCHIES, removeCgroup } from "./hierarchies.ts";
import { until } from "./patience.ts";

/** A user whose own manager runs beside the system's, on cgroup v2 alone. */
export interface MachineUser {
  readonly uid: number;
  /** Files of their home folder, by path in it. */
  readonly home: Readonly<Record<string, string>>;
}

const CHECKOUT = join(import.meta.dirname, "../..");

export class SystemdMachine implements AsyncDisposable {
  readonly dir = mkdtempSync(join(tmpdir(), "assay-systemd-"));
  readonly #cgroups = HIERARCHIES.filter((mount) => !CONTROLLER.test(mount)).map((mount) =>
    join(mount, `assay-systemd-${process.pid}`),
  );
  readonly #user: MachineUser | undefined;
  #process: ChildProcess | undefined;
  #socket: Socket | undefined;
  #answers: AsyncIterator<string> | undefined;

  /** @param units the lines of each unit's file; all are started, of a template the instance `a` */
  static async start(
    units: Readonly<Record<string, string>>,
    user?: MachineUser,
  ): Promise<SystemdMachine> {
    if (process.getuid?.() !== 0) throw new Error("a systemd needs root: run this as root");
    await needPackages(["systemd", "dbus-daemon", "dbus-system-bus-common"]);
    if (user !== undefined) await needPackages(["dbus-user-session", "uidmap"]);
    const machine = new SystemdMachine(user);
    try {
      await machine.#boot(user === undefined ? units : { ...units, ...machine.#home(user) });
      return machine;
    } catch (cause) {
      const log = readFileSync(join(machine.dir, "log"), "utf8").slice(-2000);
      await machine[Symbol.asyncDispose]();
      throw new Error(`systemd did not start: ${log}`, { cause });
    }
  }

  private constructor(user: MachineUser | undefined) {
    this.#user = user;
  }

  /** Path of a unit's file. */
  unitFile(name: string): string {
    return join(this.dir, "units", name);
  }

  /** The selectors of a process in this machine, or of a unit's main process. @throws what the attestor does */
  async selectors(
    subject: ({ readonly pid: number } | { readonly unit: string }) & { readonly by?: "podman" },
  ): Promise<string[]> {
    return (await this.#ask(subject)) as string[];
  }

  /** A command in this machine, to its end. @returns what it prints */
  async run(...command: readonly string[]): Promise<string> {
    return String(await this.#ask({ run: command }));
  }

  /** A command of the user's. @returns what it prints */
  async runAsUser(...command: readonly string[]): Promise<string> {
    const uid = String(this.#user?.uid);
    const identity = ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups"];
    const env = ["env", "--ignore-environment", `--chdir=${HOME}`, ...userEnv(uid)];
    return this.run(...identity, ...env, ...command);
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

  /** Writes accounts and home of a user. @returns the units of their manager */
  #home({ uid, home }: MachineUser): Record<string, string> {
    const accounts: Record<string, string> = {
      passwd: `root:x:0:0::/root:/bin/sh\nuser:x:${uid}:${uid}::${HOME}:/bin/sh\nmessagebus:x:100:100::/:/bin/false\n`,
      group: `root:x:0:\nuser:x:${uid}:\nmessagebus:x:100:\n`,
      subuid: `user:${SUBORDINATE}:65536\n`,
      subgid: `user:${SUBORDINATE}:65536\n`,
    };
    mkdirSync(join(this.dir, "etc"));
    for (const [name, text] of Object.entries(accounts)) {
      writeFileSync(join(this.dir, "etc", name), text);
    }
    for (const [name, text] of Object.entries(home)) {
      const path = join(this.dir, "home", name);
      mkdirSync(join(path, ".."), { recursive: true });
      writeFileSync(path, text);
    }
    const make = `mkdir -p /run/user && cp -r "${this.dir}/home" ${HOME} && mkdir -m 700 /run/user/%i && chown -R %i:%i /run/user/%i ${HOME}`;
    return {
      [`user@.service`]: `[Service]
Type=notify
User=%i
Slice=user-%i.slice
Delegate=yes
Environment=${userEnv("%i").join(" ")} SYSTEMD_UNIT_PATH=/usr/lib/systemd/user
ExecStartPre=+/bin/sh -c '${make}'
ExecStart=/lib/systemd/systemd --user
KillMode=mixed`,
    };
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
    const instanceOf = (name: string): string =>
      name === "user@.service" ? `${this.#user?.uid}` : "a";
    const wanted = Object.keys(all).map((name) => name.replace("@.", `@${instanceOf(name)}.`));
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
        this.#user === undefined ? [] : ["unified"],
      ),
      { stdio: ["ignore", log, log] },
    );
    await until("a unit comes up", () => {
      if (this.#process?.exitCode !== null) throw new Error("no unit came up");
      return existsSync(socket);
    });
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

function userEnv(uid: string): string[] {
  const runtime = `/run/user/${uid}`;
  return [
    "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
    "TMPDIR=/tmp",
    `HOME=${HOME}`,
    `XDG_RUNTIME_DIR=${runtime}`,
    `DBUS_SESSION_BUS_ADDRESS=unix:path=${runtime}/bus`,
  ];
}

const HOME = "/run/home";
/** Where the user's subordinate ids begin. */
export const SUBORDINATE = 300_000;
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
