import { Fault } from '../fault.ts';
import { decodeFrames, decodeInThreads, threadsFor } from './dicom-decoder.ts';
import type { DicomHeader } from './dicom-header.ts';
import type { FramePixels } from './dicom-pixels.ts';
import { rescaledType, rescaleInto } from './dicom-rescale.ts';
import { readStored, type StoredArray } from './dicom-stored.ts';
import type { VoxelArray } from './nifti.ts';

/** Bytes of pixels decoded in one go: bounds the decoder's memory, whatever the length of the series. */
const BATCH_BYTES = 16 * 2 ** 20;

/** What of a frame decides its values. */
export interface StoredSlice {
  readonly header: Pick<DicomHeader, 'name' | 'rows' | 'columns' | 'rescale'>;
  readonly pixels: FramePixels;
}

/**
 * Rescaled values of slices that are stored alike, one slice after the other. Compressed ones are decoded in threads where
 * the series is worth it and this is the main thread. Fault DICOM_DECODE names the first slice that cannot be decoded.
 */
export async function readValues(slices: readonly StoredSlice[]): Promise<VoxelArray> {
  const [{ pixels, header }] = slices as [StoredSlice];
  const area = header.columns * header.rows;
  const voxels = new (rescaledType(pixels, header.rescale))(area * slices.length);
  const put = (slice: number, stored: StoredArray) => rescaleInto(voxels, slice * area, stored, header.rescale);
  const compressed: number[] = [];
  slices.forEach((slice, index) => {
    const stored = readStored(slice.pixels);
    if (stored) put(index, stored);
    else compressed.push(index);
  });
  const threads = threadsFor(compressed.length);
  const perThread = Math.ceil(compressed.length / Math.max(threads, 1));
  const sliceBytes = area * (pixels.bitsAllocated / 8);
  const batches = batchesOf(slices, compressed, Math.max(1, Math.min(perThread, Math.floor(BATCH_BYTES / sliceBytes))));
  const left = new Set(batches);
  if (threads > 1) {
    const frames = batches.map((batch) => batch.map((index) => slices[index]!.pixels));
    await decodeInThreads(frames, threads, (index, stored) => {
      const batch = batches[index]!;
      put(batch[0]!, stored);
      left.delete(batch);
    });
  }
  for (const batch of left) {
    const stored = await decode(batch.map((index) => slices[index]!));
    put(batch[0]!, stored);
  }
  return voxels;
}

/** Runs of neighbouring slices of one transfer syntax, of at most so many. */
function batchesOf(slices: readonly StoredSlice[], indices: readonly number[], most: number): number[][] {
  const batches: number[][] = [];
  for (const index of indices) {
    const batch = batches.at(-1);
    const before = batch?.at(-1);
    const follows =
      batch !== undefined &&
      batch.length < most &&
      before === index - 1 &&
      slices[before]!.pixels.transferSyntax === slices[index]!.pixels.transferSyntax;
    if (follows) batch.push(index);
    else batches.push([index]);
  }
  return batches;
}

async function decode(slices: readonly StoredSlice[]): Promise<StoredArray> {
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
