import { type Affine, affineRows, type Shape3, voxelSizesMm } from './affine.ts';
import { looksLikeDicom, readDicomSeries } from './dicom.ts';
import { isSegmentation, parseSegmentation } from './dicom-seg-parse.ts';
import { ownPlaces } from './dicom-seg-places.ts';
import { readSegmentation } from './dicom-seg-read.ts';
import type { Segment } from './dicom-segments.ts';
import { noValues } from './finite.ts';
import { readNifti, type VoxelArray } from './nifti.ts';
import { axisCodes, canonicalAffine, canonicalShape, orientationOf, toCanonicalSlice } from './orientation.ts';
import { voxelDigest } from './voxel-digest.ts';

/** What a person wants to know of a volume before training on it; figures agree with nibabel's. */
export interface VolumeFacts {
  readonly kind: 'nifti' | 'dicom' | 'dicom-seg';
  /** As stored, first axis fastest. */
  readonly shape: readonly number[];
  /** numpy's name of the stored type: `int16`, or `>i2` where the bytes are in the other order. */
  readonly dtype: string;
  /** The same in words: `int16`, whatever the order. */
  readonly datatype: string;
  readonly byteOrder: 'little' | 'big';
  /** Voxel sizes as the header says, or as the affine does where the header names none. */
  readonly zooms: readonly number[];
  /** Voxel to world (RAS+), rows of four. */
  readonly affine: number[][];
  /** Directions in which the stored axes grow, e.g. `LPS`. */
  readonly axcodes: string;
  /** Over finite voxels, scaled. */
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly nonFiniteVoxels: number;
  /** Array axis that each plane is cut across; `axial` is what `auto` slices. */
  readonly sliceAxis: { readonly axial: number; readonly coronal: number; readonly sagittal: number };
  /** Values and their voxel counts, where the volume looks like a label map (at most 256 whole numbers from 0). */
  readonly labels: { readonly value: number; readonly voxels: number }[] | null;
  /** What the values of a DICOM segmentation stand for, as it says itself; null for other files. */
  readonly segments: readonly Segment[] | null;
  /** After permuting and flipping onto RAS+; the hash is of the voxels as float32, first axis fastest. */
  readonly ras: { readonly shape: number[]; readonly affine: number[][]; readonly sha256_f32_fortran: string };
  /** What is doubtful, was mended or will be refused in a run, one sentence each. */
  readonly notes: readonly string[];
}

interface Volume
  extends Pick<VolumeFacts, 'kind' | 'shape' | 'datatype' | 'byteOrder' | 'zooms' | 'segments' | 'notes'> {
  readonly voxels: VoxelArray;
  readonly voxelToWorld: Affine;
}

/**
 * Reads and describes one NIfTI file (time series too), the files of one DICOM series, or one DICOM segmentation.
 * Faults: those of the readers, and VOLUME_NO_VALUES.
 */
export async function inspectVolume(files: readonly { name: string; bytes: Uint8Array }[]): Promise<VolumeFacts> {
  const { voxels, voxelToWorld, notes, ...volume } = await read(files);
  const orientation = orientationOf(voxelToWorld);
  const grid: Shape3 = [volume.shape[0]!, volume.shape[1]!, volume.shape[2] ?? 1];
  const axisFor = (world: number) => orientation.worldAxis.indexOf(world);
  const figures = statistics(voxels);
  if (figures.nonFiniteVoxels === voxels.length) throw noValues(files[0]!.name);
  return {
    ...volume,
    dtype: numpyName(volume),
    affine: affineRows(voxelToWorld),
    axcodes: axisCodes(orientation),
    ...figures,
    sliceAxis: { axial: axisFor(2), coronal: axisFor(1), sagittal: axisFor(0) },
    labels: countLabels(voxels),
    ras: {
      shape: [...canonicalShape(grid, orientation), ...volume.shape.slice(3)],
      affine: affineRows(canonicalAffine(voxelToWorld, grid, orientation)),
      sha256_f32_fortran: voxelDigest(canonicalSlices(voxels, grid, orientation)),
    },
    notes: [...notes, ...notesOf(volume.shape, figures)],
  };
}

