/** Every type of error that ACME has, beside where a client of a real server gets it. */
import t, { type Test } from "tap";
import { acmeLimits } from "../../../src/config/sections/acme-limits-section.ts";
import { ACME_ERROR_TYPES } from "../../../src/server/frontends/acme/contract.ts";
import {
  type AcmeAuthorization,
  type AcmeClient,
  type AcmeOrder,
  type AcmeProblemBody,
  type AcmeReply,
} from "../../support/acme-client.ts";
import { csrFor } from "../../support/csr.ts";
import { type AcmeRig, WEB, acmeRig, issue, meet, readChain } from "./acme-rig.ts";

/** RFC 8555 §6.7, as the table there has them. */
const RFC_8555 = [
  "accountDoesNotExist",
  "alreadyRevoked",
  "badCSR",
  "badNonce",
  "badPublicKey",
  "badRevocationReason",
  "badSignatureAlgorithm",
  "caa",
  "compound",
  "connection",
  "dns",
  "externalAccountRequired",
  "incorrectResponse",
  "invalidContact",
  "malformed",
  "orderNotReady",
  "rateLimited",
  "rejectedIdentifier",
  "serverInternal",
  "tls",
  "unauthorized",
  "unsupportedContact",
  "unsupportedIdentifier",
  "userActionRequired",
] as const;
/** RFC 9773 §7.4; the profiles draft, §4. RFC 8737 and RFC 8738 add none. */
const ADDED = ["alreadyReplaced", "invalidProfile"] as const;
/** Registered for what is not served here: RFC 8739 and RFC 9115 (short-term certificates, delegation), RFC 9799 (onion names). */
const NOT_SERVED = [
  "autoRenewalCanceled",
  "autoRenewalExpired",
  "autoRenewalCancellationInvalid",
  "autoRenewalRevocationNotSupported",
  "unknownDelegation",
  "onionCAARequired",
] as const;
type ErrorType = (typeof RFC_8555)[number] | (typeof ADDED)[number];

interface Place {
  readonly rig: AcmeRig;
  /** With an account. */
  readonly client: AcmeClient;
}

/** What a client is told: as an answer, or in the challenge that was not met. */
interface Told {
  readonly type: string;
  readonly status: number;
  readonly detail: string;
}

interface Row {
  /** Where it is reached. */
  readonly at: string;
  readonly status: number;
  readonly reach: (place: Place) => Promise<Told>;
}

