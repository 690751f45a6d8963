/** What lasts: the data folder with the datastore and the audit log, and where keys are. */
import { join } from "node:path";
import { AuditLog } from "../audit/audit-log.ts";
import { AuditTrail } from "../audit/audit-trail.ts";
import { CallScope } from "../audit/call-scope.ts";
import { AUDIT_FOLDER, DATABASE_FILE, openDataFolder } from "../data-folder/data-folder.ts";
import { checkFolderOwner } from "../data-folder/folder-owner.ts";
import type { Datastore } from "../datastore/contract.ts";
import { openSqliteDatastore } from "../datastore/sqlite/sqlite-datastore.ts";
import { Listeners } from "../endpoints/listeners.ts";
import type { KeyManager } from "../keymanager/contract.ts";
import { openKeyManager } from "../keymanager/open-key-manager.ts";
import type { Start } from "./start.ts";

export interface ServerState {
  readonly datastore: Datastore;
  readonly auditLog: AuditLog;
  /** Who is calling, for the audit trail. */
  readonly scope: CallScope;
  readonly trail: AuditTrail;
  readonly keyManager: KeyManager;
}

/** @param address where the server is going to listen */
export async function openState(
  { config, trustDomain, clock, random, logger, metrics, started, step }: Start,
  address: { readonly host: string; readonly port: number },
): Promise<ServerState> {
  await step("data folder", () => openDataFolder(config.dataDir));
  const datastore = started.use(
    await step("datastore", () =>
      openSqliteDatastore({ path: join(config.dataDir, DATABASE_FILE), clock, logger }),
    ),
  );
  await step("data folder", () => checkFolderOwner(datastore, trustDomain));
  // Before the first authority is made: a first start that fails here must not bind the folder to a trust domain.
  await step("listeners", () => Listeners.probe({ ...address, socket: config.socket }));
  const auditLog = started.use(
    await step("audit log", () =>
      AuditLog.open({ dir: join(config.dataDir, AUDIT_FOLDER), clock, logger }),
    ),
  );
  const scope = new CallScope();
  const trail = started.use(
    await step("audit log", () =>
      AuditTrail.open({ log: auditLog, scope, clock, random, logger, metrics }),
    ),
  );
  const keyManager = started.use(
    await step("key manager", () => openKeyManager(config, { clock, random })),
  );
  return { datastore, auditLog, scope, trail, keyManager };
}
