// Original file: proto/assay/provision/v1/provision.proto

import type { ApiToken as _assay_provision_v1_ApiToken, ApiToken__Output as _assay_provision_v1_ApiToken__Output } from '../../../assay/provision/v1/ApiToken.ts';

export interface CreateApiTokenResponse {
  'token'?: (string);
  'api_token'?: (_assay_provision_v1_ApiToken | null);
}

export interface CreateApiTokenResponse__Output {
  'token': (string);
  'api_token': (_assay_provision_v1_ApiToken__Output | null);
}
