// Original file: proto/assay/template/v1/template.proto


export interface BatchGetTemplateRequest {
  'ids'?: (string)[];
}

export interface BatchGetTemplateRequest__Output {
  'ids': (string)[];
}