const ROWS: Readonly<Record<ErrorType, Row>> = {
  accountDoesNotExist: {
    at: "a new account that only an existing one is wanted for",
    status: 400,
    async reach({ rig }) {
      const stranger = await rig.stranger();
      return answer(await stranger.register({ onlyReturnExisting: true }));
    },
  },
  alreadyReplaced: {
    at: "a second order that replaces one certificate",
    status: 409,
    async reach({ rig, client }) {
      const { name } = readChain((await issue(rig, client, ["a.example.org"])).pem);
      await client.order(["a.example.org"], { replaces: name });
      return answer(await client.order(["a.example.org"], { replaces: name }));
    },
  },
  alreadyRevoked: {
    at: "a revocation that comes twice",
    status: 400,
    async reach({ rig, client }) {
      const certificate = readChain((await issue(rig, client, ["a.example.org"])).pem).der;
      await client.post(client.url("revokeCert"), { certificate });
      return answer(await client.post(client.url("revokeCert"), { certificate }));
    },
  },
  badCSR: {
    at: "a finalization for another name",
    status: 400,
    async reach({ rig, client }) {
      const order = await ready(rig, client);
      return answer(await client.post(order.finalize, { csr: csrFor({ names: ["b.org"] }) }));
    },
  },
  badNonce: {
    at: "a nonce of another server",
    status: 400,
    async reach({ client }) {
      return answer(await client.post(client.kid, "", { header: { nonce: "AAAA" } }));
    },
  },
  badPublicKey: {
    at: "a new account with a key whose curve there is none of",
    status: 400,
    async reach({ rig }) {
      const stranger = await rig.stranger();
      const jwk = { ...stranger.key.jwk, crv: "P-1" };
      return answer(await stranger.register({}, { header: { jwk } }));
    },
  },
  badRevocationReason: {
    at: "a revocation for a reason that is none",
    status: 400,
    async reach({ rig, client }) {
      const certificate = readChain((await issue(rig, client, ["a.example.org"])).pem).der;
      return answer(await client.post(client.url("revokeCert"), { certificate, reason: 7 }));
    },
  },
  badSignatureAlgorithm: {
    at: "a request that is signed with a MAC",
    status: 400,
    async reach({ client }) {
      return answer(await client.post(client.kid, "", { header: { alg: "HS256" } }));
    },
  },
  caa: {
    at: "a challenge, and the CAA record is another authority's",
    status: 403,
    async reach({ rig, client }) {
      const caa = [{ flags: 0, tag: "issue", value: "ca.example.net" }];
      rig.dns.zone.set("caa.example.org", { a: ["127.0.0.1"], caa });
      return challenged(rig, client, "caa.example.org", { right: true });
    },
  },
  compound: {
    at: "an order with names that are refused for different reasons",
    status: 400,
    async reach({ client }) {
      const identifiers = [
        { type: "dns", value: "a_b.example.org" },
        { type: "email", value: "a@example.org" },
      ];
      const reply = await client.post<AcmeProblemBody>(client.url("newOrder"), { identifiers });
      const types = (reply.body.subproblems ?? []).map(({ type }) => type.split(":").at(-1));
      if (types.join() !== "rejectedIdentifier,unsupportedIdentifier") throw new Error(reply.text);
      return answer(reply);
    },
  },
  connection: {
    at: "a challenge at an address that nobody listens at",
    status: 400,
    async reach({ rig, client }) {
      rig.dns.zone.set("away.example.org", { a: ["127.0.0.9"] });
      return challenged(rig, client, "away.example.org");
    },
  },
  dns: {
    at: "a challenge for a name that DNS does not know",
    status: 400,
    reach: ({ rig, client }) => challenged(rig, client, "gone.example.org"),
  },
  externalAccountRequired: {
    at: "a new account without an external one, where that is wanted",
    status: 403,
    async reach({ rig }) {
      await settings(rig, { names: { externalAccountRequired: true } });
      const stranger = await rig.stranger();
      const reply = await stranger.register();
      await settings(rig, {});
      return answer(reply);
    },
  },
  incorrectResponse: {
    at: "a challenge that is answered with something else",
    status: 403,
    reach: ({ rig, client }) => challenged(rig, client, "b.example.org"),
  },
  invalidContact: {
    at: "a new account with a contact that is no address",
    status: 400,
    async reach({ rig }) {
      return answer(await (await rig.stranger()).register({ contact: ["mailto:nobody"] }));
    },
  },
  invalidProfile: {
    at: "an order with a profile that there is none of",
    status: 400,
    async reach({ client }) {
      return answer(await client.order(["a.example.org"], { profile: "classic" }));
    },
  },
  malformed: {
    at: "an order without identifiers",
    status: 400,
    async reach({ client }) {
      return answer(await client.post(client.url("newOrder"), {}));
    },
  },
  orderNotReady: {
    at: "a finalization before the challenges",
    status: 403,
    async reach({ client }) {
      const order = await client.order(["pending.example.org"]);
      return answer(await client.post(order.body.finalize, { csr: csrFor({ names: ["x.org"] }) }));
    },
  },
  rateLimited: {
    at: "one order too many for the same names",
    status: 429,
    async reach({ client }) {
      for (let at = 0; at < 20; at++) await client.order(["often.example.org"]);
      return answer(await client.order(["often.example.org"]));
    },
  },
  rejectedIdentifier: {
    at: "an order for a name that the operator has not listed",
    status: 400,
    async reach({ client }) {
      return answer(await client.order(["www.example.com"]));
    },
  },
  serverInternal: {
    at: "a finalization where no authority can sign yet",
    status: 503,
    async reach({ rig, client }) {
      const order = await ready(rig, client);
      await settings(rig, { set: "safe" });
      const csr = csrFor({ names: ["a.example.org"] });
      const reply = await client.post(order.finalize, { csr });
      await settings(rig, {});
      return answer(reply);
    },
  },
  tls: {
    at: "a challenge by TLS at a server that does not speak it",
    status: 400,
    reach: ({ rig, client }) => challenged(rig, client, "c.example.org", { type: "tls-alpn-01" }),
  },
  unauthorized: {
    at: "another account's order",
    status: 403,
    async reach({ rig, client }) {
      const order = await client.order(["a.example.org"]);
      const other = await rig.client();
      return answer(await other.post(order.headers.location ?? "", ""));
    },
  },
  unsupportedContact: {
    at: "a new account with a telephone number",
    status: 400,
    async reach({ rig }) {
      return answer(await (await rig.stranger()).register({ contact: ["tel:+123"] }));
    },
  },
  unsupportedIdentifier: {
    at: "an order for a mail address",
    status: 400,
    async reach({ client }) {
      const identifiers = [{ type: "email", value: "a@example.org" }];
      return answer(await client.post(client.url("newOrder"), { identifiers }));
    },
  },
  userActionRequired: {
    at: "a new account that does not agree to the terms",
    status: 403,
    async reach({ rig }) {
      await settings(rig, { termsOfService: "https://example.org/terms" });
      const reply = await (await rig.stranger()).register();
      await settings(rig, {});
      return answer(reply);
    },
  },
};

