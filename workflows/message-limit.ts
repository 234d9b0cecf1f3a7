import { ApplicationFailure } from '@temporalio/workflow';

/** Temporal takes 2 MiB in one message; a little is left for what stands around it, and for its encryption. */
const MOST_BYTES = 2 * 2 ** 20 - 2 ** 16;

/**
 * The value, if it fits into one message. By itself a run with too large a one would end in words of the server's, or try for
 * ever; this says what is too large and what helps.
 */
export function fitting<T>(what: string, value: T): T {
  const bytes = new TextEncoder().encode(JSON.stringify(value)).length;
  if (bytes <= MOST_BYTES) return value;
  const megabytes = (size: number): string => `${(size / 2 ** 20).toFixed(2)} MiB`;
  throw ApplicationFailure.create({
    type: 'RUN_TOO_LARGE',
    message: `${what}: found ${megabytes(bytes)} of references and scores, expected at most ${megabytes(MOST_BYTES)}. Divide the data set into several runs. [RUN_TOO_LARGE]`,
    nonRetryable: true,
  });
}
