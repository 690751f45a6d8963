import type { BatchCreateEntryResponse__Output } from "../../rpc/gen/spire/api/server/entry/v1/BatchCreateEntryResponse.ts";
import type { JoinToken__Output } from "../../rpc/gen/spire/api/types/JoinToken.ts";
import { listAgents } from "../agents/list.ts";
import { entryOfBatch } from "../entry/batch.ts";
import { listEntries } from "../entry/list.ts";
import { idMessage, idText } from "../text/ids.ts";
import { AGENT_SERVICE, ENTRY_SERVICE, type RpcClient } from "../connection/rpc-clients.ts";
import type { Caller } from "./caller.ts";

/** Registers the calling user, once. @returns the SPIFFE ID */
export async function registerCaller(
  server: RpcClient,
  trustDomain: string,
  caller: Caller,
): Promise<string> {
  const spiffeId = `spiffe://${trustDomain}/user/${caller.segment}`;
  const entry = {
    spiffe_id: idMessage(spiffeId, "trust-domain"),
    parent_id: hostAlias(trustDomain),
    selectors: [{ type: "unix", value: `uid:${caller.uid}` }],
  };
  const { results } = await server.call<BatchCreateEntryResponse__Output>(
    ENTRY_SERVICE,
    "BatchCreateEntry",
    { entries: [entry] },
  );
  // It is there already at every start but the first.
  if (results[0]?.status?.code !== ALREADY_EXISTS) entryOfBatch(results[0]);
  return spiffeId;
}

/** Whether an agent of this host could go on without a token. */
export async function hasLiveAgent(server: RpcClient): Promise<boolean> {
  const soon = Date.now() / 1000 + 30;
  const agents = await listAgents(server, { by_banned: { value: false } });
  return agents.some((agent) => Number(agent.x509svid_expires_at) > soon);
}

/** A token for this host's agent; what was left of earlier agents under the same alias goes. */
export async function newHostToken(server: RpcClient, trustDomain: string): Promise<string> {
  const alias = hostAlias(trustDomain);
  const before = await listEntries(server, { by_spiffe_id: alias });
  const ids = before
    .filter(({ parent_id: parent }) => JOINED.test(idText(parent)))
    .map(({ id }) => id);
  if (ids.length > 0) await server.call(ENTRY_SERVICE, "BatchDeleteEntry", { ids });
  const token = await server.call<JoinToken__Output>(AGENT_SERVICE, "CreateJoinToken", {
    ttl: TOKEN_TTL_SECONDS,
    agent_id: alias,
  });
  return token.value;
}

/** Entries hang on this name, not on the agent's own ID, which changes with every token. */
function hostAlias(trustDomain: string): { trust_domain: string; path: string } {
  return { trust_domain: trustDomain, path: "/host" };
}

const JOINED = /^spiffe:\/\/[^/]+\/spire\/agent\/join_token\//;
const ALREADY_EXISTS = 6;
const TOKEN_TTL_SECONDS = 60;
