import type { Shape3 } from '../volume/affine.ts';
import { looksLikeDicom, readDicomSeries } from '../volume/dicom.ts';
import { replaceNonFinite } from '../volume/finite.ts';
import { asVolume3, readNifti, type VoxelArray } from '../volume/nifti.ts';
import type { NiftiHeader } from '../volume/nifti-header.ts';
import { openNiftiStream } from '../volume/nifti-stream.ts';
import { axisCodes, type Orientation, orientationOf, toCanonical } from '../volume/orientation.ts';
import type { NamedBytes, NativeGeometry } from './volume-record.ts';

/** A scan in native voxel order, on its way to the canonical grid. */
export interface NativeScan {
  readonly shape3: Shape3;
  readonly native: NativeGeometry;
  readonly notes: readonly string[];
  /** The narrower of the two types that holds every value. */
  readonly dtype: 'I16' | 'F32';
  /** Puts the voxels on the canonical grid; gives what there is to note after that. Faults: what only the last voxel shows. */
  fill(target: Int16Array | Float32Array, orientation: Orientation): Promise<readonly string[]>;
}

/** One NIfTI file, or the files of one DICOM series. Faults: those of their readers, and VOLUME_NO_VALUES. */
export async function openScan(files: readonly NamedBytes[]): Promise<NativeScan> {
  const [first] = files;
  if (!first) throw new RangeError('a patient needs at least one image file');
  if (files.length > 1 || looksLikeDicom(first.bytes)) {
    const { shape, voxels, voxelToWorld, datatype, notes } = await readDicomSeries(files);
    const codes = { qformCode: 1, sformCode: 1, axisCodes: axisCodes(orientationOf(voxelToWorld)) };
    const native: NativeGeometry = { kind: 'dicom', shape, voxelToWorld, datatype, ...codes };
    return held(voxels, { shape3: shape, native, notes }, first.name);
  }
  const stream = openNiftiStream(first.bytes, first.name);
  if (stream) {
    const { shape3, notes } = stream;
    const fill: NativeScan['fill'] = (target, orientation) => stream.into(target as Int16Array, orientation);
    return { shape3, notes, native: niftiGeometry(stream), dtype: 'I16', fill };
  }
  const nifti = asVolume3(readNifti(first.bytes, first.name));
  const { shape3, notes } = nifti;
  return held(nifti.voxels, { shape3, notes, native: niftiGeometry(nifti) }, first.name);
}

function niftiGeometry({ shape, voxelToWorld, datatype, qformCode, sformCode, place }: NiftiHeader): NativeGeometry {
  const codes = { axisCodes: axisCodes(orientationOf(voxelToWorld)), datatype, qformCode, sformCode, place };
  return { kind: 'nifti', shape: [...shape], voxelToWorld, ...codes };
}

/** A scan whose voxels are in memory. */
function held(
  read: VoxelArray,
  { notes, ...scan }: Pick<NativeScan, 'shape3' | 'native' | 'notes'>,
  name: string,
): NativeScan {
  const { voxels, replaced } = replaceNonFinite(read, name);
  const mended = `${replaced} voxels were NaN or infinite and took the nearest finite value of the scan (NaN: the smallest)`;
  return {
    ...scan,
    notes: replaced > 0 ? [...notes, mended] : notes,
    dtype: fitsInt16(voxels) ? 'I16' : 'F32',
    fill: async (target, orientation) => {
      toCanonical(voxels, scan.shape3, orientation, target);
      return [];
    },
  };
}

/** Whether every value is a whole number that int16 holds: then half the memory says the same. */
function fitsInt16(voxels: VoxelArray): boolean {
  if (voxels instanceof Int16Array || voxels instanceof Uint8Array || voxels instanceof Int8Array) return true;
  for (let index = 0; index < voxels.length; index += 1) {
    const value = voxels[index]!;
    if (value !== (value << 16) >> 16) return false;
  }
  return true;
}
