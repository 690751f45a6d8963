/** An HTTP server on a Unix socket in place of a container engine that cannot run here, or that misbehaves. */
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import { join } from "node:path";
import { temporaryFolder } from "./caller.ts";

export type Answer = (asked: IncomingMessage, answer: ServerResponse) => void;

export interface EngineStub {
  readonly socket: string;
  /** Paths that were asked for, in order. */
  readonly asked: string[];
  /** Answers from now on. */
  answer: Answer;
  close(): Promise<void>;
}

export async function engineStub(
  t: { teardown(fn: () => void): void },
  answer: Answer,
  socket: string = join(temporaryFolder(t), "engine.sock"),
): Promise<EngineStub> {
  const server = createServer((asked, response) => {
    stub.asked.push(asked.url ?? "");
    stub.answer(asked, response);
  });
  const stub: EngineStub = {
    socket,
    asked: [],
    answer,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  server.listen(socket);
  await once(server, "listening");
  t.teardown(() => void stub.close());
  return stub;
}

/** Answers like an engine that has these containers. */
export function engineWith(version: string, containers: ReadonlyMap<string, string>): Answer {
  return (asked, answer) => {
    if (asked.url === "/version") {
      answer.end(version);
      return;
    }
    const id = /^\/v1\.\d+\/containers\/([0-9a-f]{64})\/json$/.exec(asked.url ?? "")?.[1] ?? "";
    const body = containers.get(id);
    if (body === undefined) answer.writeHead(404).end('{"message":"no such container"}');
    else answer.end(body);
  };
}

/** A /proc of processes that are in these cgroups; `self` is the agent. */
export function procWith(
  t: { teardown(fn: () => void): void },
  cgroups: Readonly<Record<string, string>>,
): string {
  const procDir = temporaryFolder(t);
  for (const [pid, path] of Object.entries({ self: "/system.slice/assay.service", ...cgroups })) {
    mkdirSync(join(procDir, pid));
    writeFileSync(join(procDir, pid, "cgroup"), `0::${path}\n`);
  }
  return procDir;
}
