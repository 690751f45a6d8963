import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, type ServiceError, credentials } from "@grpc/grpc-js";
import t from "tap";
import { silentLogger } from "../../../src/observe/logger.ts";
import { MessageAssembler } from "../../../src/rpc/grpc/frame.ts";
import { connectUnix } from "../../../src/rpc/channel.ts";
import { serveHealthParts } from "../../../src/rpc/grpc/health-parts.ts";
import { serveHealth } from "../../../src/rpc/grpc/health.ts";
import { ProtoFiles } from "../../../src/rpc/grpc/proto-files.ts";
import { serveReflection } from "../../../src/rpc/grpc/reflection.ts";
import { SocketGrpcServer } from "../../../src/rpc/grpc/server.ts";
import { messageType } from "../../../src/rpc/protos.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import {
  DATA,
  Encoder,
  HEADERS,
  PLAIN,
  RawClient,
  SETTINGS,
  WINDOW_UPDATE,
  frame,
  message,
  request,
} from "../http2/raw-client.ts";

const same = (bytes: Buffer): Buffer => bytes;

async function rig(t: { teardown(run: () => Promise<void>): void }) {
  const dir = mkdtempSync(join(tmpdir(), "h2-"));
  const path = join(dir, "s");
  const clock = new VirtualClock();
  const server = new SocketGrpcServer<undefined>({ clock, logger: silentLogger });
  const health = {
    up: true,
    trusted: false,
    listeners: new Set<() => void>(),
    set(up: boolean): void {
      this.up = up;
      for (const listener of this.listeners) listener();
    },
  };
  const parts = async () => [
    { name: "identity", missing: health.up ? undefined : "no answer from 10.0.0.1" },
    { name: "sync", missing: undefined },
  ];
  serveHealthParts(server, parts, () => health.trusted);
  serveHealth(server, ["SpiffeWorkloadAPI"], {
    serving: async () => health.up,
    parts,
    onChange(listener) {
      health.listeners.add(listener);
      return () => health.listeners.delete(listener);
    },
  });
  serveReflection(server, ["SpiffeWorkloadAPI", "grpc.health.v1.Health"]);
  const listener = createServer((socket) => server.attach(socket, undefined));
  await new Promise<void>((resolve) => listener.listen(path, resolve));
  const client = new Client(`unix:${path}`, credentials.createInsecure());
  t.teardown(async () => {
    client.close();
    listener.close();
    const gone = server.shutdown({ graceMs: 0 });
    await clock.advance(1);
    await gone;
    rmSync(dir, { recursive: true });
  });
  return { client, health, path };
}

const HEALTH_REQUEST = messageType("grpc.health.v1.HealthCheckRequest");
const HEALTH_RESPONSE = messageType("grpc.health.v1.HealthCheckResponse");

function check(client: Client, service: string): Promise<unknown> {
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      "/grpc.health.v1.Health/Check",
      same,
      same,
      Buffer.from(HEALTH_REQUEST.encode({ service })),
      (error, value) =>
        resolve(error === null ? HEALTH_RESPONSE.decode(value ?? Buffer.alloc(0)) : error.code),
    );
  });
}

t.test("health by parts: why is for the administrator", async (t) => {
  const { health, path } = await rig(t);
  using channel = connectUnix(path);
  const parts = () => channel.unary("assay.health.v1.Health", "GetParts", {});
  const sync = { name: "sync", serving: true, reason: "" };
  t.same(await parts(), { parts: [{ name: "identity", serving: true, reason: "" }, sync] });
  health.set(false);
  t.same(await parts(), { parts: [{ name: "identity", serving: false, reason: "" }, sync] });
  health.trusted = true;
  t.same(await parts(), {
    parts: [{ name: "identity", serving: false, reason: "no answer from 10.0.0.1" }, sync],
  });
});

t.test("health", async (t) => {
  const { client, health } = await rig(t);
  t.same(await check(client, ""), { status: "SERVING" });
  t.same(await check(client, "SpiffeWorkloadAPI"), { status: "SERVING" });
  t.equal(await check(client, "other"), 5);
  health.set(false);
  t.same(await check(client, ""), { status: "NOT_SERVING" });

  for (const service of ["", "other"]) {
    const seen: unknown[] = [];
    let wake: () => void = () => undefined;
    const stream = client.makeServerStreamRequest(
      "/grpc.health.v1.Health/Watch",
      same,
      same,
      Buffer.from(HEALTH_REQUEST.encode({ service })),
    );
    stream.on("data", (bytes: Buffer) => {
      seen.push((HEALTH_RESPONSE.decode(bytes) as { status: string }).status);
      wake();
    });
    stream.on("error", () => undefined);
    const next = (): Promise<void> => new Promise((resolve) => (wake = resolve));
    await next();
    if (service === "other") {
      t.same(seen, ["SERVICE_UNKNOWN"]);
    } else {
      const again = next();
      health.set(false);
      health.set(true);
      await again;
      t.same(seen, ["NOT_SERVING", "SERVING"], "each change once");
    }
    stream.cancel();
    while (health.listeners.size > 0) await new Promise((resolve) => setImmediate(resolve));
  }
});

