import type { IssuanceAudit } from "../../src/observe/audit.ts";

/** For what signs without a server around it. */
export const NO_AUDIT: IssuanceAudit = { issued: async () => undefined };
