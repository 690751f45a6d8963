/**
 * Authorities moved by hand, over the admin socket: each kind goes prepare, activate, taint, revoke; whatever is out
 * of order or names no authority is refused and changes nothing.
 */
import t from "tap";
import { parseCertificate } from "../../../src/x509/certificate.ts";
import { refused } from "../../support/refused.ts";
import { BUNDLE_SERVICE, startTestServer } from "../../support/server.ts";
import { mint } from "./calls.ts";
import { type Row, long, refuseAll } from "./hostile-requests.ts";

const SERVICE = "spire.api.server.localauthority.v1.LocalAuthority";

interface State {
  readonly authority_id: string;
  readonly expires_at: string;
  readonly upstream_authority_subject_key_id: string;
}
interface States {
  readonly active: State | null;
  readonly prepared: State | null;
  readonly old: State | null;
}
interface Bundle {
  readonly x509_authorities: readonly { readonly asn1: Uint8Array; readonly tainted: boolean }[];
  readonly jwt_authorities: readonly { readonly key_id: string; readonly tainted: boolean }[];
}

for (const kind of ["X509", "JWT"]) {
  t.test(`${kind} authorities, step by step`, async (t) => {
    const server = await startTestServer(t);
    const { admin } = server;
    const states = (): Promise<States> => admin.unary(SERVICE, `Get${kind}AuthorityState`, {});
    const step = async (name: string, authority_id: string): Promise<State | undefined> =>
      Object.values(
        await admin.unary<Record<string, State>>(SERVICE, `${name}${kind}Authority`, {
          authority_id,
        }),
      )[0];
    /** Tainted or not, by ID. */
    const published = async (): Promise<Record<string, boolean>> => {
      const bundle = await admin.unary<Bundle>(BUNDLE_SERVICE, "GetBundle", {});
      return Object.fromEntries(
        kind === "X509"
          ? bundle.x509_authorities.map(({ asn1, tainted }) => [
              parseCertificate(asn1).subjectKeyId,
              tainted,
            ])
          : bundle.jwt_authorities.map(({ key_id, tainted }) => [key_id, tainted]),
      );
    };
    const out = (name: string, id: string, kindOfError: "invalid" | "precondition") =>
      refused(t, step(name, id), { kind: kindOfError }, `${name} ${id}`);

    const first = await states();
    const a = first.active?.authority_id ?? "";
    t.match(first, { prepared: null, old: null });
    t.equal(Number(first.active?.expires_at), Math.floor(server.clock.nowMs() / 1000) + 86_400);
    t.same(await published(), { [a]: false });
    for (const name of ["Activate", "Taint", "Revoke"]) await out(name, a, "invalid");

    const { prepared_authority } = await admin.unary<{ prepared_authority: State }>(
      SERVICE,
      `Prepare${kind}Authority`,
      {},
    );
    const b = prepared_authority.authority_id;
    t.not(a, b);
    t.match(await states(), { active: { authority_id: a }, prepared: prepared_authority });
    t.same(await published(), { [a]: false, [b]: false });
    for (const name of ["Taint", "Revoke"]) await out(name, b, "invalid");

    t.same(await step("Activate", b), prepared_authority);
    t.match(await states(), {
      active: { authority_id: b },
      prepared: null,
      old: { authority_id: a },
    });
    await out("Activate", a, "precondition");
    await out("Revoke", a, "precondition");
    t.match(await step("Taint", a), { authority_id: a });
    t.same(await published(), { [a]: true, [b]: false });
    await out("Taint", a, "precondition");
    t.match(await step("Revoke", a), { authority_id: a });
    t.same(await published(), { [b]: false });
    t.match(await states(), { active: { authority_id: b }, prepared: null, old: null });
    for (const name of ["Activate", "Taint", "Revoke"]) await out(name, a, "invalid");

    // One that was prepared and superseded signed nothing: the old one is still the one that signed.
    await admin.unary(SERVICE, `Prepare${kind}Authority`, {});
    const c = (await states()).prepared?.authority_id ?? "";
    await step("Activate", c);
    await admin.unary(SERVICE, `Prepare${kind}Authority`, {});
    await admin.unary(SERVICE, `Prepare${kind}Authority`, {});
    t.match(await states(), { active: { authority_id: c }, old: { authority_id: b } });
    t.equal(Object.keys(await published()).length, 4);
  });
}

t.test("hostile fields, and what there is not", async (t) => {
  const { admin } = await startTestServer(t);
  const steps = ["Activate", "Taint", "Revoke"];
  await refuseAll(
    t,
    admin,
    SERVICE,
    ["X509", "JWT"].flatMap((kind) =>
      steps.flatMap((step) =>
        ["", "unknown", "../../etc", "a\u0000b", "\u001b[2J", long(256), long(100_000)].map(
          (authority_id): Row => [
            JSON.stringify(authority_id.slice(0, 20)),
            `${step}${kind}Authority`,
            { authority_id },
            /^authority_id: /,
          ],
        ),
      ),
    ),
  );
  for (const subject_key_id of ["", "00", long(1000)]) {
    for (const step of ["Taint", "Revoke"]) {
      const call = admin.unary(SERVICE, `${step}X509UpstreamAuthority`, { subject_key_id });
      await refused(t, call, { kind: "precondition", message: /upstream/ });
    }
  }
  for (const method of ["GetWITAuthorityState", "PrepareWITAuthority", "ActivateWITAuthority"]) {
    await refused(t, admin.unary(SERVICE, method, {}), { kind: "unsupported" }, method);
  }
});

t.test("an administrator over TLS, and nobody else", async (t) => {
  const server = await startTestServer(t);
  await server.createEntry({
    spiffe_id: { trust_domain: "example.org", path: "/boss" },
    parent_id: { trust_domain: "example.org", path: "/host" },
    selectors: [{ type: "unix", value: "uid:1" }],
    admin: true,
  });
  const boss = server.connect(await mint(server, "/boss", 600));
  t.match(await boss.unary(SERVICE, "GetX509AuthorityState", {}), { active: {} });
  const other = server.connect(await mint(server, "/other", 600));
  for (const channel of [other, server.connect(), (await server.attest()).channel]) {
    for (const method of ["GetX509AuthorityState", "PrepareJWTAuthority", "TaintX509Authority"]) {
      const call = channel.unary(SERVICE, method, { authority_id: "a" });
      await refused(t, call, { message: /authorization denied/ }, method);
    }
  }
});
