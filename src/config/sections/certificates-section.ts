/** `frontends.certificates` of a server's file: certificates with names and addresses, over the server's own API. */
import { CLUSTER_NAME } from "./kubernetes-sections.ts";
import { choice, duration, flag, list, map, section, text } from "../settings/shape.ts";
import { TRUST_DOMAIN_SET } from "../own-sets.ts";

/** Names that a pod has by what its API object says. */
export const POD_NAMES = ["address", "subdomain", "hostname"] as const;

const NETWORKS = list(text({ maxLength: 64 }), { least: 1, most: 64 });

const POD_CLUSTER = section({
  audiences: {
    shape: list(text({ maxLength: 256 }), { least: 1, most: 16 }),
    help: "the pod's token must be meant for one of them, and for no agent",
    default: ["assay-certificate"],
  },
  names: {
    shape: list(choice(POD_NAMES), { most: POD_NAMES.length }),
    help: "DNS names of the pod itself; address: 10-1-2-3.NAMESPACE.pod.DOMAIN; subdomain: HOSTNAME.SUBDOMAIN.NAMESPACE.svc.DOMAIN; hostname: the bare host name",
    default: ["address"],
  },
  clusterDomain: {
    shape: text({ maxLength: 128 }),
    help: "the cluster's DNS domain",
    default: "cluster.local",
  },
  hostNetwork: {
    shape: flag(),
    help: "also pods that have their node's address",
    default: false,
  },
});

export const CERTIFICATES_SECTION = section({
  set: {
    shape: text({ maxLength: 63 }),
    help: "the authority set that signs; the trust domain's own puts the entry's SPIFFE ID into the certificate",
    default: TRUST_DOMAIN_SET,
  },
  profile: {
    shape: text({ maxLength: 63 }),
    help: "the certificate profile; spiffe with the trust domain's own set, server-90d with others",
  },
  ttl: {
    shape: duration(60),
    help: "life of a certificate; that of the entry's SVIDs, or the profile's",
  },
  networks: {
    shape: map(NETWORKS, {
      keyPattern: "^/(?:[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*)?$",
      most: 256,
    }),
    help: "addresses that may be asked for, by the path of the SPIFFE ID and all below it; none: only pods' own",
  },
  clusters: {
    shape: map(POD_CLUSTER, { keyPattern: CLUSTER_NAME, most: 64 }),
    help: "clusters of nodeAttestors.k8sPsat whose pods prove themselves by projected token",
  },
});