/** Types of one byte have no order; big-endian ones go by numpy's letter and width. */
function numpyName({ datatype, byteOrder }: Pick<Volume, 'datatype' | 'byteOrder'>): string {
  const [, kind, bits] = /^(u?int|float)(\d+)$/.exec(datatype)!;
  const letter = kind!.charAt(0);
  return byteOrder === 'little' || bits === '8' ? datatype : `>${letter}${Number(bits) / 8}`;
}

function notesOf(shape: readonly number[], { min, max, nonFiniteVoxels }: ReturnType<typeof statistics>): string[] {
  const volumes = shape.slice(3).reduce((product, size) => product * size, 1);
  return [
    ...(volumes > 1 ? [`the file holds ${volumes} volumes; a run takes files of one`] : []),
    ...(nonFiniteVoxels > 0
      ? [`${nonFiniteVoxels} voxels are NaN or infinite; a run takes a finite value for them`]
      : []),
    ...(min === max ? [`every voxel is ${min}: as a mask it is empty or full, and as a scan it shows nothing`] : []),
  ];
}

async function read(files: readonly { name: string; bytes: Uint8Array }[]): Promise<Volume> {
  const first = files[0]!;
  if (files.length === 1 && isSegmentation(first.bytes)) return readSegments(first.name, first.bytes);
  if (files.length > 1 || looksLikeDicom(first.bytes)) {
    const { shape, voxels, voxelToWorld, datatype, notes } = await readDicomSeries(files);
    const zooms = voxelSizesMm(voxelToWorld);
    const kind = { kind: 'dicom', byteOrder: 'little', segments: null } as const;
    return { ...kind, shape, datatype, zooms, voxels, voxelToWorld, notes };
  }
  const nifti = readNifti(first.bytes, first.name);
  const { shape, voxels, voxelToWorld, datatype, zooms, notes } = nifti;
  const byteOrder = nifti.littleEndian ? 'little' : 'big';
  return { kind: 'nifti', shape, datatype, byteOrder, zooms, segments: null, voxels, voxelToWorld, notes };
}

/** On the grid of its own frames: what the slices beyond them are, only its scan knows. */
async function readSegments(name: string, bytes: Uint8Array): Promise<Volume> {
  const seg = parseSegmentation(bytes, name);
  const { shape, voxels, voxelToWorld } = await readSegmentation(seg, ownPlaces(seg));
  const datatype = voxels instanceof Uint8Array ? 'uint8' : 'uint16';
  const { segments } = seg;
  const kind = { kind: 'dicom-seg', byteOrder: 'little', datatype } as const;
  return { ...kind, shape, zooms: voxelSizesMm(voxelToWorld), segments, voxels, voxelToWorld, notes: [] };
}

function statistics(voxels: VoxelArray): Pick<VolumeFacts, 'min' | 'max' | 'mean' | 'nonFiniteVoxels'> {
  let [min, max, sum, finite] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0];
  for (let index = 0; index < voxels.length; index += 1) {
    const value = voxels[index]!;
    if (!Number.isFinite(value)) continue;
    finite += 1;
    sum += value;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return { min, max, mean: sum / finite, nonFiniteVoxels: voxels.length - finite };
}

const MOST_LABELS = 256;

function countLabels(voxels: VoxelArray): VolumeFacts['labels'] {
  const counts = new Map<number, number>();
  for (let index = 0; index < voxels.length; index += 1) {
    const value = voxels[index]!;
    if (!Number.isInteger(value) || value < 0) return null;
    counts.set(value, (counts.get(value) ?? 0) + 1);
    if (counts.size > MOST_LABELS) return null;
  }
  return [...counts].sort(([a], [b]) => a - b).map(([value, count]) => ({ value, voxels: count }));
}

/** Volume by volume along the axes after the third, which canonical order leaves alone; slice by slice, for large volumes. */
function* canonicalSlices(voxels: VoxelArray, grid: Shape3, orientation: ReturnType<typeof orientationOf>) {
  const [nx, ny, nz] = canonicalShape(grid, orientation);
  const slice = new Float32Array(nx * ny);
  for (let from = 0; from < voxels.length; from += nx * ny * nz) {
    const volume = voxels.subarray(from, from + nx * ny * nz);
    for (let z = 0; z < nz; z += 1) {
      toCanonicalSlice(volume, grid, orientation, z, slice);
      yield slice;
    }
  }
}
