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
      a.index - b.index,
  );
  const last = slices.length - 1;
  const places: Record<Rank, number> = { best: 0, median: slices.length >> 1, worst: last };
  const ranks = last > 1 ? RANKS : last === 1 ? (['best', 'worst'] as const) : last === 0 ? (['best'] as const) : [];
  return ranks.map((rank) => ({ ...slices[places[rank]]!, rank }));
}

/** Rows of one patient's arrays, U8 [N, H, W]. */
export interface PictureSource {
  readonly height: number;
  readonly width: number;
  readonly pixels: Uint8Array;
  readonly masks: Uint8Array;
  readonly zeroShot: Uint8Array;
  readonly fineTuned: Uint8Array;
  readonly spacingMm: SlicePicture['spacingMm'];
}

/** Cuts a pick's pixels and masks out of its patient's stacks. */
export function pictureOf(pick: SlicePick, source: PictureSource): SlicePicture {
  const { height, width, spacingMm } = source;
  const from = pick.row * height * width;
  const row = (stack: Uint8Array): Uint8Array => stack.subarray(from, from + height * width);
  return {
    pick,
    height,
    width,
    spacingMm,
    pixels: row(source.pixels),
    truth: row(source.masks),
    zeroShot: row(source.zeroShot),
    fineTuned: row(source.fineTuned),
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
