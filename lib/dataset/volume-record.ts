import { Fault } from '../fault.ts';
import { decodeSafetensors, encodeSafetensors, f32, i16, u8 } from '../safetensors.ts';
import { type Affine, affineOfRows, affineRows, type Shape3, voxelSizesMm } from '../volume/affine.ts';
import { looksLikeDicom, readDicomSeries } from '../volume/dicom.ts';
import { replaceNonFinite } from '../volume/finite.ts';
import { asVolume3, type NiftiPlace, readNifti, type VoxelArray } from '../volume/nifti.ts';
import { axisCodes, canonicalAffine, canonicalShape, orientationOf, toCanonical } from '../volume/orientation.ts';
import { alignMask, type MaskSource } from './align-mask.ts';
import type { LabelGroups } from './label-groups.ts';

/** The scan's own grid, as its file has it: where a mask must go back to. */
export interface NativeGeometry {
  readonly kind: 'nifti' | 'dicom';
  /** As in the header: two to seven axes, those after the third of length one. DICOM: columns, rows, slices. */
  readonly shape: number[];
  readonly voxelToWorld: Affine;
  readonly axisCodes: string;
  /** Data type of the stored voxels, e.g. `int16`. */
  readonly datatype: string;
  readonly qformCode: number;
  readonly sformCode: number;
  /** The header's numbers behind `voxelToWorld`; absent for DICOM. */
  readonly place?: NiftiPlace | undefined;
}

/** One patient's scan on the canonical grid (RAS+ by permutation and flips), with its mask where there is one. */
export interface PatientVolume {
  readonly shape: Shape3;
  /** Hounsfield units for CT, arbitrary units else; x fastest, so [Z, Y, X] in C order. */
  readonly image: Int16Array | Float32Array;
  /** 0 for background, else the number of the structure: 1..K in the order of the label groups. */
  readonly mask: Uint8Array | null;
  /** Of the canonical grid. */
  readonly voxelToWorld: Affine;
  readonly spacingMm: Shape3;
  readonly native: NativeGeometry;
  /** What was mended, one sentence each. */
  readonly repairs: string[];
}

export interface NamedBytes {
  /** Base name. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface PatientFiles {
  /** One NIfTI file, or the files of one DICOM series. */
  readonly image: readonly NamedBytes[];
  readonly mask: NamedBytes | null;
  readonly labels: LabelGroups;
}

/** A scan as its reader gives it, in native voxel order. */
interface NativeScan {
  readonly voxels: VoxelArray;
  readonly shape3: Shape3;
  readonly native: NativeGeometry;
  readonly notes: readonly string[];
}

/**
 * Reads one patient: the scan, onto the canonical grid, and the mask, which must lie on the same grid.
 * Faults: those of the readers, and VOLUME_NO_VALUES, MASK_SHAPE, MASK_AFFINE, MASK_NOT_LABELS, MASK_EMPTY.
 */
export async function readPatientVolume({ image, mask, labels }: PatientFiles): Promise<PatientVolume> {
  const scan = await readScan(image);
  const orientation = orientationOf(scan.native.voxelToWorld);
  const shape = canonicalShape(scan.shape3, orientation);
  const voxelToWorld = canonicalAffine(scan.native.voxelToWorld, scan.shape3, orientation);
  const { voxels: finite, replaced } = replaceNonFinite(scan.voxels, image[0]!.name);
  const repairs = [...scan.notes];
  if (replaced > 0) {
    repairs.push(
      `${replaced} voxels were NaN or infinite and took the nearest finite value of the scan (NaN: the smallest)`,
    );
  }
  const target = fitsInt16(finite) ? new Int16Array(finite.length) : new Float32Array(finite.length);
  const aligned = mask ? alignMask(readMask(mask), { shape, voxelToWorld }, labels) : null;
  return {
    shape,
    image: toCanonical(finite, scan.shape3, orientation, target),
    mask: aligned?.mask ?? null,
    voxelToWorld,
    spacingMm: voxelSizesMm(voxelToWorld),
    native: scan.native,
    repairs: [...repairs, ...(aligned?.repairs ?? [])],
  };
}

