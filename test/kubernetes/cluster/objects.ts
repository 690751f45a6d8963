/** Objects that tests put into a cluster, and what they look for on its nodes. */
import { readFileSync, readdirSync } from "node:fs";
import type { ProcessFacts } from "../../../src/attestors/contract.ts";
import type { Cluster } from "./cluster.ts";

export interface PodParams {
  readonly namespace: string;
  readonly name: string;
  readonly node?: number;
  readonly serviceAccount?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Members of the container that replace its own. */
  readonly container?: object;
  /** Members of the pod's specification. */
  readonly spec?: object;
}

export interface StoredPod {
  readonly metadata: { readonly name: string; readonly uid: string };
  readonly spec: { readonly nodeName?: string };
  readonly status: {
    readonly phase: string;
    readonly containerStatuses?: readonly {
      readonly name: string;
      readonly containerID?: string;
      readonly imageID: string;
      readonly restartCount: number;
      readonly state?: { readonly running?: { readonly startedAt: string } };
    }[];
  };
}

export function namespace(name: string): object {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name } };
}

export function serviceAccount(space: string, name: string): object {
  return { apiVersion: "v1", kind: "ServiceAccount", metadata: { namespace: space, name } };
}

/** A busybox that sleeps, unless told otherwise. */
export function pod(params: PodParams): object {
  const { namespace: space, name, node, serviceAccount: account, labels = {} } = params;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace: space, name, labels },
    spec: {
      terminationGracePeriodSeconds: 0,
      ...(node === undefined ? {} : { nodeName: `node${node}` }),
      ...(account === undefined ? {} : { serviceAccountName: account }),
      containers: [
        {
          name: "main",
          image: "localhost/busybox:1",
          imagePullPolicy: "Never",
          command: ["sleep", "3600"],
          ...params.container,
        },
      ],
      ...params.spec,
    },
  };
}

/** Waits until the pod runs. */
export async function running(cluster: Cluster, space: string, name: string): Promise<StoredPod> {
  const wait = ["wait", "-n", space, `pod/${name}`, "--timeout=300s"];
  await cluster.kubectl([...wait, "--for=jsonpath={.status.phase}=Running"]);
  return cluster.get<StoredPod>("pod", "-n", space, name);
}

/** The first process of a pod's first container, as this machine numbers it. */
export function processOf({ status }: StoredPod): ProcessFacts {
  const id = status.containerStatuses?.[0]?.containerID?.replace(/^.*:\/\//, "") ?? "none";
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      if (!readFileSync(`/proc/${pid}/cgroup`, "utf8").includes(id)) continue;
      return { pid: Number(pid), uid: 0, gid: 0, groups: [] };
    } catch {
      // It ended while the list was read.
    }
  }
  throw new Error(`no process is in container ${id}`);
}

export interface TokenParams {
  readonly space: string;
  readonly account: string;
  readonly podName: string;
  readonly audience: string;
}

/** A token of a service account, bound to one of its pods. */
export async function podToken(cluster: Cluster, params: TokenParams): Promise<string> {
  const { space, account, podName, audience } = params;
  const bound = ["--bound-object-kind=Pod", `--bound-object-name=${podName}`];
  const args = ["create", "token", account, "-n", space, `--audience=${audience}`];
  return (await cluster.kubectl([...args, ...bound])).trim();
}
