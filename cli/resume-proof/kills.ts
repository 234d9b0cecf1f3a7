import { random } from '../../lib/dataset/random.ts';
import type { Ending } from './installation.ts';

/** Stages that a gpu worker does, in the order of the flow. */
export const KILLED_STAGES = ['encode', 'fine-tune', 'evaluate'] as const;
export type KilledStage = (typeof KILLED_STAGES)[number];

/** When and how a gpu worker is ended. */
export interface Kill {
  readonly signal: Ending;
  readonly stage: KilledStage;
  /** Of a training: once this share of its steps is made; with `early` as soon as an attempt begins, while it still loads. */
  readonly share: number;
  readonly early: boolean;
  /** So long after that: in the midst of whatever is done then. */
  readonly delayMs: number;
}

const MOST_DELAY_MS = 600;

/**
 * Moments for so many kills (SIGKILL) and so many orders to end (SIGTERM), by seed, in the order in which they come. The first is
 * always in the midst of the training; of the others three in four are.
 */
export function planKills(kills: number, ends: number, seed: number): Kill[] {
  const moments = Array.from({ length: kills + ends }, (_, at): Kill => {
    const draw = (what: number): number => random(seed, at, what);
    const isKill = at < kills;
    const inTraining = at === 0 || !isKill || draw(0) < 0.75;
    return {
      signal: isKill ? 'SIGKILL' : 'SIGTERM',
      stage: inTraining ? 'fine-tune' : draw(1) < 0.5 ? 'encode' : 'evaluate',
      share: 0.05 + 0.9 * draw(2),
      early: isKill && at > 0 && draw(3) < 0.2,
      delayMs: Math.floor(MOST_DELAY_MS * draw(4)),
    };
  });
  const place = ({ stage, share }: Kill): number => KILLED_STAGES.indexOf(stage) + share;
  return moments.sort((a, b) => place(a) - place(b));
}
