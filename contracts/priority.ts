/** How a run stands to others that wait for the same workers. Plain constants: workflows load this file. */
export const PRIORITIES = ['low', 'normal', 'high'] as const;
export type RunPriority = (typeof PRIORITIES)[number];

/** Temporal's keys: 1 comes first, 5 last. Somebody waits for a segmentation in front of a screen; for a training nobody does. */
const KEYS = { high: 2, normal: 3, low: 4 } as const satisfies Record<RunPriority, number>;
const INFERENCE = 1;

/** What Temporal takes of a workflow and hands on to everything that it starts. */
export interface Priority {
  readonly priorityKey: number;
  /** At most 64 bytes. */
  readonly fairnessKey: string;
}

/**
 * Of a run. Among runs of one priority each name gets an equal share of the workers, however much it waits for. A server
 * without priorities takes no notice.
 */
export const priorityOf = (name: string, priority: RunPriority = 'normal'): Priority => ({
  priorityKey: KEYS[priority],
  fairnessKey: name,
});

export const INFERENCE_PRIORITY: Priority = { priorityKey: INFERENCE, fairnessKey: 'infer' };
