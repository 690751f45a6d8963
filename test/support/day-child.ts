/**
 * A server, an agent and its workloads through hours of virtual time, in one process. TLS looks at the process's clock,
 * so that goes along (libfaketime). Prints what was seen, as JSON.
 *
 *   day-child.ts HOURS SEED
 */
import { createLogger } from "../../src/observe/logger.ts";
import { quiet } from "./quiet.ts";
import { Domain, id } from "./running.ts";
import { SeededRandom } from "./seeded-random.ts";
import { StreamWatch } from "./stream-watch.ts";
import { VirtualClock } from "./virtual-clock.ts";
import { WorkloadClient } from "./workload-client.ts";

const [hours = "24", seed = "1"] = process.argv.slice(2);
const began = Date.now();
const begunMs = performance.now();
const clock = new VirtualClock(began);
let agentRenewals = 0;
const warnings: Record<string, number> = {};
const logger = createLogger({
  level: "info",
  format: "json",
  write: (line) => {
    if (process.env["ASSAY_TEST_LOG"] !== undefined) process.stderr.write(line);
    const { level, message } = JSON.parse(line) as { level: string; message: string };
    if (message === "agent SVID renewed") agentRenewals += 1;
    if (level !== "info") warnings[message] = (warnings[message] ?? 0) + 1;
  },
  nowMs: () => clock.nowMs(),
});

await using domain = await Domain.start(
  {
    keyManager: { kind: "memory" },
    ca: { keyType: "ec-p256", ttlSeconds: 7200, jwtKeyType: "ec-p256", jwtIssuer: "" },
    ttl: { x509SvidSeconds: 600, jwtSvidSeconds: 300, agentSvidSeconds: 1200 },
  },
  logger,
  { clock, random: new SeededRandom(seed) },
);
const JWT_EACH_MS = 600_000;
const paths = ["/one", "/two", "/three"];
for (const path of paths) await domain.entry({ path });
const agent = await domain.startAgent();
await using watch = new StreamWatch(agent.socket);
using client = new WorkloadClient(agent.socket);
while (watch.ids.length < paths.length) await quiet();

const problems: string[] = [];
const authorities = { x509: new Set<string>(), jwt: new Set<string>() };
let jwts = 0;
let nextJwtMs = clock.nowMs();
const end = clock.nowMs() + Number(hours) * 3600_000;
while (clock.nowMs() < end) {
  const next = Math.min(clock.nextMs ?? end, end);
  // TLS, and clients that look at the time, see the moment at which the timer fires.
  process.env["FAKETIME"] =
    `+${((next - began - (performance.now() - begunMs)) / 1000).toFixed(3)}`;
  await clock.advance(next - clock.nowMs());
  await quiet();
  look();
  if (clock.nowMs() >= nextJwtMs) {
    nextJwtMs = clock.nowMs() + JWT_EACH_MS;
    await lookAtJwt();
  }
}
const held = [...watch.serials.values()];
process.stdout.write(
  JSON.stringify({
    rotations: Object.fromEntries(
      paths.map(id).map((each) => [each, held.filter((spiffeId) => spiffeId === each).length]),
    ),
    agentRenewals,
    x509Authorities: authorities.x509.size,
    jwtAuthorities: authorities.jwt.size,
    jwts,
    problems: [...problems, ...watch.expired, ...watch.unpublished, ...watch.fatal],
    ends: watch.ends,
    warnings,
    seconds: Math.round((performance.now() - begunMs) / 1000),
  }),
);

function look(): void {
  const now = clock.nowMs() / 1000;
  if (watch.latest.length !== paths.length) problems.push(`${watch.latest.length} SVIDs at ${now}`);
  for (const { id: spiffeId, leaf } of watch.latest) {
    authorities.x509.add(leaf.authorityKeyId ?? "");
    if (leaf.notAfter <= now) problems.push(`${spiffeId} is held expired at ${now}`);
    if (leaf.notBefore > now) problems.push(`${spiffeId} is not valid yet at ${now}`);
  }
}

async function lookAtJwt(): Promise<void> {
  const { svids } = await client.fetchJwt(["api"], id("/one"));
  const token = svids[0]?.svid ?? "";
  const header = Buffer.from(token.split(".")[0] ?? "", "base64url").toString();
  authorities.jwt.add((JSON.parse(header) as { kid: string }).kid);
  jwts += 1;
  try {
    await client.validate("api", token);
  } catch (error) {
    problems.push(`JWT-SVID at ${clock.nowMs() / 1000}: ${String(error)}`);
  }
}
