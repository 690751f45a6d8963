// Original file: proto/assay/acme/v1/acme.proto

import type { ExternalAccount as _assay_acme_v1_ExternalAccount, ExternalAccount__Output as _assay_acme_v1_ExternalAccount__Output } from '../../../assay/acme/v1/ExternalAccount.ts';

export interface CreateExternalAccountResponse {
  'external_account'?: (_assay_acme_v1_ExternalAccount | null);
  /**
   * Key of the HMAC. It is shown here only.
   */
  'mac_key'?: (Buffer | Uint8Array | string);
}

export interface CreateExternalAccountResponse__Output {
  'external_account': (_assay_acme_v1_ExternalAccount__Output | null);
  /**
   * Key of the HMAC. It is shown here only.
   */
  'mac_key': (Buffer);
}
