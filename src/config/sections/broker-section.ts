import { LISTEN_ADDRESS } from "./common-settings.ts";
import { type ValueOf, flag, list, section, text } from "../settings/shape.ts";

/** `broker` of an agent's file: the SPIFFE Broker API. */
export const BROKER_SECTION = section({
  socket: {
    shape: text(),
    help: "Unix socket of the API; not in the Workload API socket's folder",
  },
  listen: { shape: LISTEN_ADDRESS, help: "TCP address of the API" },
  brokers: {
    help: "who may ask",
    required: true,
    shape: list(
      section({
        id: {
          shape: text({ maxLength: 2048 }),
          help: "SPIFFE ID of a broker, of any trust domain that the agent knows",
          required: true,
        },
        pidOverTcp: {
          shape: flag(),
          help: "it may name processes over TCP too; a PID of another host would mean another process",
          default: false,
        },
        pods: {
          shape: flag(),
          help: "it may name pods of this node (KubernetesObjectReference); needs workloadAttestors.k8s",
          default: false,
        },
      }),
      { least: 1, most: 64 },
    ),
  },
});

export type BrokerConfig = ValueOf<typeof BROKER_SECTION>;
