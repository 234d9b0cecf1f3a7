/** The client takes its clock for wrong from here on. Servers refuse what was signed a quarter of an hour ago or more. */
const OFF_MS = 4 * 60_000;
const TRIES = 4;

/** What the client tells of a refusal. */
interface Refusal {
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
}

/**
 * Middleware of the AWS client, for its first step: a request that was refused is made once more, and more often while this machine's
 * clock is off. The client sets its clock by the answer; but it repeats no request that was signed by a correction from before
 * the clock was set right.
 */
export const repeatedWhereClockIsOff =
  <A, R>(next: (args: A) => Promise<R>) =>
  async (args: A): Promise<R> => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await next(args);
      } catch (error) {
        const { $metadata, $response } = error as Refusal;
        const told = Date.parse($response?.headers?.date ?? '');
        const isOff = Math.abs(told - Date.now()) > OFF_MS;
        if ($metadata?.httpStatusCode !== 403 || attempt === TRIES || (attempt > 1 && !isOff)) throw error;
      }
    }
  };
