/** OpenBao's JWT auth method as a relying party: configured as an operator would, it checks JWT-SVIDs by discovery. */
import { join } from "node:path";
import t from "tap";
import { Domain, id } from "../support/running.ts";
import { WorkloadClient } from "../support/workload-client.ts";
import { BaoDev } from "./bao-dev.ts";
import { freePort } from "../support/free-port.ts";

t.test("OpenBao gives its tokens for JWT-SVIDs, across a rotation", async (t) => {
  const port = await freePort();
  const issuer = `https://localhost:${port}`;
  await using domain = await Domain.start({
    ca: { keyType: "ec-p256", ttlSeconds: 86_400, jwtKeyType: "ec-p256", jwtIssuer: issuer },
    frontends: {
      oidc: {
        listen: { host: "127.0.0.1", port },
        issuer,
        jwksUri: `${issuer}/keys`,
        hosts: ["localhost"],
        tls: { kind: "svid", dnsNames: ["localhost"] },
        maxAgeSeconds: 60,
      },
    },
  });
  await domain.entry({ path: "/web" });
  await domain.startAgent();
  using client = new WorkloadClient(join(domain.dir, "api.sock"));
  const token = async (audience: string): Promise<string> =>
    (await client.fetchJwt([audience])).svids[0]?.svid ?? "";

  await using bao = await BaoDev.start();
  t.equal((await bao.ask("POST", "sys/auth/jwt", { type: "jwt" })).status, 204);
  const config = { oidc_discovery_url: issuer, bound_issuer: issuer };
  const untrusted = await bao.ask("POST", "auth/jwt/config", config);
  t.equal(untrusted.status, 400, "the trust domain's authorities are none of the web's");
  const trusted = { ...config, oidc_discovery_ca_pem: await domain.bundlePem() };
  t.equal((await bao.ask("POST", "auth/jwt/config", trusted)).status, 204);
  const role = {
    role_type: "jwt",
    user_claim: "sub",
    bound_audiences: ["bao", "bao-next"],
    bound_subject: id("/web"),
    policies: ["default"],
  };
  t.equal((await bao.ask("POST", "auth/jwt/role/web", role)).status, 204);
  const logIn = (jwt: string) => bao.ask("POST", "auth/jwt/login", { role: "web", jwt });

  const first = await token("bao");
  const { status, body } = await logIn(first);
  t.equal(status, 200);
  t.match(body, { auth: { policies: ["default"], metadata: { role: "web" } } });
  t.equal((await logIn(await token("another"))).status, 400, "another audience");
  t.equal((await logIn(`${first.slice(0, -6)}AAAAAA`)).status, 400, "another signature");
  const none = ["eyJhbGciOiJub25lIn0", first.split(".")[1], ""].join(".");
  t.equal((await logIn(none)).status, 400, "none at all");

  const { authorities } = domain.server;
  const next = await authorities.prepare("jwt");
  await authorities.activate("jwt", next.id);
  const second = await token("bao-next");
  t.equal((await logIn(second)).status, 200, "a key that it has not seen: it looks again");
  t.equal((await logIn(first)).status, 200, "and the one before still counts");
});
