// Original file: proto/assay/sync/v1/sync.proto

import type { Long } from '@grpc/proto-loader';

/**
 * A place in the server's history of changes. One that the server does not know any more (the history before it was
 * dropped, or another one was restored) makes it begin anew.
 */
export interface Position {
  /**
   * Never goes back within one history; 0 is before everything.
   */
  'revision'?: (number | string | Long);
  /**
   * Tells histories apart that reached the same revision: opaque.
   */
  'mark'?: (number | string | Long);
}

/**
 * A place in the server's history of changes. One that the server does not know any more (the history before it was
 * dropped, or another one was restored) makes it begin anew.
 */
export interface Position__Output {
  /**
   * Never goes back within one history; 0 is before everything.
   */
  'revision': (string);
  /**
   * Tells histories apart that reached the same revision: opaque.
   */
  'mark': (string);
}
