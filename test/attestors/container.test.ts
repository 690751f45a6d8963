/** PID to container: every sample of the corpus, and that nothing below a container's own cgroup or in a mount table counts. */
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import t from "tap";
import { WorkloadAttestors } from "../../src/agent/attestation/workload-attestors.ts";
import {
  ContainerLookup,
  isPodmans,
} from "../../src/attestors/workload/container/container-lookup.ts";
import {
  containerOf,
  unknownContainer,
  userContainerOf,
} from "../../src/attestors/workload/container/container-of.ts";
import { systemClock } from "../../src/base/clock.ts";
import { isKind } from "../../src/base/errors.ts";
import { AGENT_SETTINGS } from "../../src/config/agent/agent-settings.ts";
import { buildAgentConfig } from "../../src/config/agent/build-agent.ts";
import { Settings } from "../../src/config/settings/source.ts";
import { silentLogger } from "../../src/observe/logger.ts";
import { connectingProcess, end, temporaryFolder } from "../support/caller.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

interface Sample {
  readonly name: string;
  /** `captured: ...`, `quoted: URL` or `constructed: ...`. */
  readonly origin: string;
  /** The agent's own /proc/self/cgroup. */
  readonly agentCgroup?: readonly string[];
  readonly cgroup: readonly string[];
  readonly mountinfo?: readonly string[];
  readonly container?: string;
  readonly pod?: string;
  readonly user?: { readonly uid: number; readonly container: string };
  /** Its hierarchies name two containers. */
  readonly conflict?: true;
  /** Looks like a container's, and the raw lines are shown. */
  readonly unknown?: true;
}

const FOLDER = join(import.meta.dirname, "container/samples");
const ID = "0123456789abcdef".repeat(4);

const samples = readdirSync(FOLDER).flatMap((file) =>
  (JSON.parse(readFileSync(join(FOLDER, file), "utf8")) as Sample[]).map((sample) => ({
    file,
    ...sample,
  })),
);

function textOf(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}

t.test("the corpus", async (t) => {
  t.ok(samples.length > 60, "was read");
  for (const sample of samples) {
    await t.test(`${sample.file}: ${sample.name}`, async (t) => {
      t.match(sample.origin, /^(captured|quoted|constructed): \S/);
      const text = textOf(sample.cgroup);
      const options = {
        ownCgroup: textOf(sample.agentCgroup ?? ["0::/system.slice/assay.service"]),
      };
      if (sample.conflict === true) {
        t.throws(() => containerOf(text, options), {
          kind: "denied",
          message: JSON.stringify(text.trimEnd()).slice(1, -1),
        });
        return;
      }
      const expected =
        sample.container === undefined
          ? undefined
          : {
              containerId: sample.container,
              ...(sample.pod === undefined ? {} : { podUid: sample.pod }),
            };
      t.same(containerOf(text, options), expected);
      const user = sample.user;
      t.same(
        userContainerOf(text),
        user === undefined ? undefined : { uid: user.uid, containerId: user.container },
      );
      const named = sample.container !== undefined || user !== undefined;
      if (!named) t.equal(unknownContainer(text) !== undefined, sample.unknown === true);

      // The same through the files, with whatever the mount table says.
      const procDir = temporaryFolder(t);
      for (const [pid, cgroup] of [
        ["self", options.ownCgroup],
        ["7", text],
      ] as const) {
        mkdirSync(join(procDir, pid));
        writeFileSync(join(procDir, pid, "cgroup"), cgroup);
        writeFileSync(join(procDir, pid, "mountinfo"), textOf(sample.mountinfo ?? []));
      }
      t.same(new ContainerLookup({ procDir }).read(7), expected);
    });
  }
});

t.test("what a container makes below its own cgroup changes nothing", (t) => {
  const parts = fc.oneof(
    fc.constantFrom("docker", "..", ID, `docker-${ID}.scope`, "kubepods", `pod${"0".repeat(32)}`),
    fc.constantFrom("user.slice", "user@0.service", "lxc", "libpod_parent", " (deleted)", "a:b"),
    fc.string({ maxLength: 20 }).filter((text) => !/[\n/]/.test(text)),
  );
  const named = samples.filter(
    ({ container, pod }) => container !== undefined || pod !== undefined,
  );
  fc.assert(
    fc.property(fc.constantFrom(...named), fc.array(parts, { maxLength: 6 }), (sample, below) => {
      const ownCgroup = textOf(sample.agentCgroup ?? []);
      const before = containerOf(textOf(sample.cgroup), { ownCgroup });
      // Inside of the agent's own containers the agent's neighbour is who it was; names below are an engine's there.
      const isShared = sample.cgroup.some((line) => sample.agentCgroup?.includes(line));
      fc.pre(!isShared && before?.containerId === sample.container);
      fc.pre(!sample.name.startsWith("Kind, agent in a pod: a process of the node"));
      const after = sample.cgroup.map((line) =>
        line.includes(before?.containerId ?? "-") ? [line, ...below].join("/") : line,
      );
      t.strictSame(containerOf(textOf(after), { ownCgroup }), before);
    }),
    { seed: 5, numRuns: 2000 },
  );
  t.end();
});

