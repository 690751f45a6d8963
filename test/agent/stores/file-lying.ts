import { existsSync, readFileSync, readdirSync } from "node:fs";
import type { Lying } from "./conformance.ts";

/** What lies in a folder of the store `file`. */
export function lyingIn(folder: string): Lying | undefined {
  if (!existsSync(`${folder}/svid.pem`)) return undefined;
  const read = (name: string): string => readFileSync(`${folder}/${name}`, "utf8");
  const federated = existsSync(`${folder}/federated`) ? readdirSync(`${folder}/federated`) : [];
  return {
    chain: read("svid.pem"),
    key: read("key.pem"),
    bundle: read("bundle.pem"),
    federated: Object.fromEntries(
      federated.map((name) => [name.replace(/\.pem$/, ""), read(`federated/${name}`)]),
    ),
  };
}
