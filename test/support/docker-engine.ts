/** A Docker Engine of a test's own (Debian's docker.io). Needs root; installs what is missing. */
import { join } from "node:path";
import { ContainerEngine } from "./container-engine.ts";
import { needPrograms } from "./debian.ts";

export class DockerEngine extends ContainerEngine {
  static async start(): Promise<DockerEngine> {
    await needDocker();
    const engine = new DockerEngine("docker");
    await engine.begin();
    return engine;
  }

  protected daemon(): { readonly command: readonly string[] } {
    return {
      command: [
        DOCKERD,
        "--iptables=false",
        "--ip6tables=false",
        "--bridge=none",
        "--live-restore",
        `--data-root=${join(this.dir, "data")}`,
        `--exec-root=${join(this.dir, "exec")}`,
        `--pidfile=${join(this.dir, "pid")}`,
        `--host=unix://${this.socket}`,
      ],
    };
  }
}

/** Installs Docker and busybox where they are missing. */
export async function needDocker(): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error("a Docker Engine needs root: run this as root");
  await needPrograms({ [DOCKERD]: "docker.io", "/bin/busybox": "busybox-static" });
}

const DOCKERD = "/usr/sbin/dockerd";
