import type { CountAgentsRequest__Output } from "../../rpc/gen/spire/api/server/agent/v1/CountAgentsRequest.ts";
import type { CountEntriesRequest__Output } from "../../rpc/gen/spire/api/server/entry/v1/CountEntriesRequest.ts";
import type { EntryFilter, NodeFilter } from "../datastore/contract.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import {
  expiresBeforeField,
  federatesWithMatchField,
  memberIdField,
  selectorMatchField,
  textField,
  workloadIdField,
} from "./fields.ts";

/** The filter of CountAgents and ListAgents. @throws invalid */
export function nodeFilter(filter: CountAgentsRequest__Output["filter"]): NodeFilter {
  if (filter === null) return {};
  const { by_selector_match, by_banned, by_can_reattest } = filter;
  return {
    ...(filter.by_attestation_type === ""
      ? {}
      : {
          attestationType: textField(
            "filter.by_attestation_type",
            filter.by_attestation_type,
            MAX_TYPE_LENGTH,
          ),
        }),
    ...(by_selector_match === null
      ? {}
      : { selectors: selectorMatchField("filter.by_selector_match", by_selector_match) }),
    ...(by_banned === null ? {} : { banned: by_banned.value }),
    ...(by_can_reattest === null ? {} : { canReattest: by_can_reattest.value }),
    ...(filter.by_expires_before === ""
      ? {}
      : {
          expiresBefore: expiresBeforeField("filter.by_expires_before", filter.by_expires_before),
        }),
  };
}

/** The filter of CountEntries and ListEntries. @throws invalid */
export function entryFilter(
  filter: CountEntriesRequest__Output["filter"],
  trustDomain: TrustDomain,
): EntryFilter {
  if (filter === null) return {};
  const { by_spiffe_id, by_parent_id, by_selectors, by_federates_with, by_hint, by_downstream } =
    filter;
  return {
    ...(by_spiffe_id === null
      ? {}
      : {
          spiffeId: workloadIdField("filter.by_spiffe_id", by_spiffe_id, trustDomain).toString(),
        }),
    ...(by_parent_id === null
      ? {}
      : { parentId: memberIdField("filter.by_parent_id", by_parent_id, trustDomain).toString() }),
    ...(by_selectors === null
      ? {}
      : { selectors: selectorMatchField("filter.by_selectors", by_selectors) }),
    ...(by_federates_with === null
      ? {}
      : { federatesWith: federatesWithMatchField("filter.by_federates_with", by_federates_with) }),
    // An empty hint filters nothing at SPIRE.
    ...(by_hint === null || by_hint.value === ""
      ? {}
      : { hint: textField("filter.by_hint", by_hint.value, MAX_HINT_LENGTH) }),
    // False filters nothing at SPIRE: its command line sends it with every count and list.
    ...(by_downstream?.value === true ? { downstream: true } : {}),
  };
}

const MAX_TYPE_LENGTH = 255;
const MAX_HINT_LENGTH = 1024;
