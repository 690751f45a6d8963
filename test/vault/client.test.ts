/** Logins of the client, against a peer that counts them; OpenBao itself is asked in test/trust. */
import { once } from "node:events";
import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import t, { type Test } from "tap";
import { systemClock } from "../../src/base/clock.ts";
import { VaultClient } from "../../src/vault/vault-client.ts";
import { refused } from "../support/refused.ts";
import { PATIENCE_MS } from "../support/patience.ts";

interface Peer {
  readonly address: string;
  /** Tokens with which the login and the other requests came, in turn. */
  readonly logins: (string | undefined)[];
  /** The only token that counts; undefined = none does. */
  valid: string | undefined;
  /** Awaited before a login is answered. */
  held: Promise<void>;
  /** Whether a login gives a token. */
  admits: boolean;
}

async function startPeer(t: Test): Promise<Peer> {
  const server = createServer((request, response) => void answer(request, response));
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const token = request.headers["x-vault-token"] as string | undefined;
    const say = (status: number, value: object): void =>
      void response.writeHead(status).end(JSON.stringify(value));
    if (request.url !== "/v1/auth/approle/login") {
      const may = token === peer.valid && request.url !== "/v1/forbidden";
      return say(may ? 200 : 403, may ? { data: token } : NO);
    }
    peer.logins.push(token);
    await peer.held;
    if (!peer.admits) return say(400, { errors: ["invalid secret id"] });
    peer.valid = `t${peer.logins.length}`;
    say(200, { auth: { client_token: peer.valid } });
  };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => server.close());
  const peer: Peer = {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    logins: [],
    valid: undefined,
    held: Promise.resolve(),
    admits: true,
  };
  return peer;
}

const NO = { errors: ["permission denied"] };

async function openClient(t: Test, { address }: Peer): Promise<VaultClient> {
  const client = await VaultClient.open({
    address,
    login: { path: "auth/approle/login", proof: async () => ({ body: {} }) },
    timeoutMs: PATIENCE_MS,
    clock: systemClock,
  });
  t.teardown(() => client[Symbol.asyncDispose]());
  return client;
}

t.test("one login for all requests that need one", async (t) => {
  const peer = await startPeer(t);
  const client = await openClient(t, peer);
  const many = () => Promise.all(Array.from({ length: 20 }, () => client.request("GET", "a")));
  t.same(
    await many(),
    Array.from({ length: 20 }, () => ({ data: "t1" })),
  );
  t.same(peer.logins, [undefined], "and no token is shown with it");
  peer.valid = "ended";
  t.same(
    await many(),
    Array.from({ length: 20 }, () => ({ data: "t2" })),
  );
  t.same(peer.logins.length, 2);
  await client.request("GET", "a");
  t.equal(peer.logins.length, 2);

  await t.test("who gives up meanwhile harms none of the others", async (t) => {
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    peer.held = held;
    peer.valid = "ended";
    const stop = new AbortController();
    const impatient = client.request("GET", "a", undefined, stop.signal);
    const patient = client.request("GET", "a");
    while (peer.logins.length < 3) await new Promise((resolve) => setImmediate(resolve));
    stop.abort(new Error("enough"));
    await refused(t, impatient, { message: /enough/ });
    release();
    t.same(await patient, { data: "t3" });
    t.equal(peer.logins.length, 3);
  });

  await t.test(
    "a login that is refused is each one's error, and the next is another try",
    async (t) => {
      peer.valid = undefined;
      peer.admits = false;
      const outcomes = await Promise.allSettled([
        client.request("GET", "a"),
        client.request("GET", "b"),
      ]);
      t.match(
        outcomes,
        Array.from({ length: 2 }, () => ({
          reason: { kind: "invalid", message: /invalid secret id/ },
        })),
      );
      t.match(client.problem, /invalid secret id/);
      peer.admits = true;
      await client.request("GET", "a");
      t.equal(client.problem, undefined);
    },
  );
});

t.test("a token that may not is not logged in for again and again", async (t) => {
  const peer = await startPeer(t);
  const client = await openClient(t, peer);
  await client.request("GET", "a");
  const denied = { kind: "denied", message: /permission denied/ } as const;
  await refused(t, client.request("GET", "forbidden"), denied);
  t.equal(peer.logins.length, 2, "once a request");
});
