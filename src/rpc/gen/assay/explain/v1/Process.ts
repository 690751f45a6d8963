// Original file: proto/assay/explain/v1/explain.proto


export interface Process {
  'pid'?: (number);
  'uid'?: (number);
  'gid'?: (number);
  'groups'?: (number)[];
}

export interface Process__Output {
  'pid': (number);
  'uid': (number);
  'gid': (number);
  'groups': (number)[];
}
