/** Where the credentials of the bundle publisher s3 come from. */
import t from "tap";
import { bundlePublishersSetting } from "../../src/config/server/bundle-publishers.ts";

const S3 = {
  bucket: "b",
  key: "k",
  region: "us-east-1",
  profile: "default",
  format: "spiffe",
} as const;
const KEYS = { AWS_ACCESS_KEY_ID: "AKIA", AWS_SECRET_ACCESS_KEY: "sesame" };
const FILE = { AWS_SHARED_CREDENTIALS_FILE: "/etc/keys" };

function s3(env: Readonly<Record<string, string>>, credentialsFile?: string) {
  const given = { s3: { ...S3, ...(credentialsFile === undefined ? {} : { credentialsFile }) } };
  return bundlePublishersSetting(given, { uid: 0, env }).s3;
}

t.test("a file of the configuration, keys of the environment, a file that it names", async (t) => {
  const credentials = { accessKeyId: "AKIA", secretAccessKey: "sesame" };
  t.same(s3({ ...KEYS, ...FILE }, "/a"), { ...S3, credentialsFile: "/a" });
  t.same(s3({ ...KEYS, ...FILE }), { ...S3, credentials });
  t.same(s3({ ...KEYS, AWS_SESSION_TOKEN: "C==" }), {
    ...S3,
    credentials: { ...credentials, sessionToken: "C==" },
  });
  t.same(s3({ ...FILE, AWS_ACCESS_KEY_ID: "" }), { ...S3, credentialsFile: "/etc/keys" });
  t.same(bundlePublishersSetting({}, { uid: 0, env: KEYS }), {});
});

t.test("none, or half of them", async (t) => {
  t.throws(() => s3({}), { kind: "invalid", message: /has no credentials: give credentialsFile/ });
  t.throws(() => s3({ AWS_SESSION_TOKEN: "C==" }), { message: /has no credentials/ });
  for (const key of Object.keys(KEYS)) {
    const half = () => s3({ ...FILE, [key]: "sesame" });
    t.throws(half, { kind: "invalid", message: /set together or not at all/ });
    t.throws(half, { message: /^(?!.*sesame)/s }, "no secret in it");
  }
});