t.test("nothing that a user makes below its own service is the system's", (t) => {
  const hostile = fc.array(fc.constantFrom("docker", ID, `docker-${ID}.scope`, "x.slice", "pod1"), {
    minLength: 1,
    maxLength: 6,
  });
  const owned = [
    "/user.slice/user-1000.slice/user@1000.service",
    "/user.slice/user-1000.slice/session-4.scope",
    "/user.slice/user-1000.slice",
    "/system.slice/jobs.service",
    "/system.slice/run-r1.scope",
    "/lxc.payload.c",
    "/lxc/c",
  ];
  fc.assert(
    fc.property(fc.constantFrom(...owned), hostile, (parent, below) => {
      t.equal(containerOf(`0::${parent}/${below.join("/")}\n`), undefined);
    }),
    { seed: 6, numRuns: 1000 },
  );
  t.end();
});

t.test("the lookup", async (t) => {
  const write = (procDir: string, pid: string, text: string): void => {
    mkdirSync(join(procDir, pid), { recursive: true });
    writeFileSync(join(procDir, pid, "cgroup"), text);
  };

  await t.test("reads this very process", async (t) => {
    const lookup = new ContainerLookup();
    t.doesNotThrow(() => lookup.read(process.pid));
    t.equal(lookup.isStill(process.pid, lookup.look(process.pid)), true);
  });

  await t.test("refuses a process that is gone", async (t) => {
    t.throws(() => new ContainerLookup().read(2 ** 31 - 1), { message: /has ended/ });
  });

  await t.test(
    "holds files of processes open, a few of them, and not beyond their end",
    async (t) => {
      const openFiles = (): number => readdirSync("/proc/self/fd").filter(isCgroupFile).length;
      const before = openFiles();
      const lookup = new ContainerLookup();
      const child = connectingProcess("/nonexistent");
      const pid = child.pid ?? 0;
      const look = lookup.look(pid);
      t.equal(lookup.isStill(pid, look), true);
      await end(child);
      t.equal(lookup.isStill(pid, look), false);
      t.throws(() => lookup.look(pid), { message: /has ended/ });
      for (const other of readdirSync("/proc")) {
        if (!/^\d+$/.test(other)) continue;
        try {
          lookup.read(Number(other));
        } catch {
          // It ended just now.
        }
      }
      t.ok(openFiles() > before && openFiles() <= before + 64, "bounded");
      lookup[Symbol.dispose]();
      t.equal(openFiles(), before, "closed");
    },
  );

  await t.test("the attestors of an agent hold a process's file once, and close it", async (t) => {
    const openFiles = (): number => readdirSync("/proc/self/fd").filter(isCgroupFile).length;
    const [before, uid] = [openFiles(), process.getuid?.() ?? 0];
    const all = { k8s: null, docker: null, podman: null, systemd: null, token: { oneTime: true } };
    const context = { uid, env: { HOME: "/nonexistent" } };
    const root = { server: "127.0.0.1:8081", workloadAttestors: all };
    const settings = new Settings({
      table: AGENT_SETTINGS,
      given: () => undefined,
      fromEnv: () => undefined,
      file: { name: "agent.yaml", root },
      context,
    });
    await (async () => {
      const config = buildAgentConfig(settings, context);
      await using attestors = await WorkloadAttestors.open(config, {
        logger: silentLogger,
        clock: systemClock,
        spendToken: () => Promise.reject(new Error("nobody shows one")),
      });
      (await attestors.prepare(config))();
      await attestors.prepare(config);
      t.equal(attestors.current.length, 6);
      for (const attestor of attestors.current) attestor.lookNow?.(process.ppid);
      const held = openFiles() - before;
      t.ok(held > 0 && held <= 2, `${held}: of that process and of the agent's own`);
    })();
    t.equal(openFiles(), before);
  });

  await t.test("knows nothing by PID: what is read now counts", async (t) => {
    const procDir = temporaryFolder(t);
    write(procDir, "self", "0::/\n");
    write(procDir, "7", `0::/docker/${ID}\n`);
    const lookup = new ContainerLookup({ procDir });
    const before = lookup.look(7);
    t.same(before.container, { containerId: ID });
    t.equal(lookup.isStill(7, before), true);
    write(procDir, "7", "0::/\n");
    t.equal(lookup.read(7), undefined);
    t.equal(lookup.isStill(7, before), false);
  });

  await t.test("is read once for all that look in one moment, and anew in the next", async (t) => {
    const procDir = temporaryFolder(t);
    write(procDir, "self", "0::/\n");
    write(procDir, "7", `0::/docker/${ID}\n`);
    write(procDir, "8", "0::/\n");
    const lookup = new ContainerLookup({ procDir });
    const [moment, next] = [{}, {}];
    const before = lookup.look(7, moment);
    write(procDir, "7", "0::/\n");
    t.equal(lookup.look(7, moment), before);
    t.equal(lookup.isStill(7, before, moment), true);
    t.equal(lookup.look(8, moment).container, undefined, "not for another process");
    t.equal(lookup.isStill(7, before, next), false, "the next moment");
    t.equal(lookup.look(7).container, undefined, "no moment");
  });

  await t.test("Podman's container in a unit's cgroup: where root made it", async (t) => {
    const [procDir, tree] = [temporaryFolder(t), temporaryFolder(t)];
    const uid = process.getuid?.() ?? 0;
    write(procDir, "self", "0::/\n");
    writeFileSync(join(tree, "cgroup.procs"), "");
    writeFileSync(
      join(procDir, "self/mountinfo"),
      `30 29 0:26 / ${tree} rw - cgroup2 cgroup2 rw\n31 29 0:27 /x /elsewhere rw - cgroup2 cgroup2 rw\n`,
    );
    const path = `/system.slice/web.service/libpod-payload-${ID}`;
    mkdirSync(join(tree, path), { recursive: true });
    const found = (cgroup: string, trustedUid: number): unknown => {
      write(procDir, "7", `0::${cgroup}\n`);
      return new ContainerLookup({ procDir, trustedUid }).read(7);
    };
    t.same(found(path, uid), { containerId: ID });
    t.same(found(`${path}/below/docker/${"f".repeat(64)}`, uid), { containerId: ID });
    t.equal(found(path, uid + 1), undefined, "somebody else made it");
    t.equal(found(path.replace("web", "other"), uid), undefined, "there is no such directory");
    for (const odd of [
      `/user.slice/user-1.slice/web.service/libpod-payload-${ID}`,
      `/web.service/libpod-payload-${ID}`,
      `/system.slice/a.service/b.service/libpod-payload-${ID}`,
      `/system.slice/web.scope/libpod-payload-${ID}`,
      `/system.slice/web.service/x/libpod-payload-${ID}`,
      `/../system.slice/web.service/libpod-payload-${ID}`,
      `/lxc/system.slice/web.service/libpod-payload-${ID}`,
    ]) {
      mkdirSync(join(tree, odd), { recursive: true });
      t.equal(found(odd, uid), undefined, odd);
    }
    write(procDir, "7", `0::${path}\n`);
    const look = new ContainerLookup({ procDir, trustedUid: uid }).look(7);
    t.equal(isPodmans(look, ID), true);
  });

  await t.test(
    "a part of the tree that somebody else may write to names no containers",
    async (t) => {
      const [procDir, tree, pids] = [temporaryFolder(t), temporaryFolder(t), temporaryFolder(t)];
      const trustedUid = process.getuid?.() ?? 0;
      write(procDir, "self", "0::/\n");
      for (const root of [tree, pids]) writeFileSync(join(root, "cgroup.procs"), "");
      const mount = (path: string, type: string, options: string): string =>
        `30 29 0:26 / ${path} rw - ${type} ${type} ${options}\n`;
      writeFileSync(
        join(procDir, "self/mountinfo"),
        mount(tree, "cgroup2", "rw") + mount(pids, "cgroup", "rw,xattr,pids,cpu"),
      );
      const clock = new VirtualClock();
      const found = (lines: string, options: object = {}): unknown => {
        write(procDir, "7", lines);
        const look = new ContainerLookup({ procDir, trustedUid, ...options }).look(7);
        return look.container ?? look.unknown;
      };
      const container = { containerId: ID };
      const path = `/handed/docker/${ID}`;
      mkdirSync(join(tree, path), { recursive: true });
      t.same(found(`0::${path}\n`), container);
      chmodSync(join(tree, "handed"), 0o775);
      t.match(found(`0::${path}\n`), ID, "its group may name things there: the raw lines");
      t.match(found(`0::${path}/below/${"f".repeat(64)}\n`), ID);
      t.same(
        found(`0::/${ID}\n`, { trustedUid: trustedUid + 1 }),
        container,
        "nobody else writes to the root",
      );
      chmodSync(join(tree, "handed"), 0o755);
      t.match(found(`0::${path}\n`, { trustedUid: trustedUid + 1 }), ID, "it is somebody else's");
      t.match(found(`0::/gone/docker/${ID}\n`), ID, "there is no such directory");

      mkdirSync(join(pids, path), { recursive: true });
      const both = `5:pids,cpu:${path}\n0::${path}\n`;
      t.same(found(both), container);
      chmodSync(join(pids, "handed"), 0o757);
      t.same(found(both), container, "one hierarchy in which root alone can have made it will do");
      t.match(found(`5:cpu,pids:${path}\n0::/\n`), ID);
      t.same(found(`6:freezer:${path}\n0::/\n`), container, "a hierarchy that is out of sight");
      t.same(found(`0::/../gone/docker/${ID}\n`), container, "out of sight too");

      write(procDir, "7", `0::${path}\n`);
      const lookup = new ContainerLookup({ procDir, trustedUid, clock });
      t.same(lookup.read(7), container);
      chmodSync(join(tree, "handed"), 0o775);
      await clock.advance(1999);
      t.same(lookup.read(7), container, "for two seconds");
      await clock.advance(1);
      t.equal(lookup.read(7), undefined);
      clock.jump(-60_000);
      chmodSync(join(tree, "handed"), 0o755);
      t.same(lookup.read(7), container, "a clock that was set back proves nothing");

      chmodSync(join(tree, "handed"), 0o775);
      write(procDir, "self", "0::/\n");
      writeFileSync(join(procDir, "self/uid_map"), "         0       1000          1\n");
      t.same(found(`0::${path}\n`), container, "an agent in a user namespace cannot tell");
      writeFileSync(join(procDir, "self/uid_map"), "         0          0 4294967295\n");
      t.match(found(`0::${path}\n`), ID);

      chmodSync(join(tree, "handed"), 0o755);
      const early = new ContainerLookup({ procDir, trustedUid: trustedUid + 1, clock });
      write(procDir, "7", `7:net_cls:${path}\n0::/\n`);
      t.same(early.read(7), container, "a hierarchy that is mounted nowhere yet");
      appendFileSync(join(procDir, "self/mountinfo"), mount(tree, "cgroup", "rw,net_cls"));
      await clock.advance(9999);
      t.same(early.read(7), container);
      await clock.advance(1);
      await clock.advance(2000);
      t.equal(early.read(7), undefined, "mounted after the agent has started");

      const hidden = temporaryFolder(t);
      appendFileSync(join(procDir, "self/mountinfo"), mount(hidden, "cgroup", "rw,memory"));
      t.same(found(`8:memory:${path}\n0::/\n`), container, "hidden by another mount");

      const name = "caf\u00e9";
      mkdirSync(join(tree, name, ID), { recursive: true });
      t.same(found(`0::/${name}/${ID}\n`), container, "names of other scripts");
    },
  );

  await t.test("takes longer texts than one read, and refuses endless ones", async (t) => {
    const procDir = temporaryFolder(t);
    write(procDir, "self", "0::/\n");
    const deep = "/x".repeat(2000);
    const lines = Array.from({ length: 12 }, (_, at) => `${at + 1}:c${at}:/docker/${ID}${deep}\n`);
    write(procDir, "7", lines.join(""));
    const lookup = new ContainerLookup({ procDir });
    t.same(lookup.read(7), { containerId: ID });
    // As long as one read, a byte less and a byte more; and the same length with other words.
    for (const length of [8191, 8192, 8193, 16_384, 100, 101, 100]) {
      const text = `0::/${"y".repeat(length - 5)}\n`;
      write(procDir, "7", text);
      t.equal(lookup.look(7).cgroup, text, `${length} bytes`);
      write(procDir, "7", text.replaceAll("y", "z"));
      t.equal(lookup.look(7).cgroup, text.replaceAll("y", "z"));
    }
    write(procDir, "7", lines.join("").repeat(2));
    t.throws(() => lookup.read(7), { kind: "denied", message: /longer than 65536 bytes/ });
  });

  await t.test("shows raw lines bounded and printable", async (t) => {
    const text = `1:a:/docker/${ID}/\u0007${"y".repeat(5000)}\n2:b:/docker/${"f".repeat(64)}\n`;
    try {
      containerOf(text);
      t.fail("named two containers");
    } catch (error) {
      if (!isKind(error, "denied")) throw error;
      t.ok(error.message.length < 2300);
      t.match(error.message, /\\u0007/);
      t.match(error.message, /\.\.\.$/);
    }
  });
});

function isCgroupFile(fd: string): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`).endsWith("/cgroup");
  } catch {
    return false; // what listed the folder
  }
}
