import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InterfaceTypes, runPipelineNode } from 'itk-wasm';

/** A segmentation as dcmqi reads it (DCMTK, compiled to WebAssembly): a reader that shares nothing with our writer. */
export interface ReadSegmentation {
  /** Columns, rows, slices; from the first slice with a frame to the last. */
  readonly size: readonly [number, number, number];
  /** SegmentNumber of each voxel, columns fastest. */
  readonly voxels: ArrayLike<number>;
  /** LPS millimetres of a voxel. */
  worldOf(voxel: readonly number[]): number[];
  readonly segments: readonly {
    readonly SegmentLabel: string;
    readonly SegmentedPropertyTypeCodeSequence: { readonly CodeValue: string; readonly CodeMeaning: string };
  }[];
}

const PIPELINE = join(dirname(fileURLToPath(import.meta.resolve('@itk-wasm/dicom'))), 'pipelines', 'read-segmentation');

interface Image {
  readonly size: [number, number, number];
  readonly origin: number[];
  readonly spacing: number[];
  /** Row-major: columns are the voxel axes. */
  readonly direction: Float64Array;
  readonly data: ArrayLike<number>;
}

export async function readWithDcmqi(bytes: Uint8Array): Promise<ReadSegmentation> {
  const inputs = [{ type: InterfaceTypes.BinaryFile, data: { path: 'seg.dcm', data: bytes } }];
  const wanted = [{ type: InterfaceTypes.Image }, { type: InterfaceTypes.JsonCompatible }];
  const ended = await quietly(() => runPipelineNode(PIPELINE, ['seg.dcm', '0', '1', '--memory-io'], wanted, inputs));
  if (ended.returnValue !== 0) throw new Error(ended.stderr);
  const { size, origin, spacing, direction, data } = ended.outputs[0]!.data as unknown as Image;
  const { segmentAttributes } = ended.outputs[1]!.data as unknown as {
    segmentAttributes: ReadSegmentation['segments'][];
  };
  return {
    size,
    voxels: data,
    worldOf: (voxel) =>
      origin.map((mm, row) =>
        voxel.reduce((sum, at, axis) => sum + direction[3 * row + axis]! * spacing[axis]! * at, mm),
      ),
    segments: segmentAttributes.flat(),
  };
}

/** dcmqi tells what it does on the console, which is of no use in a test's output. */
async function quietly<T>(work: () => Promise<T>): Promise<T> {
  const { log, error } = console;
  console.log = () => undefined;
  console.error = () => undefined;
  try {
    return await work();
  } finally {
    Object.assign(console, { log, error });
  }
}
