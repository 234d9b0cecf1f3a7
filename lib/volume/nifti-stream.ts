import type { Shape3 } from './affine.ts';
import { gunzipPieces, gunzipPrefix, isGzip } from './gunzip.ts';
import { checkFileSize } from './limits.ts';
import { asVolume3, noteRest, swapBytes } from './nifti.ts';
import { type NiftiHeader, parseNiftiHeader, truncated } from './nifti-header.ts';
import { canonicalWalk, type Orientation } from './orientation.ts';

/** A gzipped scan whose values are whole numbers that int16 holds: it can go to the canonical grid without being held twice. */
export interface NiftiStream extends NiftiHeader {
  readonly shape3: Shape3;
  /**
   * Puts the voxels on the canonical grid, piece by piece as they are inflated. Gives what there is to note of the stream.
   * Faults: NIFTI_TRUNCATED, NIFTI_OVERLONG, NIFTI_GZIP.
   */
  into(target: Int16Array, orientation: Orientation): Promise<readonly string[]>;
}

/** Of the types that int16 holds: bytes, and how a voxel is read. */
const TYPES: Readonly<Record<string, (bytes: Uint8Array) => Int16Array | Int8Array | Uint8Array>> = {
  int16: (bytes) => new Int16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2),
  int8: (bytes) => new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length),
  uint8: (bytes) => bytes,
};

/** Null for a file of another kind: `readNifti` reads it. Faults: those of `parseNiftiHeader`, NIFTI_NOT_3D, VOLUME_TOO_LARGE. */
export function openNiftiStream(bytes: Uint8Array, name: string): NiftiStream | null {
  checkFileSize(bytes.length, name);
  if (!isGzip(bytes)) return null;
  const header = parseNiftiHeader(gunzipPrefix(bytes, name), name);
  const view = TYPES[header.datatype];
  if (!view || header.slope !== 1 || header.inter !== 0) return null;
  const { shape3 } = asVolume3({ ...header, name, voxels: new Uint8Array(0) });
  const end = header.voxelOffset + shape3[0] * shape3[1] * shape3[2] * header.bytesPerVoxel;
  const into: NiftiStream['into'] = async (target, orientation) => {
    const put = scatterer(target, shape3, orientation);
    let length = 0;
    const counted = async function* () {
      for await (const piece of gunzipPieces(bytes, end, name)) {
        yield piece;
        length += piece.length;
      }
    };
    for await (const voxels of voxelsIn(counted(), [header.voxelOffset, end], header.bytesPerVoxel)) {
      if (!header.littleEndian && header.bytesPerVoxel === 2) swapBytes(voxels, 2);
      put(view(voxels));
    }
    if (length < end) {
      throw truncated(name, `${length} bytes`, `${end} bytes for ${header.shape.join(' x ')} ${header.datatype}`);
    }
    return noteRest(length - end);
  };
  return { ...header, shape3, into };
}

/** The bytes [from, to) of a stream, as pieces of whole voxels, each at the beginning of memory that the next one takes again. */
async function* voxelsIn(
  pieces: AsyncIterable<Uint8Array>,
  [from, to]: readonly [number, number],
  width: number,
): AsyncGenerator<Uint8Array> {
  let memory = new Uint8Array(0);
  let place = 0;
  // Bytes of a voxel that the next piece ends.
  let begun = 0;
  for await (const piece of pieces) {
    const part = piece.subarray(Math.max(0, from - place), Math.max(0, to - place));
    place += piece.length;
    const filled = begun + part.length;
    if (filled > memory.length) {
      const larger = new Uint8Array(filled + width);
      larger.set(memory.subarray(0, begun));
      memory = larger;
    }
    memory.set(part, begun);
    begun = filled % width;
    yield memory.subarray(0, filled - begun);
    memory.copyWithin(0, filled - begun, filled);
  }
}

/** Takes voxels in native order (first axis fastest), some at a time, and puts each where it belongs on the canonical grid. */
function scatterer(target: Int16Array, shape: Readonly<Shape3>, orientation: Orientation) {
  const [nx, ny] = shape;
  const { start, stride } = canonicalWalk(shape, orientation);
  let voxel = 0;
  return (values: Int16Array | Int8Array | Uint8Array): void => {
    for (let at = 0; at < values.length; ) {
      const x = voxel % nx;
      const row = (voxel - x) / nx;
      const run = Math.min(nx - x, values.length - at);
      const to = start + x * stride[0] + (row % ny) * stride[1] + Math.floor(row / ny) * stride[2];
      spread(target, to, stride[0], values, at, at + run);
      at += run;
      voxel += run;
    }
  };
}

function spread(
  target: Int16Array,
  to: number,
  step: number,
  values: Int16Array | Int8Array | Uint8Array,
  from: number,
  end: number,
): void {
  let place = to;
  for (let at = from; at < end; at += 1) {
    target[place] = values[at]!;
    place += step;
  }
}
