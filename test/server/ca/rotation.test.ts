import fc from "fast-check";
import t from "tap";
import { NO_AUDIT } from "../../support/no-audit.ts";
import { SeededRandom } from "../../support/seeded-random.ts";
import { generateKey } from "../../../src/keys/software-signer.ts";
import type { AuthoritySet } from "../../../src/server/ca/authority-set.ts";
import {
  planRotation,
  shouldActivate,
  shouldPrepare,
} from "../../../src/server/ca/rotation-plan.ts";
import { Issuance } from "../../../src/server/issuance/issuance.ts";
import type { Bundle } from "../../../src/spiffe/bundle.ts";
import { verifyJwtSvid } from "../../../src/spiffe/jwt-svid.ts";
import { SpiffeId } from "../../../src/spiffe/spiffe-id.ts";
import { verifyX509Svid } from "../../../src/spiffe/x509-svid.ts";
import { type Certificate, parseCertificate } from "../../../src/x509/certificate.ts";
import { DAY, Domain, HOUR, TRUST_DOMAIN } from "./domain.ts";

t.test("plan: SPIRE's fractions, moved earlier by long SVIDs only", async (t) => {
  const cases: readonly [
    string,
    [number, number, number],
    Partial<ReturnType<typeof planRotation>>,
  ][] = [
    [
      "one day, one hour",
      [DAY, HOUR, 60],
      {
        prepareAt: 12 * HOUR,
        activateAt: 4 * HOUR,
        lead: 960,
        reach: 4 * HOUR - 960 - 60,
        grace: DAY,
      },
    ],
    ["one year", [365 * DAY, HOUR, 60], { prepareAt: 30 * DAY, activateAt: 7 * DAY }],
    [
      "one day, eight hours",
      [DAY, 8 * HOUR, 60],
      { prepareAt: 12 * HOUR, activateAt: 8 * HOUR + 60 + 960 },
    ],
    [
      "one day, twelve hours",
      [DAY, 12 * HOUR, 60],
      { prepareAt: 12 * HOUR + 60 + 2 * 960, activateAt: 12 * HOUR + 60 + 960, reach: 12 * HOUR },
    ],
    [
      "one day, one day",
      [DAY, DAY, 60],
      { prepareAt: 16 * HOUR + 960, activateAt: 16 * HOUR, reach: 16 * HOUR - 960 - 60 },
    ],
    ["one minute", [60, 20, 5], { prepareAt: 45, activateAt: 35, lead: 10, reach: 20, grace: 60 }],
  ];
  for (const [name, [life, longestTtl, margin], expected] of cases) {
    t.match(planRotation({ life, longestTtl, margin }), expected, name);
  }
});

t.test(
  "longer SVIDs than before: the next authority signs before they would be cut short",
  async (t) => {
    await using domain = await Domain.open();
    await using set = await domain.authorities();
    const [first] = set.records("x509");
    domain.pass(11.75 * HOUR);
    await set.rotate();
    t.equal(set.records("x509").length, 1);
    set.setLongestTtl({ x509: 12 * HOUR, jwt: 300 });
    t.match(set.plan("x509"), { reach: 12 * HOUR });
    await set.rotate();
    t.equal(set.records("x509").length, 2, "prepared at once");
    domain.pass(HOUR);
    await set.rotate();
    t.not(set.activeX509().id, first?.id);
    t.equal(set.records("jwt").length, 2, "prepared at half of its life, as before");
    t.equal(set.activeJwt().keyId, set.records("jwt")[0]?.id);
  },
);

t.test("plan: for any lives, preparation leads and what is promised is kept", async (t) => {
  const seconds = fc.integer({ min: 1, max: 10 * 365 * DAY });
  fc.assert(
    fc.property(seconds, seconds, fc.integer({ min: 0, max: HOUR }), (life, longestTtl, margin) => {
      const plan = planRotation({ life, longestTtl, margin });
      const { prepareAt, activateAt, lead, reach } = plan;
      const active = { createdAt: 0, notAfter: life };
      const due = life - prepareAt;
      return (
        prepareAt - activateAt >= lead &&
        prepareAt <= life &&
        due >= 0 &&
        shouldPrepare(plan, active, due) &&
        // Prepared when due, it is activated when due, not before, and early enough for what `reach` promises.
        shouldActivate(
          plan,
          active,
          { createdAt: due, notAfter: due + life },
          served(life - activateAt),
        ) &&
        !shouldActivate(
          plan,
          active,
          { createdAt: 0, notAfter: life },
          served(life - activateAt - 1),
        ) &&
        reach + margin <= Math.max(activateAt, margin) &&
        (longestTtl + margin + lead > Math.floor((life * 2) / 3) || reach >= longestTtl)
      );
    }),
    { seed: 1, numRuns: 5000 },
  );
  t.pass("holds");
});

