/** The credentials file that Amazon's own tools read: sections by profile, `name = value` in them. */
import { AssayError, fail } from "../../base/errors.ts";
import { readTextFile } from "../../base/text-file.ts";

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** Read at each use: they may be replaced at any time. @throws precondition; what is in the file never stands in it */
export async function readS3Credentials(file: string, profile: string): Promise<S3Credentials> {
  const found = profileOf(await readTextFile(file), profile);
  if (found === undefined) throw missing(file, `no profile '${profile}'`);
  const accessKeyId = found.get("aws_access_key_id") ?? "";
  const secretAccessKey = found.get("aws_secret_access_key") ?? "";
  const sessionToken = found.get("aws_session_token") ?? "";
  if (accessKeyId === "") throw missing(file, `no aws_access_key_id in profile '${profile}'`);
  if (secretAccessKey === "")
    throw missing(file, `no aws_secret_access_key in profile '${profile}'`);
  return { accessKeyId, secretAccessKey, ...(sessionToken === "" ? {} : { sessionToken }) };
}

function profileOf(text: string, profile: string): ReadonlyMap<string, string> | undefined {
  let found: Map<string, string> | undefined;
  let isWanted = false;
  for (const line of text.split(/\r?\n/)) {
    const section = /^\s*\[\s*(.*?)\s*\]\s*$/.exec(line)?.[1];
    if (section !== undefined) {
      isWanted = section === profile;
      if (isWanted) found ??= new Map();
      continue;
    }
    const [, name, value] = /^\s*([a-z_]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (isWanted && name !== undefined && value !== undefined) found?.set(name, value);
  }
  return found;
}

function missing(file: string, what: string): AssayError {
  return fail("precondition", `${file}: there is ${what}`);
}