async function readScan(files: readonly NamedBytes[]): Promise<NativeScan> {
  const [first] = files;
  if (!first) throw new RangeError('a patient needs at least one image file');
  if (files.length > 1 || looksLikeDicom(first.bytes)) {
    const series = await readDicomSeries(files);
    const { shape, voxelToWorld, datatype } = series;
    const codes = { qformCode: 1, sformCode: 1, axisCodes: axisCodes(orientationOf(voxelToWorld)) };
    const native: NativeGeometry = { kind: 'dicom', shape, voxelToWorld, datatype, ...codes };
    return { voxels: series.voxels, shape3: shape, native, notes: series.notes };
  }
  const nifti = asVolume3(readNifti(first.bytes, first.name));
  const { voxelToWorld, datatype, qformCode, sformCode, place } = nifti;
  const native: NativeGeometry = {
    kind: 'nifti',
    shape: [...nifti.shape],
    voxelToWorld,
    axisCodes: axisCodes(orientationOf(voxelToWorld)),
    datatype,
    qformCode,
    sformCode,
    place,
  };
  return { voxels: nifti.voxels, shape3: nifti.shape3, native, notes: nifti.notes };
}

function readMask({ name, bytes }: NamedBytes): MaskSource {
  const { voxels, shape3, voxelToWorld } = asVolume3(readNifti(bytes, name));
  return { name, voxels, shape: shape3, voxelToWorld };
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

// Artifact `volume` ------------------------------------------------------------------------------------------------

/** Version of the metadata below; a reader refuses another one. */
const FORMAT = 'samflow-volume-2';

/** safetensors: `image` I16 or F32 [Z, Y, X], `mask` U8 [Z, Y, X]; geometry in the metadata. Same volume, same bytes. */
export function encodeVolume(volume: PatientVolume): Uint8Array {
  const { image, mask, native, repairs } = volume;
  const shape = [...volume.shape].reverse();
  const dtype = image instanceof Int16Array ? 'I16' : 'F32';
  return encodeSafetensors(
    [
      ['image', { dtype, shape, data: image }] as const,
      ...(mask ? [['mask', { dtype: 'U8', shape, data: mask }] as const] : []),
    ],
    {
      format: FORMAT,
      geometry: JSON.stringify({
        voxelToWorld: affineRows(volume.voxelToWorld),
        native: { ...native, voxelToWorld: affineRows(native.voxelToWorld) },
        repairs,
      }),
    },
  );
}

/** The inverse of `encodeVolume`. Fault VOLUME_FORMAT for other bytes. */
export function decodeVolume(bytes: Uint8Array): PatientVolume {
  const { tensors, metadata } = decodeSafetensors(bytes, 'volume');
  const image = tensors.get('image');
  const mask = tensors.get('mask');
  if (metadata.format !== FORMAT || !image || !metadata.geometry) {
    throw new Fault('VOLUME_FORMAT', {
      at: 'volume',
      found: `an artifact of format ${metadata.format ?? 'unknown'}`,
      expected: FORMAT,
      fix: 'Run the stage `convert` again',
    });
  }
  const geometry = JSON.parse(metadata.geometry) as {
    voxelToWorld: number[][];
    native: Omit<NativeGeometry, 'voxelToWorld'> & { voxelToWorld: number[][] };
    repairs: string[];
  };
  const voxelToWorld = affineOfRows(geometry.voxelToWorld);
  return {
    shape: [...image.shape].reverse() as Shape3,
    image: image.dtype === 'I16' ? i16(image) : f32(image),
    mask: mask ? u8(mask) : null,
    voxelToWorld,
    spacingMm: voxelSizesMm(voxelToWorld),
    native: { ...geometry.native, voxelToWorld: affineOfRows(geometry.native.voxelToWorld) },
    repairs: geometry.repairs,
  };
}
