/** Pods that get a certificate for their own address before they start, and what is looked for in them. */
import type { Cluster } from "./cluster/cluster.ts";
import { pod } from "./cluster/objects.ts";

const SECURITY = {
  runAsUser: 1000,
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ["ALL"] },
};
const IMAGE = { image: "localhost/assay:1", imagePullPolicy: "Never", securityContext: SECURITY };

const RENEW = ["--renew", "--ttl=60s"];
const LOOK = { command: ["node", "-e", "require('fs').statSync('/ssl/api/cert.pem')"] };

/** Says its pod's name over TLS. */
const SERVICE = `
  const { readFileSync } = require("node:fs");
  const files = { cert: readFileSync("/ssl/api/cert.pem"), key: readFileSync("/ssl/api/key.pem") };
  require("node:https").createServer(files, (_, response) => response.end(process.env.HOSTNAME)).listen(8443, "0.0.0.0");
`;

/** An init container that knows the server's address and bundle, and a service that knows no SPIFFE. */
export function podWithCertificate(
  name: string,
  node: number,
  server: string,
  /** Beside the service, and not before it alone. */
  isSidecar = false,
): object {
  const mounts = [
    { name: "ssl", mountPath: "/ssl" },
    { name: "token", mountPath: "/var/run/secrets/tokens", readOnly: true },
    { name: "bundle", mountPath: "/etc/assay", readOnly: true },
  ];
  const flags = [
    "--via=pod",
    "--cluster=demo",
    "--dir=/ssl/api",
    "--trust-bundle=/etc/assay/bundle.pem",
  ];
  const serviceAccountToken = {
    path: "assay",
    audience: "assay-certificate",
    expirationSeconds: 600,
  };
  return pod({
    namespace: "shop",
    name,
    node,
    serviceAccount: "api",
    container: { ...IMAGE, command: ["node", "-e", SERVICE], volumeMounts: mounts },
    spec: {
      initContainers: [
        {
          ...IMAGE,
          name: "certificate",
          command: ["assay", "init-certificate", ...flags, ...(isSidecar ? RENEW : [])],
          ...(isSidecar
            ? { restartPolicy: "Always", startupProbe: { exec: LOOK, periodSeconds: 1 } }
            : {}),
          env: [{ name: "ASSAY_SERVER", value: server }],
          volumeMounts: mounts,
        },
      ],
      volumes: [
        { name: "ssl", emptyDir: { medium: "Memory" } },
        { name: "bundle", configMap: { name: "assay-bundle" } },
        { name: "token", projected: { sources: [{ serviceAccountToken }] } },
      ],
    },
  });
}

export interface PodState {
  readonly status: {
    readonly podIP: string;
    readonly initContainerStatuses: readonly {
      readonly state: {
        readonly terminated: { readonly startedAt: string; readonly finishedAt: string };
      };
    }[];
  };
}

/** Runs a Node program in the pod's container. @returns what it printed */
export function inPod(cluster: Cluster, name: string, program: string): Promise<string> {
  return cluster.kubectl(["exec", "-n", "shop", name, "-c", "main", "--", "node", "-e", program]);
}

/** Everything in the pod that is a private key: files by their own path, and environments of processes. */
export const FIND_KEYS = `
  const { createPrivateKey, createPublicKey } = require("node:crypto");
  const { readdirSync, readFileSync, realpathSync, statSync } = require("node:fs");
  const { join } = require("node:path");
  const BLOCK = /-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]+-----END [A-Z ]*PRIVATE KEY-----/g;
  const found = new Map();
  let files = 0;
  const look = (path) => {
    let text;
    try { text = readFileSync(path); } catch { return; }
    files += 1;
    const keys = text.toString("latin1").match(BLOCK) ?? [];
    const der = text.length < 10000 && text[0] === 0x30 ? [{ key: text, format: "der", type: "pkcs8" }] : [];
    for (const key of [...keys, ...der]) {
      try {
        const spki = createPublicKey(createPrivateKey(key)).export({ type: "spki", format: "der" });
        found.set(realpathSync(path), spki.toString("base64"));
      } catch {}
    }
  };
  const walk = (dir) => {
    for (const entry of readdirSync(dir, { withFileTypes: true })) {
      const path = join(dir, entry.name);
      if (["/proc", "/sys", "/dev"].includes(path)) continue;
      try {
        if (entry.isDirectory()) walk(path);
        else if (statSync(path).isFile() && statSync(path).size < 1 << 27) look(path);
      } catch {}
    }
  };
  walk("/");
  for (const pid of readdirSync("/proc").filter((name) => /^\\d+$/.test(name))) look("/proc/" + pid + "/environ");
  console.log(JSON.stringify({ files, found: [...found] }));
`;
