// Original file: proto/assay/template/v1/template.proto


export interface Template {
  /**
   * A SPIFFE ID below the entry's own, with whole segments left open: spiffe://example.org/ns/{{k8s.ns}}/sa/{{k8s.sa}}.
   */
  'id'?: (string);
  /**
   * The agent's word on the values is enough. Without it each value is one that the server can check by itself.
   */
  'trust_agent'?: (boolean);
}

export interface Template__Output {
  /**
   * A SPIFFE ID below the entry's own, with whole segments left open: spiffe://example.org/ns/{{k8s.ns}}/sa/{{k8s.sa}}.
   */
  'id': (string);
  /**
   * The agent's word on the values is enough. Without it each value is one that the server can check by itself.
   */
  'trust_agent': (boolean);
}
