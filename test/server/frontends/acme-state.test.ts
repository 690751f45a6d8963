/** What the front end keeps, and for how long. */
import t from "tap";
import type { AcmeClient, AcmeProblemBody } from "../../support/acme-client.ts";
import { WEB, acmeRig, issue, problem } from "./acme-rig.ts";

const DAY_MS = 24 * 3600 * 1000;

t.test("accounts go when nothing of them is left, and none that has a certificate", async (t) => {
  const rig = await acmeRig(t, {
    acme: { set: "web", unusedAccountTtlSeconds: 30 * 24 * 3600 },
    server: { authoritySets: new Map([["web", WEB]]) },
  });
  const { clock } = rig.server;
  const pass = async (days: number): Promise<void> => {
    clock.step(days * DAY_MS);
    await clock.advance(11 * 60 * 1000);
  };
  const unused = await rig.client();
  const ended = await rig.client();
  const holder = await rig.client();
  const isThere = async (client: AcmeClient): Promise<boolean> => {
    const { status, body } = await client.post<Partial<AcmeProblemBody>>(
      client.url("newAccount"),
      { onlyReturnExisting: true },
      { byKey: true },
    );
    if (body.type?.endsWith(":accountDoesNotExist") === true) return false;
    // A deactivated one is told so.
    if (status === 200 || status === 401) return true;
    throw new Error(JSON.stringify(body));
  };
  await issue(rig, holder, ["a.example.org"], { profile: "server-90d" });
  await holder.post(holder.kid, { status: "deactivated" });
  await ended.post(ended.kid, { status: "deactivated" });
  await pass(6);
  t.ok(await isThere(ended), "deactivated for six days");
  await pass(2);
  t.notOk(await isThere(ended), "for eight");
  t.ok(await isThere(unused), "valid, and not used for eight days");
  await pass(23);
  t.notOk(await isThere(unused), "for thirty");
  const reply = await unused.post<AcmeProblemBody>(unused.url("newOrder"), {});
  problem(t, reply, ["accountDoesNotExist", 400], "whoever comes back");
  t.equal((await unused.register()).status, 201, "makes another one");
  await pass(50);
  t.ok(await isThere(holder), "its certificate counts");
  await pass(20);
  t.notOk(await isThere(holder), "that has ended, and a week has passed");
});
