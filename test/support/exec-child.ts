/**
 * Connects to the Workload API (first argument) and becomes another program (second) that speaks on that very connection;
 * that one, started without a second argument, prints the SPIFFE IDs that it gets.
 */
import { connect as connectHttp2 } from "node:http2";
import { Socket, connect } from "node:net";
import { libc } from "../../src/base/libc.ts";

const HELD = 9;
const [, , api = "", program] = process.argv;

if (program === undefined) {
  const session = connectHttp2("http://localhost", {
    createConnection: () => new Socket({ fd: HELD }),
  });
  const call = session.request({
    ":method": "POST",
    ":path": "/SpiffeWorkloadAPI/FetchX509SVID",
    "content-type": "application/grpc",
    te: "trailers",
    "workload.spiffe.io": "true",
  });
  let text = "";
  call.on("data", (chunk: Buffer) => {
    text += chunk.toString("latin1");
    // The trust bundle's authority comes last.
    const ids = new Set(text.match(/spiffe:\/\/example\.org\/[a-z-]+/g));
    process.stdout.write(JSON.stringify([...ids].sort()), () => process.exit());
  });
  call.on("close", () => process.exit(1));
  call.end(new Uint8Array(5));
} else {
  const socket = connect(api, () => {
    const handle = (socket as unknown as { _handle: { fd: number } })._handle;
    // Without close-on-exec, which the original has.
    libc()?.func("int dup2(int, int)")(handle.fd, HELD);
    process.execve?.(program, [program, process.argv[1] ?? "", api], process.env);
  });
}
