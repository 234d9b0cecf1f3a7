import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Fault } from '../fault.ts';
import type { Affine, Shape3 } from './affine.ts';
import { parseDicomHeader } from './dicom-header.ts';
import { arrangeSeries } from './dicom-series.ts';
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
 * Reads one DICOM series, a file per slice in any order. Headers are checked and the grid is computed here; GDCM, compiled
 * to WebAssembly in @itk-wasm/dicom, decodes the pixels, in memory: nothing is written to disk.
 *
 * Faults: those of `parseDicomHeader` and `arrangeSeries`, and DICOM_DECODE.
 */
export async function readDicomSeries(files: readonly DicomFile[]): Promise<DicomVolume> {
  const headers = files.map(({ bytes, name }) => parseDicomHeader(bytes, name));
  const { order, voxelToWorld, notes } = arrangeSeries(headers);
  const { columns, rows } = headers[0]!;
  const area = columns * rows;
  let voxels: VoxelArray | null = null;
  for (let from = 0; from < order.length; from += BATCH) {
    const batch = order.slice(from, from + BATCH).map((at) => files[at]!);
    const decoded = await decodeSlices(batch);
    voxels ??= new (decoded.constructor as new (length: number) => VoxelArray)(area * order.length);
    if (decoded.constructor !== voxels.constructor || decoded.length !== area * batch.length) {
      throw decodeFault(batch[0]!.name, 'slices of different size or number type');
    }
    voxels.set(decoded, area * from);
  }
  const datatype = voxels!.constructor.name.replace('Array', '').toLowerCase();
  return { shape: [columns, rows, order.length], voxels: voxels!, voxelToWorld, datatype, notes };
}

/** Pixels of some slices, in the order given. */
async function decodeSlices(files: readonly DicomFile[]): Promise<VoxelArray> {
  // Loaded on first use: most data sets are NIfTI, and the module is large.
  const { InterfaceTypes, runPipelineNode } = await import('itk-wasm');
  // The packaged function wants paths on disk; the pipeline behind it also takes bytes, under neutral names.
  const inputs = files.map(({ bytes }, index) => ({
    type: InterfaceTypes.BinaryFile,
    data: { path: `${index}.dcm`, data: bytes },
  }));
  const args = ['0', '1', '--memory-io', '--single-sorted-series', '--input-images', ...inputs.map((i) => i.data.path)];
  const wanted = [{ type: InterfaceTypes.Image }, { type: InterfaceTypes.JsonCompatible }];
  const at = files[0]!.name;
  try {
    const { returnValue, outputs, stderr } = await runPipelineNode(pipelinePath(), args, wanted, inputs);
    const image = outputs[0]?.data as { data: VoxelArray | null } | undefined;
    if (returnValue === 0 && image?.data) return image.data;
    throw decodeFault(at, 'pixels that the decoder refuses', new Error(stderr.slice(0, 500)));
  } catch (cause) {
    throw cause instanceof Fault ? cause : decodeFault(at, 'pixels that the decoder fails on', cause);
  }
}

function pipelinePath(): string {
  const entry = dirname(fileURLToPath(import.meta.resolve('@itk-wasm/dicom')));
  return join(entry, 'pipelines', 'read-image-dicom-file-series');
}

function decodeFault(at: string, found: string, cause?: unknown): Fault {
  return new Fault(
    'DICOM_DECODE',
    { at, found, expected: 'decodable slices', fix: 'Fetch or export the series again' },
    { cause },
  );
}
