/** Accounts whose targets hang, beside one whose targets answer: real sockets, counted. */
import { once } from "node:events";
import { type Socket, createServer } from "node:net";
import t, { type Test } from "tap";
import type { AcmeAuthorization, AcmeClient } from "../../support/acme-client.ts";
import { acmeRig } from "./acme-rig.ts";

t.test("hanging targets of six accounts cost a seventh one second at most", async (t) => {
  const rig = await acmeRig(t);
  const { clock } = rig.server;
  const hanging = await startHanging(t, rig.httpPort, ["127.0.1.1", "127.0.1.2", "127.0.1.3"]);
  const begun: Begun[] = [];
  for (let at = 0; at < 6; at++) {
    const client = await rig.client();
    const names = Array.from({ length: 16 }, (_, n) => `n${n}-${at}.example.org`);
    for (const name of names) rig.dns.zone.set(name, { a: [`127.0.1.${1 + (at % 3)}`] });
    for (const each of await begin(client, names)) begun.push(each);
  }
  await hanging.reached(64);
  const client = await rig.client();
  const good = await begin(client, ["a.example.org", "b.example.org"], (challenge) =>
    rig.answers.set(challenge.token, client.keyAuthorization(challenge.token)),
  );
  await clock.advance(1000);
  for (const { url } of good) {
    const { body } = await client.until<AcmeAuthorization>(url, ["invalid", "valid"]);
    t.equal(body.status, "valid");
  }
  await hanging.reached(96);
  t.equal(hanging.open(), 96, "each of the hanging ones is looked at meanwhile");
  await clock.advance(10_000);
  await hanging.reached(0);
  for (const { client, url } of begun) {
    const { body } = await client.until<AcmeAuthorization>(url, ["invalid", "valid"]);
    const [failed] = body.challenges;
    if (failed?.error?.type.endsWith(":connection") !== true) t.fail(JSON.stringify(body));
  }
});

interface Begun {
  readonly client: AcmeClient;
  /** Of the authorization. */
  readonly url: string;
}

async function begin(
  client: AcmeClient,
  names: readonly string[],
  prepare: (challenge: { readonly token: string }) => void = () => undefined,
): Promise<readonly Begun[]> {
  const { body: order } = await client.order(names);
  for (const url of order.authorizations) {
    const { body } = await client.post<AcmeAuthorization>(url, "");
    const challenge = body.challenges.find(({ type }) => type === "http-01");
    if (challenge === undefined) throw new Error("there is no http-01");
    prepare(challenge);
    await client.post(challenge.url, {});
  }
  return order.authorizations.map((url) => ({ client, url }));
}

/** Takes connections, and says nothing. */
async function startHanging(t: Test, port: number, hosts: readonly string[]) {
  const sockets = new Set<Socket>();
  let changed = Promise.withResolvers<void>();
  const tell = (): void => {
    changed.resolve();
    changed = Promise.withResolvers();
  };
  for (const host of hosts) {
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        sockets.delete(socket);
        tell();
      });
      socket.resume();
      tell();
    }).listen(port, host);
    await once(server, "listening");
    t.teardown(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
  }
  return {
    open: () => sockets.size,
    async reached(many: number): Promise<void> {
      while (sockets.size !== many) await changed.promise;
    },
  };
}
