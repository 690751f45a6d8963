import { resolve } from "node:path";
import { fail } from "../../base/errors.ts";
import type { BUNDLE_PUBLISHERS } from "../sections/bundle-publisher-sections.ts";
import type { PathContext } from "../paths.ts";
import type { ValueOf } from "../settings/shape.ts";

type Given = ValueOf<typeof BUNDLE_PUBLISHERS>;
type S3Given = NonNullable<Given["s3"]>;

/** `bundlePublishers` of the file, and where the credentials of S3 come from. */
export type BundlePublishersConfig = Omit<Given, "s3"> & { readonly s3?: S3Config };

export type S3Config = Omit<S3Given, "credentialsFile"> &
  (
    | { readonly credentialsFile: string }
    | {
        /** Of the environment, as it was at the start. */
        readonly credentials: {
          readonly accessKeyId: string;
          readonly secretAccessKey: string;
          readonly sessionToken?: string;
        };
      }
  );

/** @throws invalid when S3 has no credentials, or half of them */
export function bundlePublishersSetting(
  { s3, ...others }: Given,
  { env }: PathContext,
): BundlePublishersConfig {
  return s3 === undefined ? others : { ...others, s3: s3Setting(s3, env) };
}

/** The file of the configuration first; then as Amazon's own tools: the keys, and a file that is named. */
function s3Setting({ credentialsFile, ...rest }: S3Given, env: PathContext["env"]): S3Config {
  if (credentialsFile !== undefined) return { ...rest, credentialsFile };
  const accessKeyId = env["AWS_ACCESS_KEY_ID"] ?? "";
  const secretAccessKey = env["AWS_SECRET_ACCESS_KEY"] ?? "";
  const sessionToken = env["AWS_SESSION_TOKEN"] ?? "";
  if ((accessKeyId === "") !== (secretAccessKey === "")) {
    throw fail(
      "invalid",
      "bundlePublishers.s3: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are set together or not at all",
    );
  }
  if (accessKeyId !== "") {
    const token = sessionToken === "" ? {} : { sessionToken };
    return { ...rest, credentials: { accessKeyId, secretAccessKey, ...token } };
  }
  const file = env["AWS_SHARED_CREDENTIALS_FILE"] ?? "";
  if (file !== "") return { ...rest, credentialsFile: resolve(file) };
  throw fail(
    "invalid",
    "bundlePublishers.s3 has no credentials: give credentialsFile, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment",
  );
}
