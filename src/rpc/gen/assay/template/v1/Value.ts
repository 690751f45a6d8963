// Original file: proto/assay/template/v1/template.proto


export interface Value {
  /**
   * As the template has it: `k8s.ns`.
   */
  'variable'?: (string);
  'value'?: (string);
}

export interface Value__Output {
  /**
   * As the template has it: `k8s.ns`.
   */
  'variable': (string);
  'value': (string);
}
