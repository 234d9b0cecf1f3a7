import { Fault } from '../fault.ts';
import { type OracleEvaluation, RANKS, type Rank, type SlicePick, type SlicePicture } from './report-data.ts';

/**
 * The best, the median and the worst test slice by fine-tuned Dice, in this order. Ties go by patient and position, so the
 * choice does not depend on the order of the input. No slice is shown twice: fewer than three slices give fewer picks.
 */
export function pickSlices(evaluation: Pick<OracleEvaluation, 'patients'>): SlicePick[] {
  const slices = evaluation.patients.flatMap(({ patient, slices }) => slices.map((slice) => ({ ...slice, patient })));
  slices.sort(
    (a, b) =>
      b.fineTuned.dice - a.fineTuned.dice ||
      (a.patient < b.patient ? -1 : a.patient > b.patient ? 1 : 0) ||
      a.row - b.row,
  );
  const last = slices.length - 1;
  const places: Record<Rank, number> = { best: 0, median: slices.length >> 1, worst: last };
  const ranks = last > 1 ? RANKS : last === 1 ? (['best', 'worst'] as const) : last === 0 ? (['best'] as const) : [];
  return ranks.map((rank) => ({ ...slices[places[rank]]!, rank }));
}

/** One plane of the patient: as `SliceStack` of the slices artifact. */
export interface PictureSource {
  readonly axis: SlicePick['axis'];
  readonly height: number;
  readonly width: number;
  readonly index: ArrayLike<number>;
  /** U8 [N, H, W], as what the models found. */
  readonly pixels: Uint8Array;
  readonly masks: Uint8Array | null;
  readonly pixelMm: readonly [row: number, column: number];
}

/** Cuts a pick's pixels and masks out of its patient's stacks, and out of what was found in its plane. */
export function pictureOf(
  pick: SlicePick,
  stacks: readonly PictureSource[],
  found: { readonly zeroShot: Uint8Array; readonly fineTuned: Uint8Array },
): SlicePicture {
  const { height, width, index, pixels, masks, pixelMm } = stacks.find(({ axis }) => axis === pick.axis)!;
  const from = Array.from(index).indexOf(pick.index) * height * width;
  const cut = (stack: Uint8Array): Uint8Array => stack.subarray(from, from + height * width);
  return {
    ...{ pick, height, width, spacingMm: [pixelMm[1], pixelMm[0]] },
    pixels: cut(pixels),
    truth: cut(masks!),
    zeroShot: cut(found.zeroShot),
    fineTuned: cut(found.fineTuned),
  };
}

/** Refuses a picture whose arrays do not have its shape: it would be drawn shifted, which nobody would notice. */
export function checkPicture(picture: SlicePicture): void {
  const { height, width, pick } = picture;
  for (const name of ['pixels', 'truth', 'zeroShot', 'fineTuned'] as const) {
    if (picture[name].length === height * width && height > 0 && width > 0) continue;
    throw new Fault('REPORT_PICTURE_SHAPE', {
      at: `${pick.patient} slice ${pick.index} ${name}`,
      found: `${picture[name].length} values`,
      expected: `${height} × ${width}`,
      fix: 'Make sure that slices and predictions come from the same run',
    });
  }
}
