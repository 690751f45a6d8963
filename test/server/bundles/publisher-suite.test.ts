/** The publishers' suite where Node alone will do: files, and an API server that keeps what it is sent. */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import t from "tap";
import { KubernetesClient } from "../../../src/attestors/kubernetes/client.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { ConfigMapPublisher } from "../../../src/server/bundles/config-map-publisher.ts";
import { FilePublisher } from "../../../src/server/bundles/file-publisher.ts";
import { readS3Credentials } from "../../../src/server/bundles/s3-credentials.ts";
import { S3Publisher } from "../../../src/server/bundles/s3-publisher.ts";
import { temporaryFolder } from "../../support/caller.ts";
import { refused } from "../../support/refused.ts";
import { TestCa } from "../../support/test-ca.ts";
import { publisherConformance } from "./publisher-conformance.ts";

const never = new AbortController().signal;

t.test("file", (t) =>
  publisherConformance(t, async (t) => {
    const dir = join(temporaryFolder(t), "public");
    mkdirSync(dir);
    const path = join(dir, "bundle");
    return {
      make: (format) => new FilePublisher({ path, format }),
      read: async () => (existsSync(path) ? readFileSync(path, "utf8") : undefined),
      remove: async () => rmSync(path),
      async spoil() {
        rmSync(dir, { recursive: true });
        return {};
      },
    };
  }),
);

t.test("everyone may read the file, and a link in its place is not followed", async (t) => {
  const dir = temporaryFolder(t);
  const path = join(dir, "bundle.pem");
  const before = process.umask(0o077);
  t.teardown(() => process.umask(before));
  const bundle = (await TestCa.create()).bundle();
  const publisher = new FilePublisher({ path, format: "pem" });
  await publisher.publish(bundle, never);
  t.equal(statSync(path).mode & 0o777, 0o644);
  const other = join(dir, "other");
  writeFileSync(other, "mine");
  rmSync(path);
  symlinkSync(other, path);
  await publisher.publish(bundle, never);
  t.same([readFileSync(other, "utf8"), lstatSync(path).isSymbolicLink()], ["mine", false]);
  await refused(
    t,
    new FilePublisher({ path: join(dir, "none/bundle"), format: "pem" }).publish(bundle, never),
    { kind: "unavailable", message: /cannot be written \(ENOENT\); make its folder first/ },
  );
});

t.test("ConfigMap", (t) =>
  publisherConformance(t, async (t) => {
    const dir = temporaryFolder(t);
    writeFileSync(join(dir, "token"), "sesame\n");
    let data: Record<string, string> = {};
    let status = 200;
    const server = createServer((request, response) => {
      let text = "";
      request.on("data", (part) => (text += String(part)));
      request.on("end", () => {
        if (status === 200) {
          data = { ...data, ...(JSON.parse(text) as { data: typeof data }).data };
        }
        response.writeHead(status).end('{"message":"no"}');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.teardown(() => server.close().closeAllConnections());
    const client = new KubernetesClient({
      connection: {
        server: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        token: { file: join(dir, "token") },
      },
      clock: systemClock,
    });
    t.teardown(() => client[Symbol.dispose]());
    return {
      make: (format) =>
        new ConfigMapPublisher({ client, namespace: "ns", name: "m", key: "bundle", format }),
      read: async () => data["bundle"],
      async remove() {
        data = {};
      },
      async spoil() {
        status = 403;
        return { secret: "sesame" };
      },
    };
  }),
);

t.test("S3: what is wrong with its settings; its suite is in test/trust", async (t) => {
  const dir = temporaryFolder(t);
  const credentialsFile = join(dir, "credentials");
  writeFileSync(
    credentialsFile,
    [
      "# a comment",
      "[default]",
      "aws_access_key_id = AKIA",
      "aws_secret_access_key=se/cr=et+",
      "[profile with token]",
      "aws_access_key_id=A",
      "aws_secret_access_key=B",
      "aws_session_token = C==",
      "[half]",
      "aws_access_key_id=A",
      "",
    ].join("\r\n"),
  );
  t.same(await readS3Credentials(credentialsFile, "default"), {
    accessKeyId: "AKIA",
    secretAccessKey: "se/cr=et+",
  });
  t.match(await readS3Credentials(credentialsFile, "profile with token"), { sessionToken: "C==" });
  for (const [profile, message] of [
    ["none", /there is no profile 'none'/],
    ["half", /there is no aws_secret_access_key in profile 'half'/],
  ] as const) {
    await refused(t, readS3Credentials(credentialsFile, profile), {
      kind: "precondition",
      message,
    });
  }
  const options = {
    bucket: "b",
    key: "a b/$c",
    region: "eu-west-1",
    credentialsFile,
    profile: "default",
    format: "pem",
    clock: systemClock,
  } as const;
  t.equal(new S3Publisher(options).name, "s3 b.s3.eu-west-1.amazonaws.com, object b/a b/$c");
  for (const [endpoint, message] of [
    ["http://s3.example", /plain http; use https/],
    ["https://u:p@s3.example", /user name or password/],
    ["https://s3.example/x", /more than a scheme, host and port/],
    ["s3", /is not an address/],
  ] as const) {
    t.throws(() => new S3Publisher({ ...options, endpoint }), { kind: "invalid", message });
  }
  const nobody = new S3Publisher({ ...options, endpoint: "https://localhost:1" });
  const bundle = (await TestCa.create()).bundle();
  await refused(t, nobody.publish(bundle, never), {
    kind: "unavailable",
    message: /object b\/a b\/\$c cannot be reached \(ECONNREFUSED\)/,
  });
});

t.test("S3: credentials that are given sign the request", async (t) => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(
      request.headers.authorization ?? "",
      String(request.headers["x-amz-security-token"]),
    );
    request.resume().on("end", () => response.end());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  const publisher = new S3Publisher({
    bucket: "b",
    key: "k",
    region: "eu-west-1",
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    credentials: { accessKeyId: "AKIA", secretAccessKey: "sesame", sessionToken: "C==" },
    profile: "default",
    format: "spiffe",
    clock: systemClock,
  });
  await publisher.publish((await TestCa.create()).bundle(), never);
  t.match(asked, [/^AWS4-HMAC-SHA256 Credential=AKIA\/\d{8}\/eu-west-1\/s3\//, "C=="]);
});
