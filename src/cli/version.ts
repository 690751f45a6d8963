import { readFileSync } from "node:fs";
import type { Command } from "./program/command.ts";
import { OUTPUT_OPTION } from "./program/options.ts";

export const command: Command = {
  name: "version",
  options: [OUTPUT_OPTION],
  examples: ["assay version --output json"],
  async run({ output }) {
    const version = programVersion();
    const platform = `${process.platform}-${process.arch}`;
    output.data({ version, node: process.versions.node, platform }, () => [
      `assay ${version} (Node.js ${process.versions.node}, ${platform})`,
    ]);
    return undefined;
  },
};

export function programVersion(): string {
  const file = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
