// Original file: proto/spiffe/broker/broker.proto


/**
 * A process of this host.
 */
export interface WorkloadPIDReference {
  'pid'?: (number);
}

/**
 * A process of this host.
 */
export interface WorkloadPIDReference__Output {
  'pid': (number);
}
