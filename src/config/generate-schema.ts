/**
 * Writes `doc/config.schema.json` from the tables of settings. With `--check` it writes nothing and fails when the
 * committed file differs.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { AGENT_SETTINGS } from "./agent/agent-settings.ts";
import { DELIVERY_FILE_FIELDS } from "./delivery-settings.ts";
import { configSchema } from "./settings/json-schema.ts";
import { SERVER_SETTINGS } from "./server/server-settings.ts";

const FILE = fileURLToPath(new URL("../../doc/config.schema.json", import.meta.url));

const { values } = parseArgs({ options: { check: { type: "boolean", default: false } } });
const schema = configSchema({
  server: SERVER_SETTINGS,
  agent: AGENT_SETTINGS,
  watch: DELIVERY_FILE_FIELDS,
});
const text = `${JSON.stringify(schema, undefined, 2)}\n`;
if (!values.check) {
  writeFileSync(FILE, text);
} else if (readFileSync(FILE, "utf8") !== text) {
  process.stderr.write(
    "doc/config.schema.json differs from the settings; run 'node src/config/generate-schema.ts'\n",
  );
  process.exitCode = 1;
}
