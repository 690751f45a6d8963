// Original file: proto/assay/audit/v1/audit.proto

import type { Record as _assay_audit_v1_Record, Record__Output as _assay_audit_v1_Record__Output } from '../../../assay/audit/v1/Record.ts';

export interface ReadResponse {
  'records'?: (_assay_audit_v1_Record)[];
}

export interface ReadResponse__Output {
  'records': (_assay_audit_v1_Record__Output)[];
}
