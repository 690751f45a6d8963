// Original file: proto/assay/template/v1/template.proto


export interface Pod {
  'namespace'?: (string);
  'name'?: (string);
  'uid'?: (string);
}

export interface Pod__Output {
  'namespace': (string);
  'name': (string);
  'uid': (string);
}
