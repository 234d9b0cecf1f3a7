/**
 * What we measure beside the SDK's own metrics. No label holds a patient, a key or a path; `run` is a label of two figures only.
 * Prometheus shows a counter with `_total` and a histogram with its unit behind the name.
 */
export const METRICS = {
  stage: histogram('samflow_stage', 'Time of one attempt of an activity, by its outcome', [
    ...[0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 1_800, 7_200, 43_200],
  ]),
  failures: counter('samflow_stage_failures', 'Attempts that failed, by the code of the failure'),
  cache: counter('samflow_cache_lookups', 'Results that were in the store already (hit), or were not (miss)'),
  slices: counter('samflow_slices_encoded', 'Slices that the image encoder has embedded'),
  steps: counter('samflow_training_steps', 'Training steps: passes over a batch'),
  step: histogram('samflow_training_step', 'Time from one training step to the next', [
    ...[0.01, 0.03, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60],
  ]),
  dataWait: histogram('samflow_training_data_wait', 'How long a pass of a training waited for its data', [
    ...[0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10],
  ]),
  loss: gauge('samflow_training_loss', 'Mean training loss of the epoch so far'),
  dice: gauge('samflow_validation_dice', 'Dice on the validation patients after the last epoch'),
  request: histogram('samflow_s3_request', 'Time of a request to an S3 server, with its retries', [
    ...[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30],
  ]),
  retries: counter('samflow_s3_retries', 'Requests to an S3 server that were made again'),
  bytes: counter('samflow_s3_bytes', 'Bytes of objects that were sent to S3 servers, or received'),
  task: histogram('samflow_compute_task', 'Time of a task in a compute thread, with its wait for one', [
    ...[0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300],
  ]),
  backlog: gauge('samflow_queue_backlog_tasks', 'Tasks that wait in a queue, as the server estimates'),
  backlogAge: gauge('samflow_queue_backlog_age_seconds', 'How long the oldest task has been waiting in a queue'),
  memory: gauge('samflow_process_resident_memory_bytes', 'Resident memory of the worker process'),
  heap: gauge('samflow_process_heap_used_bytes', 'JavaScript heap in use on the main thread'),
  lag: gauge('samflow_event_loop_delay_seconds', 'Delay of the main thread, 99th percentile since the last reading'),
} as const;

function counter(name: string, description: string) {
  return { kind: 'counter', name, description } as const;
}

function gauge(name: string, description: string) {
  return { kind: 'gauge', name, description } as const;
}

/** Of seconds, with the upper bounds of its buckets. */
function histogram(name: string, description: string, buckets: number[]) {
  return { kind: 'histogram', name, description, buckets } as const;
}

/** Upper bounds of the buckets of our histograms, by name. */
export const BUCKETS: Record<string, number[]> = Object.fromEntries(
  Object.values(METRICS).flatMap((metric) => (metric.kind === 'histogram' ? [[metric.name, metric.buckets]] : [])),
);