interface ReflectionAnswer {
  readonly file_descriptor_response?: { readonly file_descriptor_proto: readonly Buffer[] };
  readonly list_services_response?: { readonly service: readonly { readonly name: string }[] };
  readonly error_response?: { readonly error_code: number };
}

t.test("reflection", async (t) => {
  const { client } = await rig(t);
  for (const version of ["grpc.reflection.v1", "grpc.reflection.v1alpha"]) {
    const requestType = messageType(`${version}.ServerReflectionRequest`);
    const responseType = messageType(`${version}.ServerReflectionResponse`);
    const requests = [
      { list_services: "" },
      { file_containing_symbol: "SpiffeWorkloadAPI" },
      { file_containing_symbol: "SpiffeWorkloadAPI.FetchX509SVID" },
      { file_containing_symbol: "grpc.health.v1.HealthCheckResponse.ServingStatus" },
      { file_by_filename: "workload.proto" },
      { file_by_filename: "google/protobuf/struct.proto" },
      { file_containing_symbol: "spire.api.server.svid.v1.SVID" },
      { file_by_filename: "../../etc/passwd" },
      { file_containing_extension: { containing_type: "X509SVID", extension_number: 1 } },
      { all_extension_numbers_of_type: "X509SVID" },
      {},
    ];
    const answers: ReflectionAnswer[] = [];
    const stream = client.makeBidiStreamRequest(
      `/${version}.ServerReflection/ServerReflectionInfo`,
      same,
      same,
    );
    stream.on("data", (bytes: Buffer) =>
      answers.push(responseType.decode(bytes) as ReflectionAnswer),
    );
    const ended = new Promise<{ code: number }>((resolve) => stream.on("status", resolve));
    // All at once: no answer may be dropped for a newer one.
    for (const request of requests) stream.write(Buffer.from(requestType.encode(request)));
    stream.end();
    t.equal((await ended).code, 0);
    t.equal(answers.length, requests.length);
    t.same(
      answers[0]?.list_services_response?.service.map(({ name }) => name),
      [
        "SpiffeWorkloadAPI",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
      ],
    );
    const files = answers
      .slice(1, 6)
      .map((one) => one.file_descriptor_response?.file_descriptor_proto.length);
    t.same(files, [2, 2, 1, 2, 1], "a file with what it imports");
    t.same(
      answers.slice(6).map((one) => one.error_response?.error_code),
      [5, 5, 5, 5, 3],
    );
  }
  const broken = client.makeBidiStreamRequest(
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    same,
    same,
  );
  broken.on("data", () => undefined);
  const refused = new Promise<ServiceError>((resolve) => broken.on("error", resolve));
  broken.write(Buffer.from([0xff, 0xff]));
  t.equal((await refused).code, 3);
});

t.test("a client that reads slowly gets every answer of reflection", async (t) => {
  const { path } = await rig(t);
  const client = new RawClient(path);
  client.hello();
  client.write(frame(SETTINGS, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0])));
  const name = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
  const ask = message(
    messageType("grpc.reflection.v1.ServerReflectionRequest").encode({ list_services: "" }),
  );
  client.write(
    frame(HEADERS, 4, 1, new Encoder().block(request(name, "localhost"), PLAIN)),
    frame(DATA, 1, 1, Buffer.concat([ask, ask, ask])),
  );
  await client.until(({ type }) => type === HEADERS);
  client.write(frame(WINDOW_UPDATE, 0, 1, Buffer.from([0, 1, 0, 0])));
  t.equal(await client.trailer(1), "0");
  const bytes = client.frames.filter(({ type }) => type === DATA).map(({ payload }) => payload);
  const out: Uint8Array[] = [];
  new MessageAssembler((one) => out.push(one)).push(Buffer.concat(bytes));
  t.equal(out.length, 3);
  client.destroy();
});

t.test("unknown services are a mistake of ours", async (t) => {
  t.throws(() => new ProtoFiles(["none.Such"]), TypeError);
  t.throws(() => new ProtoFiles(["X509SVID"]), TypeError);
});
