import { z } from 'zod';
import { Fault } from '../lib/fault.ts';
import type { Attempt } from './activity.ts';
import { FencedOut } from './failures.ts';

/** Attempts in a row that keep nothing; then nobody is to wait for one more. */
const MOST_IN_VAIN = 20;
/** Of heartbeats: which attempt kept something last. */
const Moved = z.object({ movedAt: z.int().positive() });

export interface Moves {
  /** For the attempt's reports. */
  readonly movedAt: number;
  /** Something was kept. */
  made(): void;
}

/**
 * Counts the attempts of work that may lose any number of workers as long as it gets somewhere.
 * @throws Fault TRAINING_STALLED where it does not
 */
export async function whileMoving<T>(
  { number, before, report }: Attempt,
  work: (moves: Moves) => Promise<T>,
): Promise<T> {
  const known = Moved.safeParse(before);
  let movedAt = known.success ? known.data.movedAt : 1;
  if (number - movedAt >= MOST_IN_VAIN) throw stalled(number - movedAt);
  report({ movedAt });
  const moves: Moves = {
    get movedAt() {
      return movedAt;
    },
    made: () => {
      movedAt = number;
    },
  };
  try {
    return await work(moves);
  } catch (error) {
    // Somebody else does the very same, and gets on.
    if (error instanceof FencedOut) report({ movedAt: number });
    throw error;
  }
}

function stalled(attempts: number): Fault {
  return new Fault('TRAINING_STALLED', {
    at: 'fineTune',
    found: `${attempts} attempts since the last checkpoint was kept`,
    expected: 'workers that live long enough to keep one',
    fix: 'Look at the logs of the gpu workers (a lack of memory ends them without a word), set `training.checkpointEverySteps` lower, and start the run again: it goes on where it stopped',
  });
}
