import { Fault } from '../fault.ts';
import { axisStepMm, type Vector3, voxelSizesMm } from '../volume/affine.ts';
import { frameOfReference } from '../volume/dicom-parse.ts';
import { parseSegmentation, type Segmentation } from '../volume/dicom-seg-parse.ts';
import { dot, normalOf, PLACE_TOLERANCE } from '../volume/dicom-seg-places.ts';
import { type FramePlaces, readSegmentation } from '../volume/dicom-seg-read.ts';
import type { CanonicalGrid, MaskSource } from './align-mask.ts';

interface NamedBytes {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/**
 * A DICOM segmentation as the mask of a scan: its frames on the scan's slices, by position, and the slices without a frame
 * empty. What lies elsewhere than the scan's slices is refused here, and what lies elsewhere within them by `alignMask`.
 * Labels are SegmentNumbers; null: every segment.
 *
 * Faults: those of `parseSegmentation` and `readSegmentation`; MASK_AFFINE, SEG_FRAME_OF_REFERENCE.
 */
export async function readSegMask(
  { name, bytes }: NamedBytes,
  image: readonly NamedBytes[],
  grid: CanonicalGrid,
  labels: readonly number[] | null,
): Promise<MaskSource> {
  // A file called by UID, date or number is not shown: that leads to the patient.
  const seg = parseSegmentation(bytes, /\d{6}/.test(name) ? 'the segmentation' : name);
  checkFrame(seg, image[0]!);
  return { name: seg.name, ...(await readSegmentation(seg, placesOn(seg, grid), labels)) };
}

/** Coordinates of two frames of reference cannot be compared. Where one says nothing, the places must agree by themselves. */
function checkFrame({ name, frameOfReferenceUid }: Segmentation, scan: NamedBytes): void {
  const own = frameOfReference(scan.bytes);
  if (own === '' || frameOfReferenceUid === '' || own === frameOfReferenceUid) return;
  throw new Fault('SEG_FRAME_OF_REFERENCE', {
    at: name,
    found: 'another frame of reference than the scan’s',
    expected: 'the segmentation of this scan',
    fix: 'Pair the segmentation with its own series',
  });
}

/** Along the axis of the scan that runs across the frames: the nearest slice to each, which must be where the frame is. */
function placesOn(seg: Segmentation, { shape, voxelToWorld }: CanonicalGrid): FramePlaces {
  const normal = normalOf(seg);
  const steps = [0, 1, 2].map((axis) => lps(axisStepMm(voxelToWorld, axis)));
  const sizes = voxelSizesMm(voxelToWorld);
  const across = steps.map((step, axis) => Math.abs(dot(step, normal)) / sizes[axis]!);
  const axis = across.indexOf(Math.max(...across));
  const [step, slices] = [steps[axis]!, shape[axis]!];
  const first = lps([voxelToWorld[3]!, voxelToWorld[7]!, voxelToWorld[11]!]);
  const place = (mm: Vector3) => dot(minus(mm, first), normal) / dot(step, normal);
  const sliceOf = seg.frames.map(({ positionLpsMm }, frame) => {
    const exact = place(positionLpsMm);
    const slice = Math.round(exact);
    if (slice < 0 || slice >= slices) throw elsewhere(seg, frame, 'beyond the scan’s slices');
    if (Math.abs(exact - slice) <= PLACE_TOLERANCE) return slice;
    throw elsewhere(
      seg,
      frame,
      `${mmText(Math.abs(exact - slice) * sizes[axis]!)} mm from the nearest slice of the scan`,
    );
  });
  // Back along the scan's own steps, and exactly onto its slices: it may have been evened out where the frames are not.
  const from = (frame: number): Vector3 =>
    plus(seg.frames[frame]!.positionLpsMm, step, -place(seg.frames[frame]!.positionLpsMm));
  const originLpsMm = from(0);
  const allowedMm = PLACE_TOLERANCE * Math.min(...sizes);
  for (const frame of seg.frames.keys()) {
    const offMm = Math.hypot(...minus(from(frame), originLpsMm));
    if (offMm > allowedMm) throw elsewhere(seg, frame, `${mmText(offMm)} mm to the side of the first frame`);
  }
  return { slices, sliceOf, originLpsMm, stepLpsMm: step };
}

const elsewhere = ({ name }: Segmentation, frame: number, where: string) =>
  new Fault('MASK_AFFINE', {
    at: name,
    found: `frame ${frame + 1} ${where}`,
    expected: 'frames on slices of the scan',
    fix: 'Pair the segmentation with its own series',
  });

/** RAS+ to LPS and back. */
const lps = ([x, y, z]: Vector3): Vector3 => [-x, -y, z];
const minus = (a: Vector3, b: Vector3): Vector3 => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
const plus = (a: Vector3, b: Vector3, times: number): Vector3 => [
  a[0] + times * b[0],
  a[1] + times * b[1],
  a[2] + times * b[2],
];
const mmText = (mm: number) => String(Number(mm.toPrecision(3)));
