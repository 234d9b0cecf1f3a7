import { framesOf, sentenceOf } from '../activities/error-text.ts';
import { stageOf } from './stage-names.ts';

/**
 * What a line of the log may tell beside time, level and message, by the name that the SDK or we have for it. Whatever else
 * is handed on with a message (arguments, tokens, fields of the native core) is not written: a list of what may be told
 * stays right when a library learns to tell more.
 */
const TOLD_AS: Readonly<Record<string, string>> = {
  workflowId: 'run',
  activityType: 'stage',
  patient: 'patient',
  shard: 'shard',
  attempt: 'attempt',
  workflowType: 'workflow',
  runId: 'execution',
  workflowRunId: 'execution',
  taskQueue: 'queue',
  namespace: 'namespace',
  durationMs: 'durationMs',
  reused: 'reused',
  signal: 'signal',
  needed: 'needed',
  metrics: 'metrics',
  traces: 'traces',
  reason: 'reason',
  frames: 'frames',
  trace_id: 'trace',
};

/** The attributes of one line, in that order. */
export function logRecord(attributes: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const record: Record<string, unknown> = {};
  for (const [name, told] of Object.entries(TOLD_AS)) {
    const value = attributes[name];
    if (isPlain(value)) record[told] = name === 'activityType' ? stageOf(String(value)) : value;
  }
  const error = attributes.error ?? attributes.err;
  return error === undefined || error === null ? record : { ...record, ...errorRecord(error) };
}

/**
 * An error as a code and a sentence: those of the failure that began it, where one of ours is behind it. Only what nobody has
 * classified comes with the places in the code.
 */
function errorRecord(error: unknown): Record<string, unknown> {
  const failure = failureBehind(error);
  if (!failure) return codedRecord(error) ?? { reason: sentenceOf(error), frames: framesOf(error) };
  const [details] = Array.isArray(failure.details) ? failure.details : [];
  const cause = typeof details?.reason === 'string' ? { cause: details.reason } : {};
  return { code: failure.type, reason: failure.message, ...cause };
}

/** A workflow's failure has lost all but its sentence on the way out of the workflows' thread; the sentence ends in the code. */
function codedRecord(error: unknown): Record<string, unknown> | null {
  const { message } = error as { message?: unknown };
  const code = typeof message === 'string' && /\[([A-Z][A-Z0-9_]+)\]$/.exec(message)?.[1];
  return code ? { code, reason: message } : null;
}

type Failure = Error & { readonly type: string; readonly details?: unknown };

/** By its form: failures of workflows come from another realm, where `instanceof` does not hold. */
function failureBehind(error: unknown): Failure | null {
  let at = error;
  for (let depth = 0; depth < 10 && typeof at === 'object' && at !== null; depth++) {
    const { type, message, cause } = at as { type?: unknown; message?: unknown; cause?: unknown };
    if (typeof type === 'string' && typeof message === 'string') return at as Failure;
    at = cause;
  }
  return null;
}

function isPlain(value: unknown): boolean {
  return Array.isArray(value) ? value.every(isPlain) : ['string', 'number', 'boolean'].includes(typeof value);
}
