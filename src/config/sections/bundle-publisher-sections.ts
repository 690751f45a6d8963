import { API_ACCESS } from "./kubernetes-sections.ts";
import { choice, list, section, text } from "../settings/shape.ts";

const FORMATS = choice(["spiffe", "pem", "jwks"]);
const FORMAT_HELP =
  "a SPIFFE bundle document, the X.509 authorities (PEM), or the JWT authorities (JWK Set)";

/** `bundlePublishers` of a server's file: where the trust domain's own bundle is put as it changes. */
export const BUNDLE_PUBLISHERS = section({
  files: {
    shape: list(
      section({
        path: { shape: text(), help: "of the file, in a folder that is there", required: true },
        format: { shape: FORMATS, help: FORMAT_HELP, default: "spiffe" },
      }),
      { least: 1, most: 16 },
    ),
    help: "files on this host, which everyone may read",
  },
  s3: {
    shape: section({
      bucket: {
        shape: text({ pattern: "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", rule: "is no bucket's name" }),
        help: "that is there",
        required: true,
      },
      key: { shape: text({ maxLength: 1024 }), help: "name of the object in it", required: true },
      region: {
        shape: text({ pattern: "^[a-z0-9-]{1,64}$", rule: "is no region" }),
        help: "of the bucket",
        default: "us-east-1",
      },
      endpoint: {
        shape: text({ maxLength: 2048 }),
        help: "https address of a server that speaks S3; Amazon's",
      },
      credentialsFile: {
        shape: text(),
        help: "as Amazon's own tools have it (~/.aws/credentials), read again at each use; without it AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, else AWS_SHARED_CREDENTIALS_FILE of the environment",
      },
      profile: {
        shape: text({ maxLength: 256 }),
        help: "the profile in it",
        default: "default",
      },
      format: { shape: FORMATS, help: FORMAT_HELP, default: "spiffe" },
      caFile: {
        shape: text(),
        help: "authorities (PEM) that count for the endpoint in place of the host's",
      },
    }),
    help: "an object in an S3-compatible store",
  },
  k8sConfigMap: {
    shape: section({
      namespace: { shape: text({ maxLength: 63 }), help: "of the ConfigMap", required: true },
      name: { shape: text({ maxLength: 253 }), help: "of the ConfigMap", required: true },
      key: {
        shape: text({ maxLength: 253 }),
        help: "under which the bundle stands in it",
        default: "bundle.pem",
      },
      format: { shape: FORMATS, help: FORMAT_HELP, default: "pem" },
      ...API_ACCESS,
    }),
    help: "a ConfigMap of a Kubernetes cluster, from which agents' pods mount the bundle",
  },
});
