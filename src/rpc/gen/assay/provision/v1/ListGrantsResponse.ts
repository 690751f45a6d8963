// Original file: proto/assay/provision/v1/provision.proto

import type { Grant as _assay_provision_v1_Grant, Grant__Output as _assay_provision_v1_Grant__Output } from '../../../assay/provision/v1/Grant.ts';

export interface ListGrantsResponse {
  'grants'?: (_assay_provision_v1_Grant)[];
  'next_page_token'?: (string);
}

export interface ListGrantsResponse__Output {
  'grants': (_assay_provision_v1_Grant__Output)[];
  'next_page_token': (string);
}
