// Original file: proto/assay/explain/v1/explain.proto

import type { Long } from '@grpc/proto-loader';

export interface AgentSync {
  /**
   * False until the first answer of the server since the agent started.
   */
  'synced'?: (boolean);
  /**
   * How the agent hears of changes: `push`, `poll`, or empty before either worked.
   */
  'mode'?: (string);
  /**
   * Seconds since 1970; 0: never.
   */
  'last_contact'?: (number | string | Long);
  /**
   * The place in the server's history of changes that the agent has reached; 0: unknown.
   */
  'revision'?: (number | string | Long);
  /**
   * As the server told for this answer; 0: it did not.
   */
  'server_revision'?: (number | string | Long);
  /**
   * In a row; 0 while it works.
   */
  'failures'?: (number);
  'last_error'?: (string);
  'entries'?: (number);
  /**
   * Its own ID; empty before it has one.
   */
  'agent_id'?: (string);
}

export interface AgentSync__Output {
  /**
   * False until the first answer of the server since the agent started.
   */
  'synced': (boolean);
  /**
   * How the agent hears of changes: `push`, `poll`, or empty before either worked.
   */
  'mode': (string);
  /**
   * Seconds since 1970; 0: never.
   */
  'last_contact': (string);
  /**
   * The place in the server's history of changes that the agent has reached; 0: unknown.
   */
  'revision': (string);
  /**
   * As the server told for this answer; 0: it did not.
   */
  'server_revision': (string);
  /**
   * In a row; 0 while it works.
   */
  'failures': (number);
  'last_error': (string);
  'entries': (number);
  /**
   * Its own ID; empty before it has one.
   */
  'agent_id': (string);
}
