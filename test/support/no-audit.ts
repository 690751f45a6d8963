import type { IssuanceAudit, RotationAudit } from "../../src/observe/audit.ts";

/** For what signs without a server around it. */
export const NO_AUDIT: IssuanceAudit & RotationAudit = {
  issued: async () => undefined,
  rotated: async () => undefined,
};
