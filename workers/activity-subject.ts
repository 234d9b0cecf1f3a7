import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { ArtifactRef, PatientKey } from '../contracts/artifact.ts';

/** Whose data, and which part of it, an activity is about: what a line of its log tells beside the run. */
export interface Subject {
  /** The patient's pseudonym. */
  readonly patient?: string;
  /** Slice rows [from, to) of a slices artifact, by the first digits of its hash: `1f0c9a3b:0-16`. */
  readonly shard?: string;
}

/** Read off an activity's input by the forms that contracts give to keys and references; anything else stays untold. */
export function subjectOf(input: unknown): Subject {
  const { patient, slices, from, to } = (input ?? {}) as Record<string, unknown>;
  const key = PatientKey.safeParse(patient);
  const ref = ArtifactRef.safeParse(slices);
  const isShard = ref.success && Number.isSafeInteger(from) && Number.isSafeInteger(to);
  return {
    ...(key.success && { patient: key.data }),
    ...(isShard && { shard: `${ref.data.sha256.slice(0, 8)}:${from}-${to}` }),
  };
}

/** Adds the subject to every line that is logged of an activity, by the SDK and by us, and a line when its work is done. */
export const logActivities: ActivityInterceptorsFactory = (context) => {
  let subject: Subject = {};
  return {
    inbound: {
      async execute(input, next) {
        subject = subjectOf(input.args[0]);
        const start = performance.now();
        const result = await next(input);
        const { reused } = (result ?? {}) as { reused?: unknown };
        context.log.info('done', { reused, durationMs: Math.round(performance.now() - start) });
        return result;
      },
    },
    outbound: { getLogAttributes: (attributes, next) => next({ ...attributes, ...subject }) },
  };
};
