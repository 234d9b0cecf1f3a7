/** The client takes its clock for wrong from here on. Servers refuse what was signed a quarter of an hour ago or more. */
const OFF_MS = 4 * 60_000;
const TRIES = 4;

/** By how much the client corrects its clock, in milliseconds; it sets this by the date of every answer. */
export interface ClientClock {
  readonly systemClockOffset: number;
}

interface Answer {
  readonly $metadata?: { readonly httpStatusCode?: number; readonly attempts?: number };
}

/**
 * Middleware of the AWS client, for its first step: a request that was refused is made again where the clock has been corrected since it
 * began. The client repeats those for which it has found its clock wrong itself; not those beside them, and not those that it
 * signed by a correction from before the clock was set right.
 */
export const repeatedWhereClockWasOff =
  (clock: ClientClock) =>
  <A, R>(next: (args: A) => Promise<R>) =>
  async (args: A): Promise<R> => {
    for (let attempt = 1; ; attempt++) {
      const before = clock.systemClockOffset;
      try {
        return await next(args);
      } catch (error) {
        const { httpStatusCode, attempts = 1 } = (error as Answer).$metadata ?? {};
        // It tries again what was refused for no other reason.
        const wasCorrected = attempts > 1 || Math.abs(clock.systemClockOffset - before) > OFF_MS;
        if (httpStatusCode !== 403 || !wasCorrected || attempt === TRIES) throw error;
      }
    }
  };
