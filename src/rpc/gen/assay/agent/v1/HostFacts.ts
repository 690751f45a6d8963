// Original file: proto/assay/agent/v1/agent.proto


/**
 * Told by the agent itself and proven by nobody: for people to read, never a selector.
 */
export interface HostFacts {
  'hostname'?: (string);
  /**
   * Name and version of the distribution.
   */
  'os'?: (string);
  'kernel'?: (string);
  /**
   * As Node names it: `x64`, `arm64`.
   */
  'arch'?: (string);
  /**
   * Name and version; empty when there is none.
   */
  'container_runtime'?: (string);
  /**
   * Kind of virtual machine; empty on bare metal.
   */
  'virtualization'?: (string);
  'agent_version'?: (string);
  'node_version'?: (string);
  /**
   * Names of the selectors that the agent's attestors can yield, such as `unix:uid`.
   */
  'selector_names'?: (string)[];
}

/**
 * Told by the agent itself and proven by nobody: for people to read, never a selector.
 */
export interface HostFacts__Output {
  'hostname': (string);
  /**
   * Name and version of the distribution.
   */
  'os': (string);
  'kernel': (string);
  /**
   * As Node names it: `x64`, `arm64`.
   */
  'arch': (string);
  /**
   * Name and version; empty when there is none.
   */
  'container_runtime': (string);
  /**
   * Kind of virtual machine; empty on bare metal.
   */
  'virtualization': (string);
  'agent_version': (string);
  'node_version': (string);
  /**
   * Names of the selectors that the agent's attestors can yield, such as `unix:uid`.
   */
  'selector_names': (string)[];
}
