// Original file: proto/assay/acme/v1/acme.proto

import type { ExternalAccount as _assay_acme_v1_ExternalAccount, ExternalAccount__Output as _assay_acme_v1_ExternalAccount__Output } from '../../../assay/acme/v1/ExternalAccount.ts';

export interface ListExternalAccountsResponse {
  'external_accounts'?: (_assay_acme_v1_ExternalAccount)[];
  /**
   * Empty on the last page.
   */
  'next_page_token'?: (string);
}

export interface ListExternalAccountsResponse__Output {
  'external_accounts': (_assay_acme_v1_ExternalAccount__Output)[];
  /**
   * Empty on the last page.
   */
  'next_page_token': (string);
}
