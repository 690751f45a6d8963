/**
 * How many SVIDs a second one server process signs, without network and store: `node bench/issuance.ts [seconds]`.
 * Sixteen requests are in flight; every CSR's signature is verified and every certificate's bytes are checked.
 */
import { systemClock } from "../src/base/clock.ts";
import { systemRandom } from "../src/base/random.ts";
import { generateKey } from "../src/keys/software-signer.ts";
import { silentLogger } from "../src/observe/logger.ts";
import { AuthoritySet } from "../src/server/ca/authority-set.ts";
import { openSqliteDatastore } from "../src/server/datastore/sqlite/sqlite-datastore.ts";
import { Issuance } from "../src/server/issuance/issuance.ts";
import { openMemoryKeyManager } from "../src/server/keymanager/memory.ts";
import { selfSigned } from "../src/server/upstream/self.ts";
import { TrustDomain } from "../src/spiffe/trust-domain.ts";
import { createCsr, parseCsr } from "../src/x509/csr.ts";
import { sampleEntry } from "../test/server/datastore/samples.ts";

const SECONDS = Number(process.argv[2] ?? 5);
const IN_FLIGHT = 16;
const TRUST_DOMAIN = TrustDomain.parse("example.org");
const common = { clock: systemClock, random: systemRandom, logger: silentLogger };

await using datastore = await openSqliteDatastore({ ...common, path: ":memory:" });
await using keyManager = await openMemoryKeyManager();
const audit = { issued: async () => undefined, rotated: async () => undefined };
await using authorities = await AuthoritySet.open({
  ...common,
  name: "trust-domain",
  trustDomain: TRUST_DOMAIN,
  datastore,
  keyManager,
  audit,
  upstream: selfSigned(systemRandom),
  x509: { keyType: "ec-p256", ttlSeconds: 86_400 },
  jwt: { keyType: "ec-p256", ttlSeconds: 86_400 },
  longestTtlSeconds: { x509: 3600, jwt: 300 },
});
const issuance = new Issuance({
  ...common,
  trustDomain: TRUST_DOMAIN,
  authorities,
  audit,
  ttl: { x509SvidSeconds: 3600, jwtSvidSeconds: 300, agentSvidSeconds: 3600 },
});
const entry = sampleEntry("bench", { spiffeId: "spiffe://example.org/ns/default/sa/web" });
// Keys of their own, as agents send them; parsing is part of a round, for it is part of each request.
const requests = await Promise.all(
  Array.from({ length: 1000 }, async () => {
    const { signer } = await generateKey("ec-p256");
    return createCsr({ uris: [entry.spiffeId], signer });
  }),
);

await measure("warm-up", 1, x509);
await measure("X.509-SVIDs, P-256", SECONDS, x509);
await measure("JWT-SVIDs, ES256", SECONDS, () =>
  issuance.workloadJwt({ entry, audience: ["https://api.example.org"] }),
);

function x509(round: number): Promise<unknown> {
  const der = requests[round % requests.length];
  if (der === undefined) throw new TypeError("there are requests");
  return issuance.workloadX509({ entry, csr: parseCsr(Uint8Array.from(der)) });
}

async function measure(
  name: string,
  seconds: number,
  once: (round: number) => Promise<unknown>,
): Promise<void> {
  const start = performance.now();
  const cpu = process.cpuUsage();
  const end = start + seconds * 1000;
  let round = 0;
  const worker = async (): Promise<void> => {
    while (performance.now() < end) await once(round++);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  const took = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const cores = (user + system) / 1e6 / took;
  process.stdout.write(
    `${name}: ${Math.round(round / took)} a second, ${cores.toFixed(2)} cores busy\n`,
  );
}
