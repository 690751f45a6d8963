// Original file: proto/assay/explain/v1/explain.proto

import type { Long } from '@grpc/proto-loader';

export interface Process {
  'pid'?: (number);
  'uid'?: (number);
  'gid'?: (number);
  'groups'?: (number)[];
  /**
   * When it was looked at where that is not now, seconds since 1970: what came with a call is not there any more.
   */
  'seen_at'?: (number | string | Long);
}

export interface Process__Output {
  'pid': (number);
  'uid': (number);
  'gid': (number);
  'groups': (number)[];
  /**
   * When it was looked at where that is not now, seconds since 1970: what came with a call is not there any more.
   */
  'seen_at': (string);
}
