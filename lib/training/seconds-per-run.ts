export interface TimingOptions {
  /** Runs that are measured at least, time allowing. */
  readonly runs: number;
  /** Quick runs are measured for this long. */
  readonly leastSeconds?: number;
  /** All runs together should end within this. */
  readonly limitSeconds?: number;
  /** A clock in seconds. */
  readonly now?: () => number;
}

/**
 * Mean seconds that a run takes. The first one warms up and is not counted, unless another like it would go past the
 * limit: what takes that long is hardly changed by warming up.
 */
export async function secondsPerRun(
  run: () => Promise<unknown>,
  { runs, leastSeconds = 1, limitSeconds = 20, now = () => performance.now() / 1000 }: TimingOptions,
): Promise<number> {
  const start = now();
  await run();
  const warm = now();
  const first = warm - start;
  let [counted, mean] = [0, first];
  while ((counted < runs || now() - warm < leastSeconds) && now() - start + mean <= limitSeconds) {
    await run();
    counted += 1;
    mean = (now() - warm) / counted;
  }
  return mean;
}
