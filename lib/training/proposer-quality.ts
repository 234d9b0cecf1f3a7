import { setImmediate } from 'node:timers/promises';
import type { Box } from '../dataset/components.ts';
import { type BoxMode, type BoxRule, boxesOfShares, boxIou } from './proposer-boxes.ts';
import type { CellGrid } from './proposer-cells.ts';

/** How well proposed boxes agree with true ones, over all slices of a set and the structures that it has. */
export interface BoxFigures {
  /** Sum of the IoU of matched boxes, over matched, missed and false ones. */
  readonly valBoxIou: number;
  /** Share of true boxes that a proposed one meets with an IoU of a half or more. */
  readonly recall: number;
  /** Proposed boxes on a slice that meet no true one so. */
  readonly falsePerSlice: number;
}

/** One structure on one slice. */
export interface ShareMap {
  readonly cells: CellGrid;
  /** [cells] */
  readonly shares: Float32Array;
  readonly truth: readonly Box[];
}

const THRESHOLDS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];
const MARGINS = [0, 0.25, 0.5];
const HIT = 0.5;

/** What a structure without a true box on the slices gets. */
const UNTRIED: BoxRule = { threshold: 0.5, margin: 0 };

interface Counts {
  readonly iou: number;
  readonly matched: number;
  readonly hits: number;
  readonly proposed: number;
  readonly truth: number;
}
const NONE: Counts = { iou: 0, matched: 0, hits: 0, proposed: 0, truth: 0 };

/** The rule, of a fixed list, whose boxes agree best with the true ones of a structure; null counts where there are none. */
export async function chooseRule(
  maps: readonly ShareMap[],
  mode: BoxMode,
  signal?: AbortSignal,
): Promise<{ rule: BoxRule; counts: Counts | null }> {
  if (maps.every(({ truth }) => truth.length === 0)) return { rule: UNTRIED, counts: null };
  let best: { rule: BoxRule; counts: Counts } | null = null;
  for (const threshold of THRESHOLDS) {
    for (const margin of MARGINS) {
      // A part of a second for each, on the caller's thread: heartbeats and cancellation have their turn in between.
      await setImmediate();
      signal?.throwIfAborted();
      const rule = { threshold, margin };
      const counts = maps.map((map) => matched(map, rule, mode)).reduce(added, NONE);
      if (best === null || quality(counts) > quality(best.counts)) best = { rule, counts };
    }
  }
  return best!;
}

/** Of all structures together; each counts once in the box quality, whatever its number of boxes. */
export function boxFigures(all: readonly (Counts | null)[], slices: number): BoxFigures {
  const known = all.filter((counts) => counts !== null);
  const total = known.reduce(added, NONE);
  return {
    valBoxIou: known.reduce((sum, counts) => sum + quality(counts), 0) / known.length,
    recall: total.hits / total.truth,
    falsePerSlice: (total.proposed - total.hits) / slices,
  };
}

const quality = ({ iou, matched, proposed, truth }: Counts): number => iou / Math.max(1, proposed + truth - matched);

const added = (a: Counts, b: Counts): Counts => ({
  iou: a.iou + b.iou,
  matched: a.matched + b.matched,
  hits: a.hits + b.hits,
  proposed: a.proposed + b.proposed,
  truth: a.truth + b.truth,
});

/** Pairs proposed and true boxes, the best pair first. */
function matched({ cells, shares, truth }: ShareMap, rule: BoxRule, mode: BoxMode): Counts {
  const proposed = boxesOfShares(shares, cells, rule, mode);
  const pairs = proposed.flatMap(({ box }, from) => truth.map((other, to) => ({ from, to, iou: boxIou(box, other) })));
  pairs.sort((a, b) => b.iou - a.iou || a.from - b.from || a.to - b.to);
  const [used, met] = [new Set<number>(), new Set<number>()];
  let [iou, hits] = [0, 0];
  for (const pair of pairs) {
    if (pair.iou === 0 || used.has(pair.from) || met.has(pair.to)) continue;
    used.add(pair.from);
    met.add(pair.to);
    iou += pair.iou;
    if (pair.iou >= HIT) hits++;
  }
  return { iou, matched: used.size, hits, proposed: proposed.length, truth: truth.length };
}
