// Original file: proto/assay/audit/v1/audit.proto

import type { Long } from '@grpc/proto-loader';

/**
 * Conditions hold together; an empty one holds for every record.
 */
export interface ReadRequest {
  /**
   * Records about this SPIFFE ID, or by a caller that has it.
   */
  'spiffe_id'?: (string);
  /**
   * Of a certificate, lower-case hex.
   */
  'serial'?: (string);
  /**
   * `issuance`, `denial`, `admin`, `system`.
   */
  'kinds'?: (string)[];
  /**
   * Records not older than this, seconds since 1970.
   */
  'since'?: (number | string | Long);
  /**
   * Of those that are there only so many, the newest; 0 = all.
   */
  'last'?: (number);
  /**
   * Goes on with records to come.
   */
  'follow'?: (boolean);
  /**
   * What one call led to.
   */
  'request_id'?: (string);
  /**
   * Of a registration entry.
   */
  'entry_id'?: (string);
  /**
   * Of the authority that signed, or that was changed.
   */
  'authority_id'?: (string);
  /**
   * A common name, DNS name or address in a front end's certificate.
   */
  'name'?: (string);
  /**
   * The record's action or method, or what stands behind a method's last slash.
   */
  'actions'?: (string)[];
  /**
   * Records not younger than this, seconds since 1970; 0 = to the end.
   */
  'until'?: (number | string | Long);
}

/**
 * Conditions hold together; an empty one holds for every record.
 */
export interface ReadRequest__Output {
  /**
   * Records about this SPIFFE ID, or by a caller that has it.
   */
  'spiffe_id': (string);
  /**
   * Of a certificate, lower-case hex.
   */
  'serial': (string);
  /**
   * `issuance`, `denial`, `admin`, `system`.
   */
  'kinds': (string)[];
  /**
   * Records not older than this, seconds since 1970.
   */
  'since': (string);
  /**
   * Of those that are there only so many, the newest; 0 = all.
   */
  'last': (number);
  /**
   * Goes on with records to come.
   */
  'follow': (boolean);
  /**
   * What one call led to.
   */
  'request_id': (string);
  /**
   * Of a registration entry.
   */
  'entry_id': (string);
  /**
   * Of the authority that signed, or that was changed.
   */
  'authority_id': (string);
  /**
   * A common name, DNS name or address in a front end's certificate.
   */
  'name': (string);
  /**
   * The record's action or method, or what stands behind a method's last slash.
   */
  'actions': (string)[];
  /**
   * Records not younger than this, seconds since 1970; 0 = to the end.
   */
  'until': (string);
}
