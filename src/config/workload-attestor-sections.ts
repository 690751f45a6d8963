import { section } from "./shape.ts";

/**
 * `workloadAttestors` of an agent's file. One key for each attestor that has settings; that the key is there switches
 * the attestor on, also with nothing below it:
 *
 *     docker: { shape: section({ socket: { shape: text(), help: "...", default: "/run/docker.sock" } }), help: "..." },
 */
export const WORKLOAD_ATTESTORS = section({});
