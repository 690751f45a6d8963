/** A clock of a process's own (libfaketime); the machine's clock is never touched. */
import { existsSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { installsOver, needPackages } from "./debian.ts";

/** Where Debian's package `faketime` puts its library; installed when that can be done. */
async function fakeTimeLibrary(): Promise<string> {
  const find = (): string | undefined =>
    readdirSync("/usr/lib")
      .map((name) => `/usr/lib/${name}/faketime/libfaketimeMT.so.1`)
      .find((path) => existsSync(path));
  await installsOver();
  const found = find();
  if (found !== undefined) return found;
  await needPackages(["faketime"]);
  const installed = find();
  if (installed === undefined) throw new Error("the package faketime has no libfaketimeMT.so.1");
  return installed;
}

/**
 * What a process needs to live by the clock in this file, or by its own FAKETIME without one. Its monotonic clock stays
 * the machine's.
 */
export async function fakeTimeEnv(path?: string): Promise<Record<string, string>> {
  return {
    LD_PRELOAD: await fakeTimeLibrary(),
    ...(path === undefined ? { FAKETIME: "+0" } : { FAKETIME_TIMESTAMP_FILE: path }),
    FAKETIME_NO_CACHE: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
  };
}

/** @param offset seconds from the machine's clock, or with a unit: `+1d` */
export function setFakeTime(path: string, offset: string): void {
  writeFileSync(`${path}.new`, `${offset}\n`);
  renameSync(`${path}.new`, path);
}
