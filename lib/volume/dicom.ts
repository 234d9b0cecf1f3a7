import { Fault } from '../fault.ts';
import type { Affine, Shape3 } from './affine.ts';
import { decodeDicom } from './dicom-decoder.ts';
import { type DicomHeader, parseDicomHeaders } from './dicom-header.ts';
import { nameDicomFiles } from './dicom-names.ts';
import { arrangeSeries } from './dicom-series.ts';
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

/** Slices decoded in one go: bounds the decoder's memory, whatever the length of the series. */
const BATCH = 32;

/**
 * Reads one DICOM series, a file per slice in any order, or one enhanced CT with all slices in it. Headers are checked and
 * the grid is computed here; GDCM decodes the pixels, in memory: nothing is written to disk.
 *
 * Faults: those of `parseDicomHeaders` and `arrangeSeries`, DICOM_DECODE and VOLUME_TOO_LARGE.
 */
export async function readDicomSeries(files: readonly DicomFile[]): Promise<DicomVolume> {
  const named = nameDicomFiles(files);
  const headers = named.map(({ bytes, name }) => parseDicomHeaders(bytes, name));
  refuseSeveralEnhanced(headers);
  const slices = headers.flat();
  const { order, voxelToWorld, notes } = arrangeSeries(slices);
  const { columns, rows } = slices[0]!;
  const area = columns * rows;
  checkVoxels([columns, rows, order.length], slices[0]!.name);
  const voxels =
    files.length === 1 ? await decodeFrames(named[0]!, order, area) : await decodeFiles(named, order, area);
  const datatype = voxels.constructor.name.replace('Array', '').toLowerCase();
  return { shape: [columns, rows, order.length], voxels, voxelToWorld, datatype, notes };
}

function refuseSeveralEnhanced(headers: readonly (readonly DicomHeader[])[]): void {
  const several = headers.find((frames) => frames.length > 1);
  if (!several || headers.length === 1) return;
  throw new Fault('DICOM_MULTIFRAME', {
    at: several[0]!.name,
    found: `a file of ${several.length} frames beside other files`,
    expected: 'one enhanced CT alone, or one slice per file',
    fix: 'Put each into its own folder',
  });
}

/** The frames of one file, laid in order. */
async function decodeFrames(file: DicomFile, order: readonly number[], area: number): Promise<VoxelArray> {
  const decoded = await decode([file], area * order.length);
  const voxels = decoded.slice();
  order.forEach((frame, slice) => {
    voxels.set(decoded.subarray(frame * area, (frame + 1) * area), slice * area);
  });
  return voxels;
}

async function decodeFiles(files: readonly DicomFile[], order: readonly number[], area: number): Promise<VoxelArray> {
  let voxels: VoxelArray | null = null;
  for (let from = 0; from < order.length; from += BATCH) {
    const batch = order.slice(from, from + BATCH).map((at) => files[at]!);
    const decoded = await decode(batch, area * batch.length);
    voxels ??= new (decoded.constructor as new (length: number) => VoxelArray)(area * order.length);
    if (decoded.constructor !== voxels.constructor) {
      throw decodeFault(batch[0]!.name, 'slices of different number types');
    }
    voxels.set(decoded, area * from);
  }
  return voxels!;
}

async function decode(files: readonly DicomFile[], expected: number): Promise<VoxelArray> {
  const decoded = await decodeDicom(files.map(({ bytes }) => bytes)).catch(() => null);
  if (decoded?.length === expected) return decoded;
  // One by one, to name the file; a single instance of the decoder stops at the first that it cannot read.
  for (const file of files) {
    const alone = await decodeDicom([file.bytes]).catch(() => null);
    if (alone?.length !== expected / files.length) throw decodeFault(file.name, 'pixels that the decoder refuses');
  }
  throw decodeFault(files[0]!.name, 'slices that cannot be decoded together');
}

/** Without a cause: what the decoder says or throws is a number, or quotes the header. */
const decodeFault = (at: string, found: string) =>
  new Fault('DICOM_DECODE', {
    at,
    found,
    expected: 'decodable slices of one number type',
    fix: 'Fetch or export the series again',
  });
