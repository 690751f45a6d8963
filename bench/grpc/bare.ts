/**
 * A bare FetchX509SVID and FetchJWTSVID server with constant bytes: what SocketGrpcServer costs by itself.
 * `node bench/grpc/bare.ts SOCKET`, then the load generator's fetch, fetchconn, fetchjwt and hold against it;
 * SIGTERM ends it and prints the processor time per call.
 */
import { rmSync } from "node:fs";
import { createServer } from "node:net";
import { systemClock } from "../../src/base/clock.ts";
import { silentLogger } from "../../src/observe/logger.ts";
import { encodeFrame } from "../../src/rpc/grpc/frame.ts";
import { SocketGrpcServer } from "../../src/rpc/grpc/server.ts";

const path = process.argv[2];
if (path === undefined) throw new TypeError("usage: node bench/grpc/bare.ts SOCKET");
rmSync(path, { force: true });

const x509 = encodeFrame(
  field(
    1,
    Buffer.concat([
      field(1, Buffer.from("spiffe://example.org/web")),
      field(2, Buffer.alloc(620)),
      field(3, Buffer.alloc(138)),
      field(4, Buffer.alloc(500)),
    ]),
  ),
);
const jwt = encodeFrame(
  field(
    1,
    Buffer.concat([
      field(1, Buffer.from("spiffe://example.org/web")),
      field(2, Buffer.alloc(400, "j")),
    ]),
  ),
);

let calls = 0;
const server = new SocketGrpcServer<undefined>({ clock: systemClock, logger: silentLogger });
server.route("/SpiffeWorkloadAPI/FetchX509SVID", async (call) => {
  calls++;
  if (call.metadata("workload.spiffe.io").length !== 1) throw new Error("header");
  await call.request();
  call.send(x509);
  await new Promise((_, reject) => call.onEnd(reject));
});
server.route("/SpiffeWorkloadAPI/FetchJWTSVID", async (call) => {
  calls++;
  await call.request();
  call.send(jwt);
});

const listener = createServer((socket) => server.attach(socket, undefined)).listen(path);

const atStart = process.cpuUsage();
process.once("SIGTERM", () => {
  const { user, system } = process.cpuUsage(atStart);
  console.log(`calls ${calls}, ${((user + system) / calls).toFixed(1)} us each`);
  listener.close();
  void server[Symbol.asyncDispose]();
});

/** A length-delimited protobuf field. */
function field(number: number, bytes: Uint8Array): Buffer {
  const head = [(number << 3) | 2];
  let length = bytes.length;
  for (; length > 127; length >>= 7) head.push((length & 127) | 128);
  return Buffer.concat([Buffer.from([...head, length]), bytes]);
}
