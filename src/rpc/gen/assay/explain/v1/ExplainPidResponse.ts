// Original file: proto/assay/explain/v1/explain.proto

import type { Verdict as _assay_explain_v1_Verdict, Verdict__Output as _assay_explain_v1_Verdict__Output } from '../../../assay/explain/v1/Verdict.ts';
import type { Process as _assay_explain_v1_Process, Process__Output as _assay_explain_v1_Process__Output } from '../../../assay/explain/v1/Process.ts';
import type { AttestorReport as _assay_explain_v1_AttestorReport, AttestorReport__Output as _assay_explain_v1_AttestorReport__Output } from '../../../assay/explain/v1/AttestorReport.ts';
import type { ExplainedEntry as _assay_explain_v1_ExplainedEntry, ExplainedEntry__Output as _assay_explain_v1_ExplainedEntry__Output } from '../../../assay/explain/v1/ExplainedEntry.ts';
import type { AgentSync as _assay_explain_v1_AgentSync, AgentSync__Output as _assay_explain_v1_AgentSync__Output } from '../../../assay/explain/v1/AgentSync.ts';

export interface ExplainPidResponse {
  /**
   * In one word.
   */
  'verdict'?: (_assay_explain_v1_Verdict);
  'process'?: (_assay_explain_v1_Process | null);
  /**
   * What each attestor found out about it.
   */
  'attestors'?: (_assay_explain_v1_AttestorReport)[];
  /**
   * Entries that give it identities, in the order in which they are served.
   */
  'matching'?: (_assay_explain_v1_ExplainedEntry)[];
  /**
   * The nearest that do not, nearest first; at most ten.
   */
  'nearest'?: (_assay_explain_v1_ExplainedEntry)[];
  /**
   * The IDs whose entries this agent serves: its own, then those of the node aliases it falls under.
   */
  'parent_ids'?: (string)[];
  'sync'?: (_assay_explain_v1_AgentSync | null);
  /**
   * Why the server could not be asked; empty when it answered.
   */
  'server_error'?: (string);
}

export interface ExplainPidResponse__Output {
  /**
   * In one word.
   */
  'verdict': (_assay_explain_v1_Verdict__Output);
  'process': (_assay_explain_v1_Process__Output | null);
  /**
   * What each attestor found out about it.
   */
  'attestors': (_assay_explain_v1_AttestorReport__Output)[];
  /**
   * Entries that give it identities, in the order in which they are served.
   */
  'matching': (_assay_explain_v1_ExplainedEntry__Output)[];
  /**
   * The nearest that do not, nearest first; at most ten.
   */
  'nearest': (_assay_explain_v1_ExplainedEntry__Output)[];
  /**
   * The IDs whose entries this agent serves: its own, then those of the node aliases it falls under.
   */
  'parent_ids': (string)[];
  'sync': (_assay_explain_v1_AgentSync__Output | null);
  /**
   * Why the server could not be asked; empty when it answered.
   */
  'server_error': (string);
}
