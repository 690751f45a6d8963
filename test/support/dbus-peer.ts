/** The far end of a D-Bus connection, written for tests: a bus with a service manager on it that says what it is told. */
import { once } from "node:events";
import { type Server, type Socket, connect, createServer } from "node:net";
import { join } from "node:path";
import { encodeCall } from "../../src/attestors/workload/systemd/dbus-wire.ts";
import { temporaryFolder } from "./caller.ts";

export interface Asked {
  /** 1 = a call, 4 = a signal. */
  readonly kind: number;
  readonly member: string;
  readonly path: string;
  readonly args: readonly (string | number)[];
  readonly serial: number;
  /** Who asked; empty where there is no bus in between. */
  readonly sender: string;
}

/** A value by its signature, or an error by its name. */
export type Said =
  | readonly [signature: string, value: string | number]
  | { readonly error: string };

export interface DbusPeer {
  readonly socket: string;
  /** All calls but the greeting's. */
  readonly asked: Asked[];
  /** `undefined`: never answers. */
  answer: (asked: Asked) => Said | undefined;
  /** What the bus says of the agent. */
  pid: number;
  /** The line after AUTH. */
  greeting: string;
  littleEndian: boolean;
  connections: number;
  /** Ends all connections. */
  hangUp(): void;
  /** Writes bytes on all connections. */
  write(bytes: Uint8Array): void;
}

export async function dbusPeer(
  t: { teardown(fn: () => unknown): void },
  answer: DbusPeer["answer"],
): Promise<DbusPeer> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    peer.connections += 1;
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => undefined);
    serve(socket, peer);
  });
  const peer: DbusPeer = {
    socket: join(temporaryFolder(t), "bus"),
    asked: [],
    answer,
    pid: process.pid,
    greeting: `OK ${"0123456789abcdef".repeat(2)}\r\n`,
    littleEndian: true,
    connections: 0,
    hangUp: () => sockets.forEach((socket) => socket.destroy()),
    write: (bytes) => sockets.forEach((socket) => socket.write(bytes)),
  };
  server.listen(peer.socket);
  await once(server, "listening");
  t.teardown(async () => {
    peer.hangUp();
    server.close();
    await once(server, "close");
  });
  return peer;
}

function serve(socket: Socket, peer: DbusPeer): void {
  const messages = new Messages();
  let begun = false;
  let received = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    if (!begun) {
      received = Buffer.concat([received, chunk]);
      const text = received.toString("latin1");
      if (/^\0AUTH EXTERNAL [0-9a-f]+\r\n$/.test(text)) socket.write(peer.greeting);
      const begin = text.indexOf("BEGIN\r\n");
      if (begin < 0) return;
      begun = true;
      chunk = received.subarray(begin + 7);
    }
    for (const asked of messages.of(chunk)) {
      const said = hello(asked, peer) ?? (peer.asked.push(asked), peer.answer(asked));
      // A signal first, as a bus sends NameAcquired.
      if (asked.member === "Hello") socket.write(reply(peer.littleEndian, 4, 0, ["s", ":1.7"]));
      if (said !== undefined) {
        const kind = "error" in said ? 3 : 2;
        const bytes = reply(peer.littleEndian, kind, asked.serial, said);
        // In two parts: a stream has no borders.
        socket.write(bytes.subarray(0, 9));
        socket.write(bytes.subarray(9));
      }
    }
  });
}

