export interface ScheduleSettings {
  readonly learningRate: number;
  readonly warmupSteps: number;
  readonly schedule: 'constant' | 'cosine' | 'plateau';
}

/** Cosine ends at this share of the top rate. */
const COSINE_FLOOR = 0.1;
/** A plateau is so many epochs without a better validation loss; each one halves the rate. */
const PLATEAU = { epochs: 3, factor: 0.5 } as const;

/**
 * Learning rate of update number `step` (from 1) of `steps`: linear warm-up, then constant, by a cosine down to a tenth,
 * or halved at each plateau of the validation losses so far (the start's, then one an epoch).
 */
export function learningRateAt(
  step: number,
  steps: number,
  settings: ScheduleSettings,
  validationLosses: readonly number[] = [],
): number {
  const { learningRate, schedule } = settings;
  // A run shorter than its warm-up would never reach its rate: it warms up over its first tenth instead.
  const warmup = Math.min(settings.warmupSteps, Math.ceil(steps / 10));
  if (step <= warmup) return (learningRate * step) / warmup;
  if (schedule === 'constant') return learningRate;
  if (schedule === 'plateau') return learningRate * PLATEAU.factor ** plateaus(validationLosses);
  const progress = (step - warmup) / Math.max(1, steps - warmup);
  return learningRate * (COSINE_FLOOR + (1 - COSINE_FLOOR) * 0.5 * (1 + Math.cos(Math.PI * progress)));
}

/** How often the losses went `PLATEAU.epochs` without a new lowest one; each plateau starts the count again. */
function plateaus(losses: readonly number[]): number {
  let [lowest, since, found] = [Number.POSITIVE_INFINITY, 0, 0];
  for (const loss of losses) {
    since = loss < lowest ? 0 : since + 1;
    lowest = Math.min(lowest, loss);
    if (since === PLATEAU.epochs) [since, found] = [0, found + 1];
  }
  return found;
}
