/** Intensity windows: the range of Hounsfield units (or of raw values, in MR) that is shown as grey 0 to 255. */

/** A window by name, by width and level in HU, or by percentiles of the volume. */
export type WindowSetting =
  | keyof typeof NAMED_WINDOWS
  | { readonly widthHu: number; readonly levelHu: number }
  | { readonly lowPercentile: number; readonly highPercentile: number };

export interface WindowRange {
  /** Shown as 0; all below too. */
  readonly lowHu: number;
  /** Shown as 255; all above too. */
  readonly highHu: number;
}

/** Low and high end in HU. The first four are the radiological custom; `seed` is the range of the notebook we reproduce. */
export const NAMED_WINDOWS = {
  lung: { lowHu: -1350, highHu: 150 },
  'soft-tissue': { lowHu: -160, highHu: 240 },
  bone: { lowHu: -500, highHu: 1300 },
  brain: { lowHu: 0, highHu: 80 },
  seed: { lowHu: -1000, highHu: 2000 },
} as const satisfies Record<string, WindowRange>;

/** The range that a setting means for these voxels (which only percentiles look at). */
export function windowRange(setting: WindowSetting, voxels: ArrayLike<number>): WindowRange {
  if (typeof setting === 'string') return NAMED_WINDOWS[setting];
  if ('widthHu' in setting) {
    return { lowHu: setting.levelHu - setting.widthHu / 2, highHu: setting.levelHu + setting.widthHu / 2 };
  }
  const [lowHu, highHu] = percentiles(voxels, [setting.lowPercentile, setting.highPercentile]) as [number, number];
  // A constant volume, or percentiles the wrong way round: one unit keeps the division finite and shows it as black. A
  // narrow range is a range like any other: MR and PET come in fractions.
  return { lowHu, highHu: highHu > lowHu ? highHu : lowHu + 1 };
}

/** Percentiles with linear interpolation between ranks, as numpy's default. */
export function percentiles(voxels: ArrayLike<number>, percents: readonly number[]): number[] {
  const valueAt = voxels instanceof Int16Array ? ranksOfInt16(voxels) : ranksOfNumbers(voxels);
  return percents.map((percent) => {
    const rank = (percent / 100) * (voxels.length - 1);
    const below = Math.floor(rank);
    const low = valueAt(below);
    return low + (valueAt(Math.min(below + 1, voxels.length - 1)) - low) * (rank - below);
  });
}

/** By counting: a scan of 100 million voxels needs no sorted copy. */
function ranksOfInt16(voxels: Int16Array): (rank: number) => number {
  const counts = new Uint32Array(65536);
  for (let index = 0; index < voxels.length; index += 1) {
    const bin = voxels[index]! + 32768;
    counts[bin] = counts[bin]! + 1;
  }
  return (rank) => {
    let seen = 0;
    for (let bin = 0; bin < counts.length; bin += 1) {
      seen += counts[bin]!;
      if (seen > rank) return bin - 32768;
    }
    return Number.NaN;
  };
}

function ranksOfNumbers(voxels: ArrayLike<number>): (rank: number) => number {
  const sorted = Float32Array.from(voxels).sort();
  return (rank) => sorted[rank]!;
}

/** Grey value 0 .. 255 of a number of Hounsfield units: clipped, scaled, rounded half up. */
export function greyOf(hu: number, { lowHu, highHu }: WindowRange): number {
  const clipped = Math.min(Math.max(hu, lowHu), highHu);
  return Math.floor(((clipped - lowHu) * 255) / (highHu - lowHu) + 0.5);
}
