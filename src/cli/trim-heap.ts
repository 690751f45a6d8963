import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/**
 * Gives back what only the start of a daemon needed. V8 keeps its young generation as large as loading a program made
 * it, for as long as little happens: some 15 MB that nobody uses. Takes tens of milliseconds, so it is done once.
 */
export function trimHeap(): void {
  // The one way to a collection that also shrinks: the function exists only while the flag is set.
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("globalThis.gc");
  setFlagsFromString("--no-expose-gc");
  if (typeof collect === "function") collect({ type: "major", flavor: "last-resort" });
}
