/**
 * Failure types that are ours and not a library fault's code. Plain strings; scripts may rely on them. Workflows load this file,
 * so it must stay free of zod.
 */
export const FAILURES = {
  /** A bug: the same input would fail again, so it is not retried. */
  internal: 'INTERNAL_ERROR',
  /** Another attempt of the same activity has taken over; this one may not commit. */
  fenced: 'ATTEMPT_FENCED_OUT',
  /** Network, store or worker trouble: retried. */
  infrastructure: 'INFRASTRUCTURE',
  /** No attempt was heard of to its end. */
  lost: 'WORKER_LOST',
  /** A run was asked for what it cannot do now. */
  refused: 'RUN_REFUSED',
  /** The registry moved while a challenger was being measured: the workflow measures it against the new champion. */
  championChanged: 'CHAMPION_CHANGED',
} as const;

/** What is known of an attempt that ended without a word. */
export const LOST_WORKER = 'its worker was killed, ran out of memory, or was cut off';
