import type { AuthorizedEntries } from "../entries/authorized-entries.ts";
import type { Clock } from "../../base/clock.ts";
import type { EntryHandlers } from "../../rpc/gen/spire/api/server/entry/v1/Entry.ts";
import type { EntryRecord } from "../datastore/contract.ts";
import type { Implementation } from "../../rpc/service.ts";
import { agentOf } from "../endpoints/caller.ts";
import { withDomainNames } from "../entries/every-domain.ts";
import { type EntryAdminApiDeps, entryAdminApi } from "./entry-admin.ts";
import { entryMessage } from "./messages.ts";
import { syncAuthorizedEntries } from "./sync.ts";

export interface EntryApiDeps extends EntryAdminApiDeps {
  readonly authorizedEntries: Pick<AuthorizedEntries, "forAgent">;
  readonly clock: Clock;
  /** Aborted when the server begins to stop. */
  readonly stopping: AbortSignal;
}

/** `spire.api.server.entry.v1.Entry`. */
export function entryApi(deps: EntryApiDeps): Implementation<EntryHandlers> {
  const { authorizedEntries, bundles } = deps;

  /** Without its template an entry would pass for an identity. */
  const plainEntries = (agentId: string): readonly EntryRecord[] =>
    authorizedEntries.forAgent(agentId).filter(({ template }) => template === undefined);

  return {
    ...entryAdminApi(deps, "spire"),

    async GetAuthorizedEntries({ output_mask }, call) {
      const names = bundles.foreignNames();
      const authorized = plainEntries(agentOf(call).toString());
      return {
        entries: authorized.map((entry) =>
          entryMessage(withDomainNames(entry, names), output_mask),
        ),
      };
    },

    SyncAuthorizedEntries: (call) =>
      syncAuthorizedEntries(call, plainEntries(agentOf(call).toString()), {
        ...deps,
        domainNames: bundles.foreignNames(),
      }),
  };
}
