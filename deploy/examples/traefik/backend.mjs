// A service that knows nothing of SPIFFE or ACME: it reads three files, again at SIGHUP, and says its name.
// Usage: backend.mjs NAME ADDRESS PORT FOLDER [CALLER]; with CALLER it demands a client certificate with that SPIFFE ID.
import { readFileSync } from "node:fs";
import { createServer } from "node:https";

const [name, address, port, folder, caller] = process.argv.slice(2);
const file = (...names) => {
  for (const each of names) {
    try {
      return readFileSync(`${folder}/${each}`);
    } catch {
      // The next one, then.
    }
  }
  throw new Error(`${folder} has none of ${names.join(", ")}`);
};

const identity = () => ({
  cert: file("cert.pem", "svid.pem"),
  key: file("key.pem"),
  ...(caller === undefined ? {} : { ca: file("bundle.pem") }),
});
const isMutual = caller !== undefined;

const server = createServer(
  { ...identity(), requestCert: isMutual, rejectUnauthorized: isMutual },
  (request, response) => {
    const names = caller === undefined ? "" : request.socket.getPeerX509Certificate().subjectAltName;
    if (caller !== undefined && names !== `URI:${caller}`) {
      response.writeHead(403).end(`not for ${names}\n`);
      return;
    }
    response.setHeader("content-type", "text/html");
    response.end(`<title>${name}</title><p>${name} at ${address}${names === "" ? "" : ` knows ${names}`}</p>\n`);
  },
);
process.on("SIGHUP", () => server.setSecureContext(identity()));
server.listen(Number(port), address);
