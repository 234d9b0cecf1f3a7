import { setTimeout as sleep } from 'node:timers/promises';

/** Does the work once and gives what is measured: seconds, as a rule. */
export type Run = () => Promise<number>;

export interface InTurn {
  /** Empty where the reference failed. */
  readonly reference: readonly number[];
  readonly ours: readonly number[];
  /** Why there is no reference. */
  readonly problem: Error | null;
  /** Mean share of the machine that other processes took beside the runs that count, 0..1. */
  readonly other: number;
}

interface Pair {
  readonly reference: number;
  readonly ours: number;
  readonly other: number;
}

/** Long enough for the threads of the other side, which spin for a while after their work, to go to sleep. */
const PAUSE_MS = 100;
/** Other work slows the sides unequally: beside more of it than this share of the machine a run proves nothing. */
export const CALM = 0.05;

/**
 * Runs both sides in turn (A, B, A, B, ...), so that what else the machine does falls on both alike; a first pair is not
 * counted. Until there are `repeats` calm pairs, at most as many again are made; those count beside which other processes
 * worked least (`otherWork`: their share since the last call). Where the reference fails, ours goes on alone.
 */
export async function inTurn(
  reference: Run,
  ours: Run,
  repeats: number,
  otherWork: () => number = () => 0,
): Promise<InTurn> {
  let problem: Error | null = null;
  const tryReference = async (): Promise<number> => {
    if (problem) return Number.NaN;
    try {
      return await reference();
    } catch (error) {
      problem = error as Error;
      return Number.NaN;
    } finally {
      await sleep(PAUSE_MS);
    }
  };
  const pair = async (): Promise<Pair> => {
    otherWork();
    const times = { reference: await tryReference(), ours: await ours() };
    const other = otherWork();
    await sleep(PAUSE_MS);
    return { ...times, other };
  };
  await pair();
  const pairs: Pair[] = [];
  const calm = () => pairs.filter(({ other }) => other <= CALM).length;
  while (calm() < repeats && pairs.length < 2 * repeats) pairs.push(await pair());
  const kept = pairs.sort((a, b) => a.other - b.other).slice(0, repeats);
  return {
    reference: problem ? [] : kept.map((times) => times.reference),
    ours: kept.map((times) => times.ours),
    problem,
    other: kept.reduce((total, { other }) => total + other, 0) / repeats,
  };
}

/** Seconds that the work takes. */
export async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}
