/**
 * Which container a process is in, told from its cgroups: /proc/PID/cgroup is the kernel's word, and one component of
 * each path is the runtime's.
 *
 * Which one? A process may make cgroups below the one that it was put into and move there, so whatever follows a
 * container's component is of the container's own making: the outermost container counts. An agent that itself runs in
 * a container (a Kind node, Docker in Docker) starts to look below the containers that it shares with the process.
 *
 * systemd's tree has units as leaves (systemd.slice(5)): below a service or a scope its own processes name things, and
 * below `user.slice` users do (`systemd-run --user --scope --unit=docker-...` needs no privilege). Nothing there names
 * a container of the system; see `userContainerOf` for the users' own.
 *
 * The mount table (/proc/PID/mountinfo) names nothing: in a user namespace of its own any process can mount there what
 * it likes.
 */
import { fail } from "../../../base/errors.ts";
import { parseCgroups, shownLines } from "./cgroup-lines.ts";

export interface ContainerRef {
  /** 64 lower-case hex digits. */
  readonly containerId: string;
  /** Of the Kubernetes pod: a UUID with dashes, or the 32 hex digits of a static pod; absent outside of pods. */
  readonly podUid?: string;
}

/** A container of a user's own engine. */
export interface UserContainerRef {
  readonly uid: number;
  /** 64 lower-case hex digits. */
  readonly containerId: string;
}

export interface ContainerOfOptions {
  /** The agent's own /proc/self/cgroup: where its own containers end. */
  readonly ownCgroup?: string;
  /** False where somebody else than the system may have named the container. Default: nowhere. */
  readonly isBelieved?: (place: ContainerPlace) => boolean;
}

/** Where a cgroup path names a container. */
export interface ContainerPlace {
  readonly hierarchy: string;
  /** The directories above the container's own, from the hierarchy's root: whoever may write there could have named it. */
  readonly folders: readonly string[];
  /** The path begins with `..`: these directories are not where they seem to be. */
  readonly isOutside: boolean;
}

/**
 * The system's container that a process is in, as seen from the agent; `undefined` when it is in none.
 * @param cgroupText /proc/PID/cgroup (cgroups(7))
 * @throws denied when its hierarchies name different containers, with the raw lines
 */
export function containerOf(
  cgroupText: string,
  { ownCgroup = "", isBelieved = () => true }: ContainerOfOptions = {},
): ContainerRef | undefined {
  const own = new Map(
    parseCgroups(ownCgroup).map(({ hierarchy, components }) => [hierarchy, components]),
  );
  let shared: ContainerRef | undefined;
  let found: ContainerRef | undefined;
  for (const { hierarchy, components, isOutside } of parseCgroups(cgroupText)) {
    const from = firstBelowShared(components, own.get(hierarchy) ?? []);
    const at = outermost(components, from);
    const below = at < 0 ? undefined : refOf(components.slice(from, at + 1));
    if (below === undefined) {
      shared ??= innermost(components.slice(0, from));
    } else if (!isBelieved({ hierarchy, folders: foldersOf(components, from, at), isOutside })) {
      continue;
    } else if (found === undefined || (found.podUid === undefined && isSame(found, below))) {
      found = below;
    } else if (!isSame(found, below)) {
      throw fail(
        "denied",
        `the cgroups of the process name two containers: ${shownLines(cgroupText)}`,
      );
    }
  }
  return found ?? shared;
}

/** The container of a user's own engine (rootless Podman or Docker) below the part that systemd hands to that user. */
export function userContainerOf(cgroupText: string): UserContainerRef | undefined {
  for (const { components } of parseCgroups(cgroupText)) {
    const [root = "", slice = "", service = "", ...rest] = components;
    const uid = /^user@(\d{1,10})\.service$/.exec(service)?.[1];
    if (root !== "user.slice" || uid === undefined || slice !== `user-${uid}.slice`) continue;
    for (const component of rest) {
      const containerId = containerIdOf(component, undefined) ?? PAYLOAD.exec(component)?.[1];
      if (containerId !== undefined) return { uid: Number(uid), containerId };
    }
  }
  return undefined;
}

/** The raw lines, bounded, when they look like a container's that nothing here knows; `undefined` for a host process. */
export function unknownContainer(cgroupText: string): string | undefined {
  return CONTAINER_LIKE.test(cgroupText) ? shownLines(cgroupText) : undefined;
}

