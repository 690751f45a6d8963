import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { type TLSSocket, connect, createServer } from "node:tls";
import { promisify } from "node:util";
import t from "tap";
import { Stack } from "../support/stack.ts";

const exec = promisify(execFile);

t.test("openssl and Node's TLS on the SVIDs", async (t) => {
  await using stack = await Stack.start();
  const id = await stack.entry(
    "/tls",
    `unix:uid:${process.getuid?.() ?? 0}`,
    "--dns-name",
    "tls.example.org",
  );
  const dir = `${stack.dir}/written`;
  await stack.assay(
    "fetch",
    "x509",
    "--socket",
    stack.endpoint.slice("unix://".length),
    "--write",
    dir,
  );

  await t.test("openssl verify accepts the chain strictly, for both purposes", async (t) => {
    for (const purpose of ["sslclient", "sslserver"]) {
      const { stdout } = await exec("openssl", [
        "verify",
        "-x509_strict",
        "-purpose",
        purpose,
        "-CAfile",
        `${dir}/bundle.pem`,
        `${dir}/svid.pem`,
      ]);
      t.match(stdout, /svid\.pem: OK/);
    }
  });

  await t.test("openssl reads the names and the constraints", async (t) => {
    const { stdout } = await exec("openssl", ["x509", "-in", `${dir}/svid.pem`, "-noout", "-text"]);
    t.match(stdout, `URI:${id}`);
    t.match(stdout, "DNS:tls.example.org");
    t.match(stdout, /Basic Constraints: critical\s+CA:FALSE/);
    t.match(stdout, /Key Usage: critical\s+Digital Signature, Key Encipherment, Key Agreement/);
    t.match(stdout, "TLS Web Server Authentication, TLS Web Client Authentication");
    t.match(stdout, "CN = tls.example.org");
  });

  await t.test("mutual TLS in Node, both ends with the SVID", async (t) => {
    const identity = {
      key: readFileSync(`${dir}/key.pem`),
      cert: readFileSync(`${dir}/svid.pem`),
      ca: readFileSync(`${dir}/bundle.pem`),
    };
    const seen = new Promise<TLSSocket>((resolve) => {
      const server = createServer(
        { ...identity, requestCert: true, rejectUnauthorized: true },
        (socket) => {
          socket.on("error", () => undefined);
          resolve(socket);
        },
      );
      t.teardown(() => server.close());
      server.listen(0, "127.0.0.1", () => {
        const address = server.address();
        if (typeof address !== "object" || address === null) throw new Error("no address");
        const client = connect({
          ...identity,
          host: "127.0.0.1",
          port: address.port,
          servername: "tls.example.org",
        });
        client.on("error", (error) => t.fail(error.message));
        t.teardown(() => client.destroy());
      });
    });
    const socket = await seen;
    t.equal(socket.authorized, true);
    t.match(socket.getPeerCertificate().subjectaltname, `URI:${id}`);
    socket.destroy();
  });
});
