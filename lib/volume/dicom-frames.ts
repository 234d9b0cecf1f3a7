import type { DataSet } from 'dicom-parser';

/** Where the geometry of a frame stands: in the file itself, or, in an enhanced CT, in functional groups (DICOM PS3.3, C.7.6.16). */
export interface FrameGroups {
  /** ImagePositionPatient. */
  readonly plane: DataSet | null;
  /** ImageOrientationPatient. */
  readonly orientation: DataSet | null;
  /** PixelSpacing, SliceThickness, SpacingBetweenSlices. */
  readonly measures: DataSet | null;
  /** RescaleSlope, RescaleIntercept. */
  readonly values: DataSet | null;
}

/** Enhanced CT, and what vendors convert to it: the multi-frame objects whose values the decoder rescales. */
const ENHANCED_CT = new Set(['1.2.840.10008.5.1.4.1.1.2.1', '1.2.840.10008.5.1.4.1.1.2.2']);

export const isEnhancedCt = (data: DataSet) => ENHANCED_CT.has(data.string('x00080016') ?? '');

const SHARED_GROUPS = 'x52009229';
const FRAME_GROUPS = 'x52009230';
export const PLANE_POSITION = 'x00209113';
export const PLANE_ORIENTATION = 'x00209116';
export const PIXEL_MEASURES = 'x00289110';
export const SEGMENT_IDENTIFICATION = 'x0062000a';
const PIXEL_VALUES = 'x00289145';

/** For each frame; null where the file has not one group for each. */
export function frameGroups(data: DataSet, frames: number): FrameGroups[] | null {
  if (!isEnhancedCt(data)) return [{ plane: data, orientation: data, measures: data, values: data }];
  return (
    functionalGroups(data, frames)?.map((group) => ({
      plane: group(PLANE_POSITION),
      orientation: group(PLANE_ORIENTATION),
      measures: group(PIXEL_MEASURES),
      values: group(PIXEL_VALUES),
    })) ?? null
  );
}

/** For each frame the item of a functional group's sequence: the frame's own, or that of all. Null as above. */
export function functionalGroups(data: DataSet, frames: number): ((sequence: string) => DataSet | null)[] | null {
  const own = items(data, FRAME_GROUPS);
  if (own.length !== frames) return null;
  const shared = items(data, SHARED_GROUPS)[0];
  return own.map((frame) => (sequence) => items(frame, sequence)[0] ?? items(shared, sequence)[0] ?? null);
}

export const items = (data: DataSet | undefined, sequence: string): DataSet[] =>
  (data?.elements[sequence]?.items ?? []).flatMap(({ dataSet }) => (dataSet ? [dataSet] : []));
