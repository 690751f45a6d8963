/** The publishers' suite against a server that speaks S3 and checks signatures: Versity's gateway over a folder. */
import { execFile, spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import t, { type Test } from "tap";
import { systemClock } from "../../src/base/clock.ts";
import { S3Publisher, type S3PublisherOptions } from "../../src/server/bundles/s3-publisher.ts";
import { encodePem } from "../../src/x509/pem.ts";
import { publisherConformance } from "../server/bundles/publisher-conformance.ts";
import { caOfToday, webLeaf } from "../server/federation/endpoint.ts";
import { temporaryFolder } from "../support/caller.ts";
import { refused } from "../support/refused.ts";
import { freePort } from "../support/free-port.ts";
import { until } from "../support/patience.ts";

const exec = promisify(execFile);
const MODULE = "github.com/versity/versitygw/cmd/versitygw";
const VERSION = "v1.8.0";
const never = new AbortController().signal;

interface Gateway {
  readonly options: Omit<S3PublisherOptions, "format"> & { readonly credentialsFile: string };
  /** Where its buckets are folders. */
  readonly folder: string;
}

t.test("the suite, over TLS", (t) =>
  publisherConformance(t, async (t) => {
    const { options, folder } = await startGateway(t, "bundles");
    const path = join(folder, "bundles/trust/a b (1)+$.json");
    return {
      make: (format) => new S3Publisher({ ...options, format }),
      read: async () => (existsSync(path) ? readFileSync(path, "utf8") : undefined),
      remove: async () => rmSync(path),
      async spoil() {
        rmSync(join(folder, "bundles"), { recursive: true });
        return { secret: SECRET };
      },
    };
  }),
);

t.test("refusals of a real server, and credentials that are renewed", async (t) => {
  const { options, folder } = await startGateway(t, "bundles");
  const publisher = new S3Publisher({ ...options, format: "pem" });
  const bundle = (await caOfToday("example.org")).bundle();
  const credentials = (key: string, secret: string): void =>
    writeFileSync(
      options.credentialsFile,
      `[default]\naws_access_key_id=${key}\naws_secret_access_key=${secret}\n`,
    );
  credentials("somebody", SECRET);
  await refused(t, publisher.publish(bundle, never), {
    kind: "unavailable",
    message: /status 404 \(XAdminUserNotFound\)$/,
  });
  credentials(KEY, "another");
  await refused(t, publisher.publish(bundle, never), {
    kind: "unavailable",
    message: /status 403 \(SignatureDoesNotMatch\); the credentials need the right to put it/,
  });
  credentials(KEY, SECRET);
  await publisher.publish(bundle, never);
  t.ok(existsSync(join(folder, "bundles", options.key)));
  const lost = new S3Publisher({ ...options, bucket: "no-such-bucket", format: "pem" });
  await refused(t, lost.publish(bundle, never), {
    kind: "unavailable",
    message: /status 404 \(NoSuchBucket\); make the bucket first/,
  });
  const { caFile: _, ...worldWide } = options;
  await refused(t, new S3Publisher({ ...worldWide, format: "pem" }).publish(bundle, never), {
    kind: "unavailable",
    message: /cannot be reached \(UNABLE_TO_|cannot be reached \(SELF_SIGNED/,
  });
});

const KEY = "assay-test";
const SECRET = "it+is/a=secret";

async function startGateway(t: Test, bucket: string): Promise<Gateway> {
  const program = await installed();
  const folder = temporaryFolder(t);
  const store = join(folder, "store");
  mkdirSync(join(store, bucket), { recursive: true });
  const ca = await caOfToday("web.example");
  const leaf = await webLeaf(ca);
  writeFileSync(join(folder, "ca.pem"), encodePem("CERTIFICATE", ca.der));
  writeFileSync(join(folder, "tls.crt"), leaf.certPem);
  writeFileSync(join(folder, "tls.key"), leaf.keyPem);
  const credentialsFile = join(folder, "credentials");
  writeFileSync(
    credentialsFile,
    `[default]\naws_access_key_id = ${KEY}\naws_secret_access_key = ${SECRET}\n`,
  );
  const port = await freePort();
  const child = spawn(
    program,
    [
      "--access",
      KEY,
      "--secret",
      SECRET,
      "--port",
      `127.0.0.1:${port}`,
      "--cert",
      join(folder, "tls.crt"),
      "--key",
      join(folder, "tls.key"),
      "--region",
      "eu-test-1",
      "posix",
      "--nometa",
      store,
    ],
    { stdio: "ignore", cwd: folder },
  );
  t.teardown(async () => {
    const closed = new Promise((resolve) => child.on("close", resolve));
    child.kill("SIGTERM");
    await closed;
  });
  await listening(port);
  return {
    folder: store,
    options: {
      bucket,
      key: "trust/a b (1)+$.json",
      region: "eu-test-1",
      endpoint: `https://localhost:${port}`,
      credentialsFile,
      profile: "default",
      caFile: join(folder, "ca.pem"),
      clock: systemClock,
    },
  };
}

/** Built once, outside the clone. */
async function installed(): Promise<string> {
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "assay-interop");
  const dir = join(cache, `versitygw-${VERSION}-${process.arch}`);
  const program = join(dir, "versitygw");
  if (existsSync(program)) return program;
  mkdirSync(cache, { recursive: true });
  const fresh = mkdtempSync(`${dir}.`);
  try {
    const env = { ...process.env, GOBIN: fresh, CGO_ENABLED: "0", GOFLAGS: "-mod=mod" };
    await exec("go", ["install", "-trimpath", `${MODULE}@${VERSION}`], { env, maxBuffer: 1 << 26 });
    renameSync(fresh, dir);
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true });
    if (!existsSync(program)) throw error; // else another run was first
  }
  return program;
}

async function listening(port: number): Promise<void> {
  const isOpen = (): Promise<boolean> =>
    new Promise((resolve) => {
      const socket = connect(port, "127.0.0.1");
      socket.on("connect", () => resolve(true));
      socket.on("error", () => resolve(false));
      socket.on("connect", () => socket.destroy());
    });
  await until("the gateway listens", isOpen);
}
