import type { AuthorizedEntries } from "../entries/authorized-entries.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import type { DownstreamIssuance } from "../issuance/downstream.ts";
import type { Implementation } from "../../rpc/service.ts";
import type { Issuance } from "../issuance/issuance.ts";
import type { Limits } from "../endpoints/limits.ts";
import type { Logger } from "../../observe/logger.ts";
import type { SVIDHandlers } from "../../rpc/gen/spire/api/server/svid/v1/SVID.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import { inField, workloadIdField } from "./fields.ts";
import { SpiffeId, isReservedPath } from "../../spiffe/spiffe-id.ts";
import { authorizedEntry } from "./authorized-entry.ts";
import { agentOf } from "../endpoints/caller.ts";
import { checkWildcards } from "./wildcards.ts";
import { fail } from "../../base/errors.ts";
import { isEmptyName } from "../../x509/names.ts";
import { jwtSvidMessage, x509SvidMessage } from "./messages.ts";
import { parseCsrField } from "./attest.ts";
import { proofOf } from "../../x509/csr.ts";
import { signEach } from "./sign-each.ts";

export interface SvidApiDeps {
  readonly issuance: Issuance;
  readonly downstream: Pick<DownstreamIssuance, "sign">;
  readonly ownBundle: () => Bundle;
  readonly authorizedEntries: Pick<AuthorizedEntries, "find">;
  readonly limits: Limits;
  readonly trustDomain: TrustDomain;
  readonly logger: Logger;
}

/** `spire.api.server.svid.v1.SVID`, but for WIT-SVIDs. */
export function svidApi(deps: SvidApiDeps): Implementation<SVIDHandlers> {
  const { issuance, downstream, authorizedEntries, limits, trustDomain, logger } = deps;

  return {
    async MintX509SVID({ csr: bytes, ttl }) {
      const csr = parseCsrField("csr", bytes);
      const [uri, ...others] = csr.uris;
      if (uri === undefined) throw fail("invalid", "csr: URI name is missing");
      if (others.length > 0) throw fail("invalid", "csr: has more than one URI name");
      const spiffeId = inField("csr", () => SpiffeId.parse(uri));
      if (!spiffeId.memberOf(trustDomain)) {
        throw fail(
          "invalid",
          `csr: '${spiffeId.toString()}' is not a member of trust domain '${trustDomain.name}'`,
        );
      }
      if (spiffeId.path === "" || isReservedPath(spiffeId.path)) {
        throw fail("invalid", `csr: '${spiffeId.toString()}' is not the ID of a workload`);
      }
      inField("csr", () => checkWildcards(csr.dnsNames));
      const svid = await issuance.mintX509({
        spiffeId,
        publicKey: csr.publicKey,
        proof: proofOf(csr),
        dnsNames: csr.dnsNames,
        ttlSeconds: ttl,
        ...(isEmptyName(csr.subject) ? {} : { subject: csr.subject }),
      });
      return { svid: x509SvidMessage(svid) };
    },

    async MintJWTSVID({ id, audience, ttl }) {
      const spiffeId = workloadIdField("id", id, trustDomain);
      const svid = await issuance.mintJwt({ spiffeId, audience, ttlSeconds: ttl });
      return { svid: jwtSvidMessage(svid) };
    },

    async NewDownstreamX509CA({ csr: bytes, preferred_ttl }, call) {
      await limits.sign(call, 1);
      const csr = parseCsrField("csr", bytes);
      if (preferred_ttl < 0) throw fail("invalid", "preferred_ttl: is negative");
      const { chain } = await downstream.sign({ csr, ttlSeconds: preferred_ttl });
      return {
        ca_cert_chain: [...chain],
        x509_authorities: deps.ownBundle().x509Authorities.map(({ der }) => der),
      };
    },

    BatchNewX509SVID: ({ params }, call) =>
      signEach({
        params,
        call,
        limits,
        logger,
        async sign({ entry_id, csr: bytes }, agentId) {
          const entry = authorizedEntry(authorizedEntries, agentId, entry_id);
          const csr = parseCsrField("csr", bytes);
          return x509SvidMessage(await issuance.workloadX509({ entry, csr }));
        },
      }),

    async NewJWTSVID({ entry_id, audience }, call) {
      await limits.sign(call, 1);
      const entry = authorizedEntry(authorizedEntries, agentOf(call), entry_id);
      return { svid: jwtSvidMessage(await issuance.workloadJwt({ entry, audience })) };
    },
  };
}
