/** Runs an agent with the configuration that comes in on standard input; says when it runs. */
import { text } from "node:stream/consumers";
import { startAgent } from "../../src/agent/main.ts";
import type { AgentConfig } from "../../src/config/agent/agent-config.ts";
import { silentLogger } from "../../src/observe/logger.ts";
import { PATIENCE_MS } from "./patience.ts";

const config = JSON.parse(await text(process.stdin)) as AgentConfig;
const agent = await startAgent(config, { logger: silentLogger, attestWithinMs: PATIENCE_MS });
process.on("SIGTERM", () => void agent[Symbol.asyncDispose]());
process.stdout.write("running\n");