/** The index below the last container that the agent is in as well. */
function firstBelowShared(components: readonly string[], own: readonly string[]): number {
  let first = 0;
  for (const [index, component] of components.entries()) {
    if (own[index] !== component) break;
    const isContainer = containerIdOf(component, components[index - 1]) !== undefined;
    if (isContainer || LXC.test(component)) first = index + 1;
  }
  return first;
}

/** The index of the outermost container's component, -1 for none. */
function outermost(components: readonly string[], from: number): number {
  for (let at = from; at < components.length; at += 1) {
    const component = components[at] ?? "";
    const parent = at === from ? undefined : components[at - 1];
    if (containerIdOf(component, parent) !== undefined) return at;
    if (isOwnMaking(component)) return -1;
  }
  return -1;
}

function foldersOf(components: readonly string[], from: number, to: number): string[] {
  const folders: string[] = [];
  for (let at = from; at < to; at += 1) folders.push(`/${components.slice(0, at + 1).join("/")}`);
  return folders;
}

function innermost(components: readonly string[]): ContainerRef | undefined {
  const last = components.findLastIndex(
    (component, index) => containerIdOf(component, components[index - 1]) !== undefined,
  );
  return last < 0 ? undefined : refOf(components.slice(0, last + 1));
}

/** Of the container whose component is the last one; its pod stands before it, or in the same component. */
function refOf(components: readonly string[]): ContainerRef | undefined {
  const containerId = containerIdOf(components.at(-1) ?? "", components.at(-2));
  if (containerId === undefined) return undefined;
  let podUid: string | undefined;
  for (const component of components) podUid = podUidOf(component) ?? podUid;
  return { containerId, ...(podUid === undefined ? {} : { podUid }) };
}

function containerIdOf(component: string, parent: string | undefined): string | undefined {
  for (const pattern of CONTAINER_COMPONENTS) {
    const id = pattern.exec(component)?.[1];
    // Podman's cgroupfs driver puts containers into a pod: /libpod_parent/POD/libpod-CONTAINER.
    if (id !== undefined && !(component === id && parent === "libpod_parent")) return id;
  }
  return undefined;
}

/** True for a component below which its own processes, and not the system, give names. */
function isOwnMaking(component: string): boolean {
  if (component.endsWith(".service")) return !RUNTIME_SERVICES.test(component);
  return component === "user.slice" || component.endsWith(".scope") || LXC.test(component);
}

function podUidOf(component: string): string | undefined {
  const match = POD.exec(component);
  return (match?.[1] ?? match?.[2])?.replaceAll("_", "-");
}

function isSame(a: ContainerRef, b: ContainerRef): boolean {
  const onePod = a.podUid === undefined || b.podUid === undefined || a.podUid === b.podUid;
  return a.containerId === b.containerId && onePod;
}

/** How runtimes name a container's own cgroup, cgroupfs drivers and systemd ones; conmon's (`libpod-conmon-`) is none. */
const CONTAINER_COMPONENTS: readonly RegExp[] = [
  /^([0-9a-f]{64})$/,
  /^(?:docker|cri-containerd|containerd|crio|libpod|nerdctl)-([0-9a-f]{64})(?:\.scope)?$/,
  // A systemd-style name given to a runtime that was set up for cgroupfs: SLICE:RUNTIME:ID.
  /^[^:]+\.slice:(?:docker|cri-containerd|crio|libpod|nerdctl):([0-9a-f]{64})$/,
];
/** In the cgroup of the unit that runs it (Podman's `--cgroups=split`); the system's: cgroup-owners.ts. */
const PAYLOAD = /^libpod-payload-([0-9a-f]{64})$/;
/** A pod's cgroup: `pod<uid>`, or `kubepods-burstable-pod<uid with underscores>.slice`, also before a colon. */
const POD =
  /^(?:pod|(?:[a-z0-9]+-)*kubepods(?:-[a-z]+)*-pod)(?:([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12})|([0-9a-f]{32}))(?:\.slice)?(?:$|:)/;
/** Services that are a runtime and run as root: what lies below them is theirs to name. */
const RUNTIME_SERVICES =
  /^(?:containerd|docker|crio|kubelet|k3s|k3s-agent|rke2-server|rke2-agent|snap\.microk8s\.daemon-containerd|snap\.docker\.dockerd)\.service$/;
/** LXC hands a container its part of the tree. */
const LXC = /^lxc(?:$|\.payload)/;
const CONTAINER_LIKE = /[0-9a-f]{32}|\/docker\/|kubepods|libpod|crio|lxc|garden|\/ecs\//;
