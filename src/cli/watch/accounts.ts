import { readFileSync } from "node:fs";
import { parseAccounts } from "../../attestors/workload/unix/account-names.ts";
import { fail } from "../../base/errors.ts";

/** The id of a user (`/etc/passwd`) or group (`/etc/group`), given by name or number. @throws invalid */
export function accountId(what: "owner" | "group", given: string): number {
  if (/^\d{1,10}$/.test(given) && Number(given) < NO_ID) return Number(given);
  const file = what === "owner" ? "/etc/passwd" : "/etc/group";
  for (const [id, name] of parseAccounts(readFileSync(file, "utf8"))) {
    if (name === given) return id;
  }
  throw fail(
    "invalid",
    `${what}: ${file} has no '${given}'; an account of elsewhere is given by its number`,
  );
}

/** (uid_t) -1 means none. */
const NO_ID = 0xffffffff;
