import { K8S_WORKLOADS } from "./kubernetes-sections.ts";
import { section, text } from "../settings/shape.ts";
import { TOKEN_SECTION } from "./token-section.ts";

/**
 * `workloadAttestors` of an agent's file. One key for each attestor that has settings; that the key is there switches
 * the attestor on, also with nothing below it.
 */
export const WORKLOAD_ATTESTORS = section({
  k8s: { shape: K8S_WORKLOADS, help: "asks this node's kubelet about callers in pods" },
  docker: {
    shape: section({
      socket: {
        shape: text({ pattern: "^/", rule: "is no absolute path" }),
        help: "socket of the Docker Engine",
        default: "/var/run/docker.sock",
      },
    }),
    help: "asks the Docker Engine about callers in its containers",
  },
  podman: {
    shape: section({
      socket: {
        shape: text({ pattern: "^/", rule: "is no absolute path" }),
        help: "socket of root's Podman",
        default: "/run/podman/podman.sock",
      },
      userSocket: {
        shape: text({
          pattern: "^/.*\\{uid\\}",
          rule: "is no absolute path with {uid}, for example /run/user/{uid}/podman/podman.sock",
        }),
        help: "socket of users' own Podman, with {uid}; absent: it is not asked",
      },
    }),
    help: "asks Podman about callers in its containers",
  },
  systemd: {
    shape: section({
      bus: {
        shape: text({ pattern: "^/", rule: "is no absolute path" }),
        help: "socket of the system bus",
        default: "/run/dbus/system_bus_socket",
      },
    }),
    help: "asks systemd about the units of callers",
  },
  token: { shape: TOKEN_SECTION, help: "tokens that come with a call" },
});
