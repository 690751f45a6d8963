/**
 * `kill -9` in the middle of the work:
 * - what was acknowledged is there after the restart;
 * - a token that admitted an agent admits no other;
 * - the same authorities go on signing.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { type Channel, connectTls, connectUnix } from "../../../src/rpc/channel.ts";
import { refused } from "../../support/refused.ts";
import {
  AGENT_SERVICE,
  BUNDLE_SERVICE,
  ENTRY_SERVICE,
  type TestAgent,
  type TlsIdentity,
  attestAgent,
} from "../../support/server.ts";
import { type ServerProcess, startServerProcess } from "../../support/server-process.ts";
import { type Entries, id, uid } from "./calls.ts";

t.test("a killed server has lost nothing that it acknowledged", async (t) => {
  const dir = await mkdtemp(join(tmpdir(), "assay-crash-"));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const tokens: string[] = [];
  const spent: { token: string; agent: TestAgent }[] = [];
  const entries: string[] = [];
  let authorities: unknown;
  for (let round = 0; round < 3; round++) {
    const server = await startServerProcess(t, dir);
    const { admin, connect, close } = channelsTo(server);
    const bundle = await admin.unary<{ x509_authorities: unknown }>(
      BUNDLE_SERVICE,
      "GetBundle",
      {},
    );
    authorities ??= bundle.x509_authorities;
    t.same(bundle.x509_authorities, authorities, "the same authorities");
    await checkAll(connect, admin);
    const enough = Promise.withResolvers<void>();
    const work = async (): Promise<void> => {
      for (;;) {
        const { value: token } = await admin.unary<{ value: string }>(
          AGENT_SERVICE,
          "CreateJoinToken",
          { ttl: 600 },
        );
        tokens.push(token);
        const path = `/r${round}-${entries.length}`;
        const agent = await attestAgent(connect, token);
        tokens.splice(tokens.indexOf(token), 1);
        spent.push({ token, agent });
        const { results } = await admin.unary<{ results: { entry: { id: string } }[] }>(
          ENTRY_SERVICE,
          "BatchCreateEntry",
          { entries: [{ spiffe_id: id(path), parent_id: agent.id, selectors: [uid("1")] }] },
        );
        const [created] = results;
        if (created !== undefined) entries.push(created.entry.id);
        if (entries.length >= (round + 1) * 8) enough.resolve();
      }
    };
    // Each of them fails at the kill, somewhere in the middle.
    const workers = Array.from({ length: 4 }, () => work().catch(() => undefined));
    await enough.promise;
    await server.kill();
    await Promise.all(workers);
    close();
  }
  const server = await startServerProcess(t, dir);
  const { admin, connect, close } = channelsTo(server);
  await checkAll(connect, admin);
  close();

  async function checkAll(
    connect: (identity?: TlsIdentity) => Channel,
    admin: Channel,
  ): Promise<void> {
    const listed = await admin.unary<Entries>(ENTRY_SERVICE, "ListEntries", {});
    const present = new Set(listed.entries.map((entry) => entry.id));
    t.same(
      entries.filter((each) => !present.has(each)),
      [],
      `all of ${entries.length} entries are there`,
    );
    for (const { token, agent } of spent) {
      const channel = connect(agent.identity);
      await channel.unary(ENTRY_SERVICE, "GetAuthorizedEntries", {});
      channel.close();
      await refused(t, attestAgent(connect, token), { kind: "invalid" }, "the token is spent");
    }
    // Whether the last of them were spent was not said; whoever comes first with one gets it.
    for (const token of tokens.splice(0)) await attestAgent(connect, token).catch(() => undefined);
  }
});

function channelsTo({ target, socket }: ServerProcess) {
  const channels = new Set<Channel>();
  const keep = (channel: Channel): Channel => {
    channels.add(channel);
    return channel;
  };
  return {
    admin: keep(connectUnix(socket)),
    connect: (identity?: TlsIdentity): Channel =>
      keep(
        connectTls({
          target,
          rootsPem: undefined,
          checkServer: () => undefined,
          ...(identity === undefined ? {} : { identity }),
        }),
      ),
    close: (): void => {
      for (const channel of channels) channel.close();
    },
  };
}
