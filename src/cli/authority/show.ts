import { isKind } from "../../base/errors.ts";
import type { ListAuthoritiesResponse__Output } from "../../rpc/gen/assay/authority/v1/ListAuthoritiesResponse.ts";
import type { GetX509AuthorityStateResponse__Output } from "../../rpc/gen/spire/api/server/localauthority/v1/GetX509AuthorityStateResponse.ts";
import type { Command } from "../program/command.ts";
import { isoTime } from "../text/facts.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { type RpcClient, SERVER_SOCKET_OPTION, connectServer } from "../connection/rpc-clients.ts";
import { type AuthorityItem as Item, SETS_SERVICE, setOf, setOptions } from "./sets.ts";
import {
  API_NAMES,
  AUTHORITY_SERVICE,
  type AuthorityWord,
  authorityJson,
  authorityLines,
  ofKind,
} from "./kinds.ts";

/** `authority x509 show`, `jwt show`, `wit show`. */
export function showCommand(kind: AuthorityWord): Command {
  return {
    name: `authority ${kind} show`,
    options: [...setOptions(kind), SERVER_SOCKET_OPTION, OUTPUT_OPTION],
    examples: [
      `assay authority ${kind} show`,
      ...(kind === "x509" ? ["assay authority x509 show --set web"] : []),
    ],
    notes: [
      "The active one signs; the prepared one is published and signs next; what an old one signed still verifies, of a",
      "tainted one too, until it is revoked. Old ones are listed newest first. A requested one waits for its certificate",
      "from an offline root; below an upstream authority, the root's ID stands behind each.",
    ],
    async run(context) {
      using server = await connectServer(context);
      const set = setOf(kind, context.options);
      if (set !== "") {
        const items = sorted(await listAuthorities(server, kind, set));
        context.output.data({ set, authorities: items.map(itemJson) }, () =>
          items.length === 0
            ? ["no authority yet"]
            : authorityLines(
                items.map((item) => [wordOf(item), item] as const),
                Date.now(),
              ),
        );
        return undefined;
      }
      // All kinds' responses are alike.
      const { active, prepared, old } = await ofKind(
        kind,
        server.call<GetX509AuthorityStateResponse__Output>(
          AUTHORITY_SERVICE,
          `Get${API_NAMES[kind]}AuthorityState`,
          {},
        ),
      );
      // Of WIT authorities no server tells more than one of each slot.
      const all = kind === "wit" ? undefined : await listed(server, kind);
      const states = [
        ["active", active],
        ["prepared", prepared],
        ["old", old],
      ] as const;
      const json = states.flatMap(([name, state]) => {
        const shown = authorityJson(state);
        return shown === undefined ? [] : [[name, shown] as const];
      });
      context.output.data(
        {
          ...Object.fromEntries(json),
          ...(all === undefined ? {} : { authorities: all.map(itemJson) }),
        },
        () =>
          authorityLines(all?.map((item) => [wordOf(item), item] as const) ?? states, Date.now()),
      );
      return undefined;
    },
  };
}

/** By slot, old ones newest first; `undefined` from a server that tells no more than one of each slot. */
async function listed(server: RpcClient, kind: AuthorityWord): Promise<Item[] | undefined> {
  try {
    return sorted(await listAuthorities(server, kind, ""));
  } catch (thrown) {
    if (isKind(thrown, "unsupported")) return undefined;
    throw thrown;
  }
}

async function listAuthorities(
  server: RpcClient,
  kind: AuthorityWord,
  set: string,
): Promise<readonly Item[]> {
  const { authorities } = await server.call<ListAuthoritiesResponse__Output>(
    SETS_SERVICE,
    "ListAuthorities",
    { kind: API_NAMES[kind], set },
  );
  return authorities;
}

function sorted(authorities: readonly Item[]): Item[] {
  return SLOTS.flatMap((slot) => authorities.filter((item) => item.slot === slot).reverse());
}

function itemJson(item: Item): Record<string, unknown> {
  return {
    id: item.authority_id,
    status: item.slot.toLowerCase(),
    tainted: item.tainted,
    createdAt: isoTime(Number(item.created_at)),
    ...(item.slot === "REQUESTED" ? {} : { expiresAt: isoTime(Number(item.expires_at)) }),
    ...(item.upstream_authority_subject_key_id && {
      upstreamAuthorityId: item.upstream_authority_subject_key_id,
    }),
    ...(item.alternate_root_subject_key_ids.length > 0 && {
      alternateRootIds: item.alternate_root_subject_key_ids,
      alternates: item.alternate_root_subject_key_ids.map((rootId, at) => ({
        rootId,
        expiresAt: isoTime(Number(item.alternate_expires_at[at] ?? 0)),
      })),
    }),
  };
}

function wordOf({ slot, tainted }: Item): string {
  return tainted ? "tainted" : slot.toLowerCase();
}

const SLOTS = ["ACTIVE", "PREPARED", "REQUESTED", "OLD"] as const;
