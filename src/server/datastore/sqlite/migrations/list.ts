import type { Migration } from "../migrate.ts";
import { init } from "./001-init.ts";
import { relationships } from "./002-relationships.ts";
import { rotation } from "./003-rotation.ts";
import { boundTokens } from "./004-bound-tokens.ts";
import { oneTimeTokens } from "./005-one-time-tokens.ts";
import { entryTemplates } from "./006-entry-templates.ts";
import { revocations } from "./007-revocations.ts";
import { jwtClaims } from "./008-jwt-claims.ts";
import { authorityRoots } from "./009-authority-roots.ts";
import { provision } from "./010-provision.ts";
import { acme } from "./011-acme.ts";
import { revokedAuthorities } from "./012-revoked-authorities.ts";
import { acmeExternalAccounts } from "./013-acme-external-accounts.ts";
import { acmeAccountUse } from "./014-acme-account-use.ts";
import { acmeProcessing } from "./015-acme-processing.ts";
import { renewableCertificates } from "./016-renewable-certificates.ts";
import { acmeSigning } from "./017-acme-signing.ts";
import { acmeMadeFrom } from "./018-acme-made-from.ts";
import { alternateChains } from "./019-alternate-chains.ts";
import { provisionRows } from "./020-provision-rows.ts";

/** All migrations in order; a released one is never edited, only followed by another. */
export const MIGRATIONS: readonly Migration[] = [
  init,
  relationships,
  rotation,
  boundTokens,
  oneTimeTokens,
  entryTemplates,
  revocations,
  jwtClaims,
  authorityRoots,
  provision,
  acme,
  revokedAuthorities,
  acmeExternalAccounts,
  acmeAccountUse,
  acmeProcessing,
  renewableCertificates,
  acmeSigning,
  acmeMadeFrom,
  alternateChains,
  provisionRows,
];