t.test("plan: a server that was down for long waits for publication while it can", async (t) => {
  const plan = planRotation({ life: DAY, longestTtl: HOUR, margin: 60 });
  const active = { createdAt: 0, notAfter: DAY };
  const at = DAY - HOUR;
  const prepared = { createdAt: at, notAfter: at + DAY };
  t.equal(shouldActivate(plan, active, prepared, served(at)), false, "just published");
  t.equal(shouldActivate(plan, active, prepared, served(at + 959)), false);
  t.equal(shouldActivate(plan, active, prepared, served(at + 960)), true, "published long enough");
  const late = { createdAt: DAY - 300, notAfter: 2 * DAY };
  t.equal(shouldActivate(plan, active, late, served(DAY - 300)), false);
  t.equal(shouldActivate(plan, active, late, served(DAY - 240)), true, "all but over");
});

t.test("plan: what was published by a server that went away is published anew", async (t) => {
  const plan = planRotation({ life: DAY, longestTtl: HOUR, margin: 60 });
  const active = { createdAt: 0, notAfter: DAY };
  const prepared = { createdAt: DAY - 12 * HOUR, notAfter: DAY + 12 * HOUR };
  const cases: readonly [string, since: number, now: number, boolean][] = [
    ["just started", DAY - 4 * HOUR, DAY - 4 * HOUR, false],
    ["not long enough", DAY - 4 * HOUR - 500, DAY - 4 * HOUR + 459, false],
    ["long enough", DAY - 4 * HOUR - 500, DAY - 4 * HOUR + 460, true],
    ["one lead late", DAY - 4 * HOUR + 900, DAY - 4 * HOUR + 959, false],
    ["and no longer", DAY - 4 * HOUR + 900, DAY - 4 * HOUR + 960, true],
    ["it is the active one's turn still", DAY - 6 * HOUR, DAY - 5 * HOUR, false],
  ];
  for (const [name, servingSince, now, expected] of cases) {
    t.equal(shouldActivate(plan, active, prepared, { now, servingSince }), expected, name);
  }
});

t.test("a server that was away since it published gives agents time to hear of it", async (t) => {
  await using domain = await Domain.open();
  const before = await domain.authorities();
  const active = before.activeX509().id;
  domain.pass(12 * HOUR);
  const { id } = await before.prepare("x509");
  await before[Symbol.asyncDispose]();
  domain.pass(8 * HOUR);
  await using set = await domain.authorities();
  t.equal(set.activeX509().id, active, "nobody may have seen the next one");
  domain.pass(950);
  await set.rotate();
  t.equal(set.activeX509().id, active);
  domain.pass(10);
  await set.rotate();
  t.equal(set.activeX509().id, id);
});

/** By a server that was there from the start. */
function served(now: number): { readonly now: number; readonly servingSince: number } {
  return { now, servingSince: 0 };
}

interface Course {
  readonly name: string;
  readonly lifeSeconds: number;
  readonly longestSeconds: number;
  readonly days: number;
  readonly mostAuthorities: number;
  readonly restarts?: boolean;
}

const MARGIN = HOUR + 60;
const COURSES: readonly Course[] = [
  { name: "the default", lifeSeconds: DAY, longestSeconds: HOUR, days: 60, mostAuthorities: 5 },
  {
    name: "long SVIDs",
    lifeSeconds: DAY,
    longestSeconds: 12 * HOUR,
    days: 60,
    mostAuthorities: 10,
    restarts: true,
  },
  {
    name: "to the limit",
    lifeSeconds: DAY,
    longestSeconds: 16 * HOUR - MARGIN,
    days: 20,
    mostAuthorities: 16,
  },
  {
    name: "one week",
    lifeSeconds: 7 * DAY,
    longestSeconds: DAY,
    days: 60,
    mostAuthorities: 4,
    restarts: true,
  },
];

for (const course of COURSES) {
  t.test(`${course.days} days of rotation: ${course.name}`, async (t) => {
    await using domain = await Domain.open();
    const walk = new Walk(domain, course);
    await walk.start();
    for (let hour = 0; hour < course.days * 24; hour++) await walk.hour(hour);
    await walk.end();
    t.same(walk.problems, []);
    t.equal(walk.issued, course.days * 48, "SVIDs of both kinds");
    t.equal(
      walk.mostAuthorities <= course.mostAuthorities,
      true,
      `${walk.mostAuthorities} at most`,
    );
    const turns = (course.days * DAY) / course.lifeSeconds;
    t.equal(walk.signers.size >= turns, true, `${walk.signers.size} authorities signed`);
  });
}

/** Hour by hour: a round of rotation, SVIDs of the longest life at some minute of the hour, checks of all kinds. */
class Walk {
  readonly problems: string[] = [];
  readonly signers = new Set<string>();
  issued = 0;
  mostAuthorities = 0;
  readonly #domain: Domain;
  readonly #course: Course;
  readonly #random = new SeededRandom("walk");
  readonly #history: { readonly at: number; readonly bundle: Bundle }[] = [];
  readonly #alive: { readonly leaf: Certificate; readonly end: number }[] = [];
  #set: AuthoritySet | undefined;
  #publicKey: Uint8Array = new Uint8Array();

