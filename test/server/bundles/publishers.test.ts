/** Bundle publishers, against an API server that does as it is told. A real one: test/kubernetes/rights.test.ts. */
import { writeFileSync } from "node:fs";
import { type IncomingMessage, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import t from "tap";
import { systemRandom } from "../../../src/base/random.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { createLogger } from "../../../src/observe/logger.ts";
import { bundlePublishers } from "../../../src/server/bundles/bundle-publishers.ts";
import type { Bundle } from "../../../src/spiffe/bundle.ts";
import { TrustDomain } from "../../../src/spiffe/trust-domain.ts";
import { encodePem } from "../../../src/x509/pem.ts";
import { refused } from "../../support/refused.ts";
import { temporaryFolder } from "../../support/caller.ts";

interface Patch {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly type: string | undefined;
  readonly token: string | undefined;
  readonly body: unknown;
}

function bundleOf(sequence: number, ...ders: readonly number[]): Bundle {
  return {
    trustDomain: "example.org",
    x509Authorities: ders.map((byte) => ({ der: Uint8Array.of(byte), tainted: false })),
    jwtAuthorities: [],
    refreshHint: 0,
    sequence,
  };
}

const pem = (byte: number): string => encodePem("CERTIFICATE", Uint8Array.of(byte));

async function textOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const part of request as AsyncIterable<Buffer>) text += part.toString();
  return text;
}

t.test("a ConfigMap follows the bundle, and a refusal is tried again", async (t) => {
  const dir = temporaryFolder(t);
  writeFileSync(join(dir, "token"), "secret\n");
  writeFileSync(join(dir, "ca.crt"), "PEM");
  const answers = [403, 404, 500, 200];
  const patches: Patch[] = [];
  let heard: (patch: Patch) => void = () => undefined;
  const server = createServer((request, response) => {
    void textOf(request).then((text) => {
      response.writeHead(answers.shift() ?? 200).end('{"message":"so it is"}');
      const { authorization: token, "content-type": type } = request.headers;
      const patch = {
        method: request.method,
        url: request.url,
        type,
        token,
        body: JSON.parse(text),
      };
      patches.push(patch);
      heard(patch);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close().closeAllConnections());
  const lines: string[] = [];
  const logger = createLogger({
    level: "info",
    format: "text",
    write: (line) => lines.push(line),
    nowMs: () => 0,
  });
  let bundle = bundleOf(1, 1);
  const listeners = new Set<(trustDomain: string) => void>();
  const change = (trustDomain: string): void => {
    for (const listener of listeners) listener(trustDomain);
  };
  const bundles = {
    own: () => bundle,
    onChange(listener: (trustDomain: string) => void) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
  const trustDomain = TrustDomain.parse("example.org");
  const parts = { bundles, trustDomain, clock: systemClock, random: systemRandom, logger };
  const k8sConfigMap = {
    namespace: "ns/x",
    name: "bundle",
    key: "bundle.pem",
    format: "pem" as const,
    apiServer: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    caFile: join(dir, "ca.crt"),
    tokenFile: join(dir, "token"),
  };
  const holds = (wanted: string): Promise<void> =>
    new Promise((resolve) => {
      heard = ({ body }) => {
        const { data } = body as { data: Record<string, string> };
        if (answers.length === 0 && data["bundle.pem"] === wanted) resolve();
      };
    });
  const first = holds(pem(1));
  const publishers = await bundlePublishers({ k8sConfigMap }, parts);
  await first;
  t.equal(patches.length, 4, "three refusals were not the end");
  t.same(patches[0], {
    method: "PATCH",
    url: "/api/v1/namespaces/ns%2Fx/configmaps/bundle",
    type: "application/merge-patch+json",
    token: "Bearer secret",
    body: { data: { "bundle.pem": pem(1) } },
  });
  t.match(lines[0], /status 403: so it is; the right to patch it is missing/);
  t.match(lines[1], /status 404: so it is; make it first/);
  t.match(lines[2], /status 500: so it is/);

  const second = holds(pem(1) + pem(2));
  bundle = bundleOf(2, 1, 2);
  change("other.org");
  change("example.org");
  await second;
  t.equal(patches.length, 5, "a foreign bundle's change is none");
  await publishers[Symbol.asyncDispose]();
  t.equal(listeners.size, 0);

  const outside = { ...k8sConfigMap, caFile: "/nonexistent/ca.crt" };
  await refused(t, bundlePublishers({ k8sConfigMap: outside }, parts), {
    kind: "precondition",
    message: /bundlePublishers\.k8sConfigMap: there is no .*ca\.crt.*; .* give the cluster's/,
  });
  await using none = await bundlePublishers({}, parts);
  t.ok(none);
});
