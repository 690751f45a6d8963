// One request after the other to both servers until SIGTERM. A line for each certificate that is seen for the first time,
// and one for each request that fails; at the end how many there were.
import { X509Certificate } from "node:crypto";
import { request } from "node:http";

const port = Number(process.argv[2]);
const seen = new Set();
let sent = 0;
let failed = 0;
const stop = new AbortController();
process.on("SIGTERM", () => stop.abort());

function get(path) {
  return new Promise((resolve) => {
    const asked = request({ host: "127.0.0.1", port, path, timeout: 60_000 }, (response) => {
      let body = "";
      response.on("data", (piece) => (body += piece));
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, body }));
      response.on("error", (error) => resolve({ status: 0, body: error.message }));
    });
    asked.on("timeout", () => asked.destroy(new Error("no answer within 60 s")));
    asked.on("error", (error) => resolve({ status: 0, body: error.message }));
    asked.end();
  });
}

function note(side, headers) {
  const certificate = headers[`x-${side}-certificate`];
  if (seen.has(certificate)) return;
  seen.add(certificate);
  const { serialNumber, issuer } = new X509Certificate(decodeURIComponent(certificate));
  const [, authority] = /serialNumber=(.*)/.exec(issuer);
  console.log(`${headers[`x-${side}`]} serial ${serialNumber} issuer ${authority}`);
}

async function follow(path) {
  while (!stop.signal.aborted) {
    const { status, headers, body } = await get(path);
    sent += 1;
    if (status === 200) {
      note("client", headers);
      note("server", headers);
    } else {
      failed += 1;
      console.log(`FAILED ${path} ${status} ${body.trim()}`);
    }
  }
}

await Promise.all([follow("/near"), follow("/far")]);
console.log(`sent ${sent} failed ${failed}`);
