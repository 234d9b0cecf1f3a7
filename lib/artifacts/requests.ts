/** What a request to an object store came to. Neither key nor bucket is told: whoever counts requests needs no names. */
export interface RequestOutcome {
  /** HTTP status; absent where there was no answer. */
  readonly status?: number | undefined;
  /** Tries that the client made. */
  readonly attempts: number;
  /** Bytes of the request's body, and of the body that the answer announces. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** Is called with the operation (`PutObject`, ...) when a request begins; what it gives back is called when it has ended. */
export type ObserveRequests = (operation: string) => (outcome: RequestOutcome) => void;

/** Tells several observers; undefined where there are none. */
export function observeAll(observers: readonly (ObserveRequests | undefined)[]): ObserveRequests | undefined {
  const all = observers.filter((observe) => observe !== undefined);
  if (all.length === 0) return undefined;
  return (operation) => {
    const ends = all.map((observe) => observe(operation));
    return (outcome) => {
      for (const end of ends) end(outcome);
    };
  };
}

/** Answers that a caller asks for: nothing there (404), a condition that does not hold (409, 412), past the end (416). */
const FORESEEN: readonly (number | undefined)[] = [404, 409, 412, 416];

/** How an outcome counts: an answer that a caller foresees is no error. */
export function kindOf({ status }: RequestOutcome): 'ok' | 'refused' | 'error' {
  if (status !== undefined && status < 400) return 'ok';
  return FORESEEN.includes(status) ? 'refused' : 'error';
}

/** What the client tells of an answer, or of an error. */
interface Answer {
  readonly $metadata?: { readonly httpStatusCode?: number; readonly attempts?: number };
  readonly ContentLength?: number;
  readonly Body?: unknown;
}

/**
 * Middleware of the AWS client, for its first step: around a request with all its retries. Of a body that is read afterwards
 * only the announced length is known.
 */
export const observed =
  (observe: ObserveRequests) =>
  <A extends { input: object }, R extends { output: object }>(
    next: (args: A) => Promise<R>,
    { commandName = '' }: { commandName?: string },
  ) =>
  async (args: A): Promise<R> => {
    const end = observe(commandName.replace(/Command$/, ''));
    const { ContentLength: sentBytes = 0 } = args.input as Answer;
    const told = ({ $metadata: { httpStatusCode: status, attempts = 1 } = {} }: Answer, receivedBytes = 0) =>
      end({ status, attempts, sentBytes, receivedBytes });
    try {
      const result = await next(args);
      const answer = result.output as Answer;
      told(answer, answer.Body ? answer.ContentLength : 0);
      return result;
    } catch (error) {
      told(error as Answer);
      throw error;
    }
  };
