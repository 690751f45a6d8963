import {
  CLAIMS_SERVICE,
  ENTRY_SERVICE,
  type RpcClient,
  TEMPLATE_SERVICE,
} from "../connection/rpc-clients.ts";
import { type EntryClaims, claimsMessage, fetchClaims } from "./claims.ts";
import { type EntryTemplate, readTemplates, templateMessage } from "./templates.ts";

/** What an entry says beside SPIRE's message. */
export interface EntryBeside {
  readonly template?: EntryTemplate;
  readonly claims?: EntryClaims;
}

/** Of each of the entries. */
export async function readBeside(
  server: RpcClient,
  ids: readonly string[],
): Promise<(id: string) => EntryBeside> {
  const templates = await readTemplates(server, ids);
  const claims = await fetchClaims(server, ids);
  return (id) => {
    const [template, own] = [templates.get(id), claims.get(id)];
    return {
      ...(template === undefined ? {} : { template }),
      ...(own === undefined ? {} : { claims: own }),
    };
  };
}

/** Whose `BatchCreateEntry` takes an entry with that much beside it. */
export function createService({ template, claims }: EntryBeside): string {
  if (claims !== undefined) return CLAIMS_SERVICE;
  return template === undefined ? ENTRY_SERVICE : TEMPLATE_SERVICE;
}

/** One of its `entries`. */
export function createMessage(entry: object, beside: EntryBeside): object {
  const more = besideMessage(beside);
  return Object.keys(more).length === 0 ? entry : { entry, ...more };
}

/** As fields beside `entry`. */
export function besideMessage({ template, claims }: EntryBeside): object {
  return {
    ...(template === undefined ? {} : { template: templateMessage(template) }),
    ...(claims === undefined ? {} : { claims: claimsMessage(claims) }),
  };
}
