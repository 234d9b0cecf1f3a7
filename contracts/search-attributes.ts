/**
 * Search attributes of our workflows, by which the Web UI and `samflow status` list runs. Plain constants: workflows import
 * this file. They are stored in clear and indexed, so nothing about a patient may stand in one.
 * A SQL visibility store has room for 10 Keyword and 3 Double attributes in a namespace.
 */
export const SEARCH_ATTRIBUTES = {
  /** `name` of the run configuration. */
  SamflowName: 'KEYWORD',
  /** What is segmented. */
  SamflowTarget: 'KEYWORD',
  /** The checkpoint that is fine-tuned. */
  SamflowModel: 'KEYWORD',
  /** The stage at work, or the last one. */
  SamflowStage: 'KEYWORD',
  /** `running`, `completed` or the failure's code: finer than Temporal's own status. */
  SamflowStatus: 'KEYWORD',
  /** Dice of the fine-tuned model on the unseen patients. */
  SamflowDice: 'DOUBLE',
  /** Dice of the model before fine-tuning, on the same patients. */
  SamflowZeroShotDice: 'DOUBLE',
} as const;

export type SearchAttributeName = keyof typeof SEARCH_ATTRIBUTES;