t.test("every type of error is reached on a real server", async (t) => {
  t.same([...ACME_ERROR_TYPES], [...RFC_8555, ...ADDED].toSorted(), "no other, and none left out");
  t.same(Object.keys(ROWS), [...ACME_ERROR_TYPES]);
  t.notOk(NOT_SERVED.some((each) => (ACME_ERROR_TYPES as readonly string[]).includes(each)));
  const rig = await startRig(t);
  for (const [type, { at, status, reach }] of Object.entries(ROWS)) {
    const client = await rig.client();
    const told = await reach({ rig, client });
    t.equal(told.type, `urn:ietf:params:acme:error:${type}`, `${type}: ${at}`);
    t.equal(told.status, status, `${type}: its status`);
    t.match(told.detail, /^[\x20-\x7e]{10,}$/, `${type}: a sentence`);
  }
});

async function startRig(t: Test): Promise<AcmeRig> {
  // Its root is in a safe, and has signed nothing yet.
  const safe = { ...WEB, upstreamAuthority: { offline: {} } };
  const rig = await acmeRig(t, {
    server: { authoritySets: new Map([["safe", safe]]) },
    limits: { ...acmeLimits(undefined), duplicatesPerDay: 20 },
  });
  await settings(rig, {});
  return rig;
}

/** SIGHUP with these; CAA is looked at, and what is at the port for TLS does not speak it. */
async function settings(
  { server, httpPort }: AcmeRig,
  change: {
    readonly set?: string;
    readonly termsOfService?: string;
    readonly names?: { readonly externalAccountRequired: boolean };
  },
): Promise<void> {
  const acme = server.config.frontends?.acme;
  if (acme === undefined) throw new Error("there is no acme");
  const names = { ...acme.names, ...change.names };
  const validation = { ...acme.validation, tlsPort: httpPort, caaIdentities: ["ca.example.org"] };
  const frontends = { acme: { ...acme, ...change, names, validation } };
  const config = { ...server.config, frontends };
  await server.server.reload(async () => ({ config, settings: [] }));
}

/** An order that can be finalized. */
async function ready(rig: AcmeRig, client: AcmeClient): Promise<AcmeOrder> {
  const { body } = await client.order(["a.example.org"]);
  await meet(rig, client, body);
  return body;
}

/** What becomes of a challenge. @param right it is answered as it should be */
async function challenged(
  rig: AcmeRig,
  client: AcmeClient,
  name: string,
  { type = "http-01", right = false } = {},
): Promise<Told> {
  const order = await client.order([name]);
  const [url = ""] = order.body.authorizations;
  const { body } = await client.post<AcmeAuthorization>(url, "");
  const challenge = body.challenges.find((each) => each.type === type);
  if (challenge === undefined) throw new Error(`there is no ${type}`);
  const { token } = challenge;
  rig.answers.set(token, right ? client.keyAuthorization(token) : "something else");
  await client.post(challenge.url, {});
  const decided = await client.until<AcmeAuthorization>(url, ["valid", "invalid"]);
  const { error } = decided.body.challenges[0] ?? {};
  const shown = await client.post<AcmeOrder>(order.headers.location ?? "", "");
  if (JSON.stringify(shown.body.error) !== JSON.stringify(error)) throw new Error(shown.text);
  return error as unknown as Told;
}

/** What an answer says, with the header that goes with it. */
function answer(reply: AcmeReply<unknown>): Told {
  const { type, detail, status } = reply.body as AcmeProblemBody;
  const isProblem = reply.headers["content-type"]?.startsWith("application/problem+json") === true;
  if (!isProblem || status !== reply.status) throw new Error(reply.text);
  return { type, detail, status };
}
