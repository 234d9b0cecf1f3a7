import { Fault } from '../fault.ts';
import type { Affine, Shape3 } from './affine.ts';
import { type DicomFrame, parseDicomFrames } from './dicom-header.ts';
import { nameDicomFiles } from './dicom-names.ts';
import { arrangeSeries } from './dicom-series.ts';
import { readValues } from './dicom-values.ts';
import { checkVoxels } from './limits.ts';
import type { VoxelArray } from './nifti.ts';

export { looksLikeDicom } from './dicom-header.ts';

export interface DicomVolume {
  /** Columns, rows, slices. */
  readonly shape: Shape3;
  /** Rescaled values (HU for CT), columns fastest. */
  readonly voxels: VoxelArray;
  readonly voxelToWorld: Affine;
  readonly datatype: string;
  readonly notes: string[];
}

export interface DicomFile {
  /** Base name, for messages. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/**
 * Reads one DICOM series, a file per slice in any order, or one enhanced CT with all slices in it. Headers are checked, the
 * grid is computed, uncompressed and RLE pixels are read and all are rescaled here; GDCM decodes JPEG and its kin, in memory:
 * nothing is written to disk.
 *
 * Faults: those of `parseDicomFrames` and `arrangeSeries`, DICOM_DECODE and VOLUME_TOO_LARGE.
 */
export async function readDicomSeries(files: readonly DicomFile[]): Promise<DicomVolume> {
  const parsed = nameDicomFiles(files).map(({ bytes, name }) => parseDicomFrames(bytes, name));
  refuseSeveralEnhanced(parsed);
  const frames = parsed.flat();
  const { order, voxelToWorld, notes } = arrangeSeries(frames.map(({ header }) => header));
  const slices = order.map((at) => frames[at]!);
  const { columns, rows } = slices[0]!.header;
  const shape: Shape3 = [columns, rows, slices.length];
  checkVoxels(shape, slices[0]!.header.name);
  checkSameStorage(slices);
  const voxels = await readValues(slices);
  const datatype = voxels.constructor.name.replace('Array', '').toLowerCase();
  return { shape, voxels, voxelToWorld, datatype, notes };
}

function refuseSeveralEnhanced(files: readonly (readonly DicomFrame[])[]): void {
  const several = files.find((frames) => frames.length > 1);
  if (!several || files.length === 1) return;
  throw new Fault('DICOM_MULTIFRAME', {
    at: several[0]!.header.name,
    found: `a file of ${several.length} frames beside other files`,
    expected: 'one enhanced CT alone, or one slice per file',
    fix: 'Put each into its own folder',
  });
}

/** Slices stored in different bits would be of different number types. */
function checkSameStorage(slices: readonly DicomFrame[]): void {
  const [first] = slices as [DicomFrame];
  const bits = ({ pixels }: DicomFrame) =>
    `${pixels.bitsStored} of ${pixels.bitsAllocated} bits, ${pixels.signed ? '' : 'un'}signed`;
  const other = slices.find((slice) => bits(slice) !== bits(first));
  if (!other) return;
  throw new Fault('DICOM_MIXED_SERIES', {
    at: other.header.name,
    found: `pixels of ${bits(other)}, and of ${bits(first)} in ${first.header.name}`,
    expected: 'the slices of one series in a folder',
    fix: 'Put each series into its own folder',
  });
}
