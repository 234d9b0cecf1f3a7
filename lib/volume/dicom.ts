import { Fault } from '../fault.ts';
import type { Affine, Shape3 } from './affine.ts';
import { decodeFrames } from './dicom-decoder.ts';
import { type DicomFrame, parseDicomFrames } from './dicom-header.ts';
import { nameDicomFiles } from './dicom-names.ts';
import { rescaledType, rescaleInto } from './dicom-rescale.ts';
import { arrangeSeries } from './dicom-series.ts';
import { readStored, type StoredArray } from './dicom-stored.ts';
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

/** Bytes of pixels decoded in one go: bounds the decoder's memory, whatever the length of the series. */
const BATCH_BYTES = 16 * 2 ** 20;

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
  const { columns, rows, rescale } = slices[0]!.header;
  const shape: Shape3 = [columns, rows, slices.length];
  checkVoxels(shape, slices[0]!.header.name);
  checkSameStorage(slices);
  const voxels = new (rescaledType(slices[0]!.pixels, rescale))(columns * rows * slices.length);
  await fill(voxels, slices);
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

/** Stored values of all slices, rescaled, one after the other. */
async function fill(voxels: VoxelArray, slices: readonly DicomFrame[]): Promise<void> {
  const area = voxels.length / slices.length;
  const perBatch = Math.max(1, Math.floor(BATCH_BYTES / (area * (slices[0]!.pixels.bitsAllocated / 8))));
  for (let from = 0; from < slices.length; ) {
    const { pixels, header } = slices[from]!;
    const stored = readStored(pixels);
    if (stored) {
      rescaleInto(voxels, from * area, stored, header.rescale);
      from += 1;
      continue;
    }
    const rest = slices.slice(from, from + perBatch);
    const other = rest.findIndex((slice) => slice.pixels.transferSyntax !== pixels.transferSyntax);
    const batch = other < 0 ? rest : rest.slice(0, other);
    rescaleInto(voxels, from * area, await decode(batch), header.rescale);
    from += batch.length;
  }
}

async function decode(slices: readonly DicomFrame[]): Promise<StoredArray> {
  const decoded = await decodeFrames(slices.map(({ pixels }) => pixels));
  if (decoded) return decoded;
  // One by one, to name the file; a single instance of the decoder stops at the first that it cannot read.
  for (const { header, pixels } of slices) if (!(await decodeFrames([pixels]))) throw decodeFault(header.name);
  throw decodeFault(slices[0]!.header.name);
}

/** Without a cause: what the decoder throws is a number. */
const decodeFault = (at: string) =>
  new Fault('DICOM_DECODE', {
    at,
    found: 'pixels that the decoder refuses',
    expected: 'decodable slices of one number type',
    fix: 'Fetch or export the series again',
  });
