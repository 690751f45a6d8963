/** A DNS server for tests, on UDP of a loopback address: what it answers is a table that a test may change between two questions. */
import { type RemoteInfo, createSocket } from "node:dgram";
import { once } from "node:events";
import { ipBytes } from "../../src/x509/ip-address.ts";

export interface DnsAnswer {
  readonly a?: readonly string[];
  readonly aaaa?: readonly string[];
  readonly txt?: readonly (string | readonly string[])[];
  readonly caa?: readonly {
    readonly flags?: number;
    readonly tag: string;
    readonly value: string;
  }[];
  /** 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED. */
  readonly rcode?: number;
  /** Never answered. */
  readonly silent?: true;
}

export type DnsZone = Map<string, DnsAnswer | ((type: string) => DnsAnswer)>;

export interface DnsServer extends AsyncDisposable {
  /** As `dns.Resolver.setServers` takes it. */
  readonly address: string;
  /** By lower-case name; a name that is not there is NXDOMAIN. */
  readonly zone: DnsZone;
  /** `TYPE name`, in order. */
  readonly asked: string[];
}

export async function startDnsServer(): Promise<DnsServer> {
  const socket = createSocket("udp4");
  const zone: DnsZone = new Map();
  const asked: string[] = [];
  socket.on("message", (message: Buffer, from: RemoteInfo) => {
    const answer = answerTo(message, zone, asked);
    if (answer !== undefined) socket.send(answer, from.port, from.address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return {
    address: `127.0.0.1:${socket.address().port}`,
    zone,
    asked,
    async [Symbol.asyncDispose]() {
      socket.close();
      await once(socket, "close");
    },
  };
}

/** RFC 1035 §4: the question comes back as it was asked. */
function answerTo(message: Buffer, zone: DnsZone, asked: string[]): Buffer | undefined {
  const labels: string[] = [];
  let at = 12;
  for (let length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
    labels.push(message.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  const end = at + 5;
  const type = TYPES.get(message.readUInt16BE(at + 1)) ?? "other";
  const name = labels.join(".").toLowerCase();
  asked.push(`${type} ${name}`);
  const found = zone.get(name);
  const answer = typeof found === "function" ? found(type) : found;
  if (answer?.silent === true) return undefined;
  const records = answer === undefined ? [] : recordsOf(type, answer);
  const header = Buffer.alloc(12);
  header.writeUInt16BE(message.readUInt16BE(0), 0);
  // Response, recursion desired and available.
  header.writeUInt16BE(0x8180 | (answer === undefined ? 3 : (answer.rcode ?? 0)), 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(records.length, 6);
  const type16 = message.subarray(at + 1, at + 3);
  const sections = records.map((data) => {
    const fixed = Buffer.from([0xc0, 12, ...type16, 0, 1, 0, 0, 0, 0, 0, 0]);
    fixed.writeUInt16BE(data.length, 10);
    return Buffer.concat([fixed, data]);
  });
  return Buffer.concat([header, message.subarray(12, end), ...sections]);
}

function recordsOf(type: string, answer: DnsAnswer): Buffer[] {
  if (type === "A") return (answer.a ?? []).map((text) => Buffer.from(ipBytes(text)));
  if (type === "AAAA") return (answer.aaaa ?? []).map((text) => Buffer.from(ipBytes(text)));
  if (type === "TXT") {
    return (answer.txt ?? []).map((parts) =>
      Buffer.concat((typeof parts === "string" ? [parts] : parts).map(characterString)),
    );
  }
  if (type !== "CAA") return [];
  return (answer.caa ?? []).map(({ flags = 0, tag, value }) =>
    Buffer.concat([Buffer.from([flags]), characterString(tag), Buffer.from(value, "latin1")]),
  );
}

function characterString(text: string): Buffer {
  return Buffer.from([text.length, ...Buffer.from(text, "latin1")]);
}

const TYPES: ReadonlyMap<number, string> = new Map([
  [1, "A"],
  [16, "TXT"],
  [28, "AAAA"],
  [257, "CAA"],
]);
