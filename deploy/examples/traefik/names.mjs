// The house's name server: every name below .example.test is this machine, or the one at ADDRESS, and then whoever can reach
// it may ask. Usage: names.mjs PORT [ADDRESS]
import { createSocket } from "node:dgram";

const [port, address] = process.argv.slice(2);
const bytes = (address ?? "127.0.0.1").split(".").map(Number);
const socket = createSocket("udp4");
socket.on("message", (query, from) => {
  // RFC 1035 section 4.1: header, one question, and for type A one answer that points to the question's name.
  let end = 12;
  const labels = [];
  while (end < query.length && query[end] !== 0) {
    labels.push(query.subarray(end + 1, end + 1 + query[end]).toString("latin1"));
    end += query[end] + 1;
  }
  const question = query.subarray(12, end + 5);
  if (end + 5 > query.length) return;
  const isOurs = labels.join(".").toLowerCase().endsWith(".example.test");
  const isAddress = query.readUInt16BE(end + 1) === 1;
  const answer = Buffer.from([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...bytes]);
  const header = Buffer.alloc(12);
  query.copy(header, 0, 0, 2);
  header.writeUInt16BE(isOurs ? 0x8580 : 0x8583, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(isOurs && isAddress ? 1 : 0, 6);
  const parts = isOurs && isAddress ? [header, question, answer] : [header, question];
  socket.send(Buffer.concat(parts), from.port, from.address);
});
socket.bind(Number(port), address === undefined ? "127.0.0.1" : "0.0.0.0");
