// Authorities on the command line: each step, and what is said when a step is out of order.
import t from "tap";
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

for (const kind of ["x509", "jwt"]) {
  t.test(`authority ${kind}`, async (t) => {
    const { run, ok, json } = await startAdminRig(t);
    const show = () => json<States>("authority", kind, "show");
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
      err: /^assay: authority_id: .* is active; prepare and activate another one/,
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