/** A service on a real bus that owns a name there and answers the calls to it. */
export class DbusService implements Disposable {
  readonly asked: Asked[] = [];
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  static async own(bus: string, name: string, answer: DbusPeer["answer"]): Promise<DbusService> {
    const socket = connect(bus);
    await once(socket, "connect");
    const uid = Buffer.from(String(process.geteuid?.() ?? 0)).toString("hex");
    socket.write(`\0AUTH EXTERNAL ${uid}\r\n`);
    await once(socket, "data");
    socket.write("BEGIN\r\n");
    const service = new DbusService(socket);
    const owned = Promise.withResolvers<void>();
    const messages = new Messages();
    socket.on("error", owned.reject);
    socket.on("data", (chunk: Buffer) => {
      for (const asked of messages.of(chunk)) {
        // The bus tells that the name is owned now.
        if (asked.member === "NameAcquired" && asked.args[0] === name) owned.resolve();
        if (asked.kind !== 1) continue;
        service.asked.push(asked);
        const said = answer(asked);
        if (said === undefined) continue;
        const kind = "error" in said ? 3 : 2;
        socket.write(reply(true, kind, asked.serial, said, asked.sender));
      }
    });
    const call = { destination: "org.freedesktop.DBus", path: "/org/freedesktop/DBus" };
    const to = { ...call, interface: "org.freedesktop.DBus" };
    socket.write(encodeCall({ ...to, member: "Hello", args: [] }, 1));
    socket.write(encodeCall({ ...to, member: "RequestName", args: [name, 0] }, 2));
    await owned.promise;
    return service;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

/** Takes a stream of little-endian messages apart. */
class Messages {
  #received = Buffer.alloc(0);

  *of(chunk: Buffer): Generator<Asked> {
    this.#received = Buffer.concat([this.#received, chunk]);
    while (this.#received.length >= 16) {
      const fields = this.#received.readUInt32LE(12);
      const length = Math.ceil((16 + fields) / 8) * 8 + this.#received.readUInt32LE(4);
      if (this.#received.length < length) return;
      const message = this.#received.subarray(0, length);
      this.#received = this.#received.subarray(length);
      yield parse(message, fields);
    }
  }
}

function hello({ member }: Asked, peer: DbusPeer): Said | undefined {
  if (member === "Hello") return ["s", ":1.7"];
  return member === "GetConnectionUnixProcessID" ? ["u", peer.pid] : undefined;
}

function parse(message: Buffer, fieldsLength: number): Asked {
  let at = 16;
  let path = "";
  let member = "";
  let sender = "";
  let signature = "";
  const text = (): string => {
    at = Math.ceil(at / 4) * 4;
    const length = message.readUInt32LE(at);
    const value = message.toString("utf8", at + 4, at + 4 + length);
    at += 5 + length;
    return value;
  };
  while (at < 16 + fieldsLength) {
    at = Math.ceil(at / 8) * 8;
    const code = message[at];
    const type = message.toString("latin1", at + 2, at + 3);
    at += 4;
    if (type === "g") {
      const length = message[at] ?? 0;
      signature = message.toString("latin1", at + 1, at + 1 + length);
      at += 2 + length;
      continue;
    }
    if (type === "u") {
      at = Math.ceil(at / 4) * 4 + 4;
      continue;
    }
    const value = text();
    if (code === 1) path = value;
    if (code === 3) member = value;
    if (code === 7) sender = value;
  }
  at = Math.ceil(at / 8) * 8;
  const args = Array.from(signature, (type) => {
    if (type === "s") return text();
    at = Math.ceil(at / 4) * 4 + 4;
    return message.readUInt32LE(at - 4);
  });
  return { kind: message[1] ?? 0, serial: message.readUInt32LE(8), path, member, sender, args };
}

/** One message: a return (2), an error (3) or a signal (4). */
export function reply(
  littleEndian: boolean,
  kind: number,
  serial: number,
  said: Said,
  destination = "",
): Buffer {
  const count = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    if (littleEndian) bytes.writeUInt32LE(value);
    else bytes.writeUInt32BE(value);
    return bytes;
  };
  const padded = (bytes: Buffer, to: number): Buffer =>
    Buffer.concat([bytes, Buffer.alloc((to - (bytes.length % to)) % to)]);
  const text = (value: string): Buffer =>
    Buffer.concat([count(Buffer.byteLength(value)), Buffer.from(`${value}\0`)]);
  const field = (code: number, type: string, value: Buffer): Buffer =>
    Buffer.concat([Buffer.from([code, 1]), Buffer.from(`${type}\0`), value]);
  const [signature, value] = "error" in said ? ["", ""] : said;
  const inner = signature.replace("v", "s");
  const plain = typeof value === "number" ? count(value) : text(value);
  const body =
    signature === ""
      ? Buffer.alloc(0)
      : signature === "v"
        ? Buffer.concat([Buffer.from([1]), Buffer.from(`${inner}\0`), Buffer.alloc(1), plain])
        : plain;
  const fields = [
    field(5, "u", count(serial)),
    ...("error" in said ? [field(4, "s", text(said.error))] : []),
    ...(destination === "" ? [] : [field(6, "s", text(destination))]),
    ...(signature === ""
      ? []
      : [
          field(
            8,
            "g",
            Buffer.concat([Buffer.from([signature.length]), Buffer.from(`${signature}\0`)]),
          ),
        ]),
  ];
  let all = Buffer.alloc(0);
  for (const each of fields) all = Buffer.concat([padded(all, 8), each]);
  const head = Buffer.concat([
    Buffer.from([littleEndian ? 0x6c : 0x42, kind, 0, 1]),
    count(body.length),
    count(99),
    count(all.length),
    all,
  ]);
  return Buffer.concat([padded(head, 8), body]);
}

/** As the systemd of a host answers where every process is of `web.service`. */
export function webUnit({ member, args }: Asked): Said | undefined {
  if (member === "GetUnitByPID") return ["o", WEB_UNIT_PATH];
  const name = `${String(args[0]).split(".").at(-1)}.${args[1]}`;
  const value = WEB_UNIT[name];
  return value === undefined
    ? { error: "org.freedesktop.DBus.Error.UnknownProperty" }
    : ["v", value];
}

export const WEB_UNIT_PATH = "/org/freedesktop/systemd1/unit/web_2eservice";
const WEB_UNIT: Readonly<Record<string, string>> = {
  "Unit.Id": "web.service",
  "Unit.FragmentPath": "/etc/systemd/system/web.service",
  "Service.Slice": "system.slice",
};