  constructor(domain: Domain, course: Course) {
    this.#domain = domain;
    this.#course = course;
  }

  async start(): Promise<void> {
    this.#publicKey = (await generateKey("ec-p256")).signer.publicKey;
    await this.#open();
    await this.#record();
    this.#domain.pass(HOUR);
  }

  async hour(hour: number): Promise<void> {
    const { restarts = false } = this.#course;
    if (restarts && hour % 37 === 36) await this.#reopen();
    await this.#set?.rotate();
    await this.#record();
    const seconds = Math.floor(this.#random.unit() * HOUR);
    this.#domain.pass(seconds);
    await this.#issue();
    this.#domain.pass(HOUR - seconds);
  }

  async end(): Promise<void> {
    await this.#set?.[Symbol.asyncDispose]();
  }

  async #open(): Promise<void> {
    const { lifeSeconds: ttlSeconds, longestSeconds } = this.#course;
    this.#set = await this.#domain.authorities({
      margin: MARGIN,
      random: this.#random,
      x509: { keyType: "ec-p256", ttlSeconds },
      jwt: { keyType: "ec-p256", ttlSeconds },
      longestTtlSeconds: { x509: longestSeconds, jwt: longestSeconds },
    });
  }

  async #reopen(): Promise<void> {
    await this.end();
    await this.#open();
  }

  async #record(): Promise<void> {
    const bundle = await this.#domain.bundle();
    const last = this.#history.at(-1)?.bundle;
    if (last !== undefined && bundle.sequence < last.sequence) this.problems.push("sequence fell");
    if (last?.sequence !== bundle.sequence) this.#history.push({ at: this.#domain.now, bundle });
    const { x509Authorities, jwtAuthorities } = bundle;
    const most = Math.max(x509Authorities.length, jwtAuthorities.length);
    this.mostAuthorities = Math.max(this.mostAuthorities, most);
    while ((this.#alive[0]?.end ?? Infinity) <= this.#domain.now) this.#alive.shift();
    // What was signed long ago and lives still is what a hasty rotation would lose.
    const oldest = this.#alive[0];
    if (oldest !== undefined) await this.#verify(oldest.leaf, bundle, "an SVID in use");
  }

  async #issue(): Promise<void> {
    const set = this.#set;
    if (set === undefined) throw new TypeError("the walk has started");
    const { longestSeconds: ttlSeconds } = this.#course;
    const now = this.#domain.now;
    const issuance = new Issuance({
      trustDomain: TRUST_DOMAIN,
      authorities: set,
      clock: this.#domain.clock,
      random: this.#random,
      audit: NO_AUDIT,
      ttl: {
        x509SvidSeconds: ttlSeconds,
        jwtSvidSeconds: ttlSeconds,
        agentSvidSeconds: ttlSeconds,
      },
    });
    const spiffeId = SpiffeId.parse("spiffe://example.org/web");
    const request = { spiffeId, ttlSeconds: 0 };
    // As a verifier has it that syncs every five seconds and asks the bundle endpoint every five minutes.
    const earlier = this.#bundleAt(now - 305);

    const x509 = await issuance.mintX509({ ...request, publicKey: this.#publicKey, dnsNames: [] });
    if (x509.expiresAt !== now + ttlSeconds) this.problems.push(`X.509-SVID cut short at ${now}`);
    const [der] = x509.chain;
    const leaf = parseCertificate(der ?? new Uint8Array());
    await this.#verify(leaf, earlier, "a new SVID");
    this.#alive.push({ leaf, end: leaf.notAfter });
    this.signers.add(leaf.authorityKeyId ?? "");

    const jwt = await issuance.mintJwt({ ...request, audience: ["api"] });
    if (jwt.expiresAt !== now + ttlSeconds) this.problems.push(`JWT-SVID cut short at ${now}`);
    try {
      await verifyJwtSvid(jwt.token, "api", () => earlier, now);
    } catch (thrown) {
      this.problems.push(`JWT-SVID at ${now}: ${String(thrown)}`);
    }
    this.issued += 2;
  }

  async #verify(leaf: Certificate, bundle: Bundle, what: string): Promise<void> {
    try {
      await verifyX509Svid([leaf], bundle, this.#domain.now);
    } catch (thrown) {
      this.problems.push(`${what} at ${this.#domain.now}: ${String(thrown)}`);
    }
  }

  #bundleAt(at: number): Bundle {
    const known = this.#history.findLast((entry) => entry.at <= at);
    if (known === undefined) throw new TypeError("the walk starts with a bundle");
    return known.bundle;
  }
}
