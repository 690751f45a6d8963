/** h2spec judges our HTTP/2: each of its cases for RFC 7540 and RFC 7541, as a client that breaks the rule. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import t from "tap";
import { encodeHeaderBlock } from "../../src/rpc/http2/hpack/header-block.ts";
import { Http2Session } from "../../src/rpc/http2/session.ts";
import type { Http2Stream } from "../../src/rpc/http2/stream.ts";
import { h2spec } from "./toolchains.ts";

const OK = encodeHeaderBlock([":status", "200"]);
const DONE = encodeHeaderBlock(["done", "yes"]);
const LIMITS = {
  maxStreams: 100,
  maxHeaderListBytes: 32 * 1024,
  maxHeaders: 128,
  streamWindow: 65_535,
  connectionWindow: 65_535,
  maxResets: 1_000,
};

/** Answers after a moment: some cases need a stream that is still open. */
function serve(stream: Http2Stream): undefined {
  stream.discard();
  setTimeout(() => {
    stream.respond(OK);
    stream.write(Buffer.from("answer"));
    stream.end(DONE);
  }, 200);
}

t.test("h2spec", async (t) => {
  const program = await h2spec();
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    const nothing = (): void => undefined;
    void new Http2Session(
      socket,
      { onStream: serve, onViolation: nothing, onClose: nothing },
      LIMITS,
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  const report = join(t.testdir({}), "report.xml");
  const { port } = server.address() as AddressInfo;
  const args = ["-h", "127.0.0.1", "-p", `${port}`, "--timeout", "60", "--junit-report", report];
  await new Promise((resolve) => execFile(program, args, resolve));
  const cases = [
    ...readFileSync(report, "utf8").matchAll(/<testcase ([^>]*[^/])(?:\/>|>(.*?)<\/testcase>)/gs),
  ];
  let passed = 0;
  for (const [, about = "", inner = ""] of cases) {
    const name = `${/package="([^"]*)"/.exec(about)?.[1]}: ${/classname="([^"]*)"/.exec(about)?.[1]}`;
    if (inner.includes("<skipped")) continue;
    t.notMatch(inner, /<(failure|error)/, name);
    passed += 1;
  }
  t.ok(passed >= 140, `${passed} cases were judged`);
});
