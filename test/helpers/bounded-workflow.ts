import { CancelledFailure, condition, sleep } from '@temporalio/workflow';
import { mapBounded } from '../../workflows/map-bounded.ts';

export interface BoundedInput {
  /** How long each item is at work, in milliseconds; null: until all others have ended. */
  readonly delays: readonly (number | null)[];
  readonly width: number;
  /** The item that fails when its time is over. */
  readonly fails: number | null;
}

export interface BoundedResult {
  readonly results: number[] | null;
  readonly failure: string | null;
  readonly most: number;
  /** What became of each item, in the order of the endings. */
  readonly endings: string[];
}

/** Maps timers instead of activities, and keeps count. */
export async function boundedWorkflow({ delays, width, fails }: BoundedInput): Promise<BoundedResult> {
  let [atWork, most] = [0, 0];
  const endings: string[] = [];
  const work = async (delay: number | null, index: number): Promise<number> => {
    atWork += 1;
    most = Math.max(most, atWork);
    try {
      if (delay === null) await condition(() => endings.length === delays.length - 1);
      else await sleep(delay);
      endings.push(`${index} ${index === fails ? 'failed' : 'done'}`);
    } catch (error) {
      endings.push(`${index} ${error instanceof CancelledFailure ? 'cancelled' : 'broken'}`);
      throw error;
    } finally {
      atWork -= 1;
    }
    if (index === fails) throw new Error(`item ${index}`);
    return index * 10;
  };
  try {
    return { results: await mapBounded(delays, width, work), failure: null, most, endings };
  } catch (error) {
    return { results: null, failure: (error as Error).message, most, endings };
  }
}
