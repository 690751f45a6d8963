import { API_ACCESS } from "./kubernetes-sections.ts";
import { section, text } from "./shape.ts";

/** `bundlePublishers` of a server's file: where the trust domain's own bundle is put as it changes. */
export const BUNDLE_PUBLISHERS = section({
  k8sConfigMap: {
    shape: section({
      namespace: { shape: text({ maxLength: 63 }), help: "of the ConfigMap", required: true },
      name: { shape: text({ maxLength: 253 }), help: "of the ConfigMap", required: true },
      key: {
        shape: text({ maxLength: 253 }),
        help: "under which the authorities (PEM) stand in it",
        default: "bundle.pem",
      },
      ...API_ACCESS,
    }),
    help: "a ConfigMap of a Kubernetes cluster, from which agents' pods mount the bundle",
  },
});
