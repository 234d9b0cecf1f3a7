import { setImmediate } from 'node:timers/promises';

/**
 * Makes the next of a row of things while the last one is used, and no more: who takes one in each step finds it made, as far
 * as the step left time for it. Each is made once.
 */
export class Ahead<T> {
  private readonly make: (at: number) => Promise<T>;
  private readonly end: number;
  private readonly onWait: ((seconds: number) => void) | undefined;
  /** The one that comes next. */
  private at: number;
  private making: Promise<T> | undefined;

  /**
   * Begins with number `from`, and makes none from `end` on.
   * @param onWait is told of each how long it was waited for
   */
  constructor(make: (at: number) => Promise<T>, from: number, end: number, onWait?: (seconds: number) => void) {
    this.make = make;
    this.onWait = onWait;
    this.at = from;
    this.end = end;
    this.begin();
  }

  /** Rejects with the signal's reason when it aborts meanwhile, and then what is being made is still the next. */
  async next(signal?: AbortSignal): Promise<T> {
    if (!this.making) throw new RangeError(`nothing is left after ${this.end}`);
    const asked = performance.now();
    const made = await unlessAborted(this.making, signal);
    this.onWait?.((performance.now() - asked) / 1000);
    this.at += 1;
    this.begin();
    return made;
  }

  private begin(): void {
    this.making = this.at < this.end ? this.later(this.at) : undefined;
    // Whoever takes it hears of a failure; where nobody does, it is none.
    this.making?.catch(() => undefined);
  }

  private async later(at: number): Promise<T> {
    // Whoever has just taken one puts it to use first: its step runs while this thread works at the next.
    await setImmediate();
    return this.make(at);
  }
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  let abort = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort);
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
