// Authorities on the command line: each step, and what is said when a step is out of order.
import t from "tap";
import { silentLogger } from "../../src/observe/logger.ts";
import { GrpcServer } from "../../src/rpc/server.ts";
import { startAdminRig } from "./admin.ts";

interface Shown {
  readonly id: string;
  readonly expiresAt: string;
}
interface States {
  readonly active: Shown;
  readonly prepared?: Shown;
  readonly old?: Shown;
}
interface Listed extends Shown {
  readonly status: string;
  readonly tainted: boolean;
}

for (const kind of ["x509", "jwt", "wit"]) {
  t.test(`authority ${kind}`, async (t) => {
    const config = { experimental: ["wit-svid"] };
    const { run, ok, json } = await startAdminRig(t, { config });
    const show = async (): Promise<States> => {
      const { authorities, ...states } = await json<States & { authorities: Listed[] }>(
        "authority",
        kind,
        "show",
      );
      if (kind === "wit") t.equal(authorities, undefined, "one of each slot is all that is told");
      else
        t.ok(authorities.some(({ id, status }) => id === states.active.id && status === "active"));
      return states;
    };
    const { active, ...others } = await show();
    t.same(others, {});
    t.match(active, { id: /^[0-9a-zA-Z]{32,40}$/, expiresAt: /^\d{4}-/ });
    t.match(
      await ok("authority", kind, "show"),
      new RegExp(`^active {2}${active.id} {2}ends \\S+ \\(in (23h|1d)`),
    );
    const next = await json<Shown>("authority", kind, "prepare");
    t.same(await show(), { active, prepared: next });
    t.match(await run("authority", kind, "taint", active.id), {
      code: 1,
      err: /^assay: (authority ID: )?.* is active; prepare and activate another one/,
    });
    t.equal(await ok("authority", kind, "activate", next.id), `activated ${next.id}\n`);
    t.same(await show(), { active: next, old: active });
    t.match(await run("authority", kind, "revoke", active.id), {
      code: 1,
      err: /not tainted; taint it first\n$/,
    });
    t.same(await json("authority", kind, "taint", active.id), { id: active.id, tainted: true });
    t.same(await json("authority", kind, "revoke", active.id), { id: active.id, revoked: true });
    t.same(await show(), { active: next });
    t.match(await ok("authority", kind, "prepare"), /^prepared {2}\S+ {2}ends /);
    t.match(await run("authority", kind, "activate", "unknown"), {
      code: 1,
      err: new RegExp(`'unknown'.*assay authority ${kind} show`),
    });
    t.match(await run("authority", kind, "activate"), { code: 2, err: /--id is missing/ });
  });
}

for (const kind of ["x509", "jwt"]) {
  t.test(`authority ${kind} show: all there are, and which of them are tainted`, async (t) => {
    const { ok, json } = await startAdminRig(t);
    const rotate = async (): Promise<string> =>
      (await json<Shown>("authority", kind, "rotate", "--wait", "0s")).id;
    const list = async (): Promise<[string, string, boolean][]> =>
      (await json<{ authorities: Listed[] }>("authority", kind, "show")).authorities.map(
        ({ status, id, tainted }) => [status, id, tainted],
      );
    const [[, first] = ["", ""]] = await list();
    const [second, third] = [await rotate(), await rotate()];
    const { id: superseded } = await json<Shown>("authority", kind, "prepare");
    const { id: next } = await json<Shown>("authority", kind, "prepare");
    await ok("authority", kind, "taint", first);
    t.same(await list(), [
      ["active", third, false],
      ["prepared", next, false],
      ["old", superseded, false],
      ["old", second, false],
      ["old", first, true],
    ]);
    const words = (await ok("authority", kind, "show")).trimEnd().split("\n");
    t.same(
      words.map((line) => line.split(/ +/).slice(0, 3)),
      [
        ["active", third, "ends"],
        ["prepared", next, "ends"],
        ["old", superseded, "ends"],
        ["old", second, "ends"],
        ["tainted", first, "ends"],
      ],
    );
  });
}

t.test("authority wit at a server without WIT-SVIDs", async (t) => {
  const { run } = await startAdminRig(t);
  const err = /^assay: the server offers no WIT-SVIDs; start it with '--experimental wit-svid'/;
  for (const words of [["show"], ["prepare"], ["rotate", "--wait", "0s"], ["taint", "a"]]) {
    t.match(await run("authority", "wit", ...words), { code: 1, err }, words.join(" "));
  }
});

t.test("authority show at a server that lists none: one of each slot", async (t) => {
  const { server, run, json } = await startAdminRig(t);
  const service = "spire.api.server.localauthority.v1.LocalAuthority";
  await using other = new GrpcServer({ logger: silentLogger });
  other.setGate(async () => undefined);
  other.addService(service, {
    GetX509AuthorityState: () => server.admin.unary(service, "GetX509AuthorityState", {}),
  });
  const socket = `${server.socket}.other`;
  await other.listenUnix(socket, { mode: 0o600 });
  const show = ["authority", "x509", "show", "--socket", socket];
  const { active } = await json<States>("authority", "x509", "show");
  t.same(await json(...show), { active });
  t.match(await run(...show), { code: 0, out: new RegExp(`^active {2}${active.id} `), err: "" });
});
