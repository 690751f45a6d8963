// Original file: proto/assay/provision/v1/provision.proto

import type { ApiToken as _assay_provision_v1_ApiToken, ApiToken__Output as _assay_provision_v1_ApiToken__Output } from '../../../assay/provision/v1/ApiToken.ts';

export interface ListApiTokensResponse {
  'api_tokens'?: (_assay_provision_v1_ApiToken)[];
}

export interface ListApiTokensResponse__Output {
  'api_tokens': (_assay_provision_v1_ApiToken__Output)[];
}
