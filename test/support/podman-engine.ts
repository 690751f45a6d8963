/**
 * A Podman of a test's own (Debian's, with crun): its service on a socket, beside what the machine has. Containers have
 * cgroups by the cgroupfs driver and no network. Needs root; installs what is missing.
 */
import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { ContainerEngine } from "./container-engine.ts";
import { needPackages, needPrograms } from "./debian.ts";
import { runningProcesses } from "./processes.ts";

const exec = promisify(execFile);

/**
 * Where both versions' hierarchies are mounted, in a mount namespace in which the second one has no controllers: crun refuses
 * a host on which it has any.
 */
function podmanCommand(
  args: readonly string[],
  before = "",
): readonly [string, ...(readonly string[])] {
  const mask = `if [ -e ${CONTROLLERS} ]; then mount --bind /dev/null ${CONTROLLERS}; fi`;
  const script = `set -e; ${before}\n${mask}\nexec podman "$@"`;
  return ["unshare", "--mount", "sh", "-c", script, "sh", ...args];
}

const CONTROLLERS = "/sys/fs/cgroup/unified/cgroup.controllers";

export class PodmanEngine extends ContainerEngine {
  static async start(): Promise<PodmanEngine> {
    if (process.getuid?.() !== 0)
      throw new Error("Podman's containers need root: run this as root");
    await needPrograms({ "/bin/busybox": "busybox-static" });
    // Podman takes any runtime that is there; Docker's would do with fewer kinds of machines.
    await needPackages(["podman", "crun"]);
    const engine = new PodmanEngine("podman");
    engine.#configure();
    await engine.begin();
    return engine;
  }

  /** Podman's own command line, on the same containers. @returns what it prints */
  async podman(...args: readonly string[]): Promise<string> {
    return this.podmanAfter("", ...args);
  }

  /** The same, run by a shell after it has done something. */
  async podmanAfter(script: string, ...args: readonly string[]): Promise<string> {
    const [program, ...words] = podmanCommand(args, script);
    const { stdout } = await exec(program, words, { env: this.#env() });
    return stdout.trim();
  }

  protected override endHelpers(): void {
    // Each call of `exec` leaves a monitor for five minutes, and each container a command that tidies up after it: they
    // would make this engine's folder again.
    for (const { pid, command } of runningProcesses()) {
      if (!/^\S*\/(conmon|podman) /.test(command) || !command.includes(this.dir)) continue;
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // it has ended meanwhile
      }
    }
  }

  protected daemon(): { readonly command: readonly string[]; readonly env: NodeJS.ProcessEnv } {
    const command = podmanCommand(["system", "service", "--time=0", `unix://${this.socket}`]);
    return { command, env: this.#env() };
  }

  #env(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      CONTAINERS_CONF: join(this.dir, "containers.conf"),
      CONTAINERS_STORAGE_CONF: join(this.dir, "storage.conf"),
    };
  }

  #configure(): void {
    // default_ulimits: Podman's own are higher than root may ask for in a sandboxed machine.
    writeFileSync(
      join(this.dir, "containers.conf"),
      `[containers]
netns = "none"
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
runtime = "crun"
events_logger = "file"
lock_type = "file"
tmp_dir = "${join(this.dir, "tmp")}"
`,
    );
    writeFileSync(
      join(this.dir, "storage.conf"),
      `[storage]
driver = "vfs"
graphroot = "${join(this.dir, "graph")}"
runroot = "${join(this.dir, "run")}"
`,
    );
    mkdirSync(join(this.dir, "tmp"));
  }
}
