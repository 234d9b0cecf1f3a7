import { Fault } from '../fault.ts';
import { allocateSafetensors, decodeSafetensors, encodeSafetensors, f32, i16, u8 } from '../safetensors.ts';
import { type Affine, affineOfRows, affineRows, type Shape3, voxelSizesMm } from '../volume/affine.ts';
import { looksLikeDicom } from '../volume/dicom.ts';
import { asVolume3, type NiftiPlace, readNifti } from '../volume/nifti.ts';
import { canonicalAffine, canonicalShape, orientationOf } from '../volume/orientation.ts';
import { release } from '../volume/release.ts';
import { alignMask, type CanonicalGrid, type MaskSource } from './align-mask.ts';
import type { LabelGroups } from './label-groups.ts';
import { openScan } from './read-scan.ts';
import { readSegMask } from './seg-mask.ts';

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

/**
 * Reads one patient: the scan, onto the canonical grid, and the mask, which must lie on the same grid.
 * Faults: those of the readers, of `readSegMask` and of `alignMask`, and VOLUME_NO_VALUES.
 */
export async function readPatientVolume({ image, mask, labels }: PatientFiles): Promise<PatientVolume> {
  const scan = await openScan(image);
  const orientation = orientationOf(scan.native.voxelToWorld);
  const shape = canonicalShape(scan.shape3, orientation);
  const voxelToWorld = canonicalAffine(scan.native.voxelToWorld, scan.shape3, orientation);
  const aligned = mask && (await readAligned(mask, { image, labels }, { shape, voxelToWorld }));
  const facts = { voxelToWorld, native: scan.native, repairs: [...scan.notes, ...(aligned?.repairs ?? [])] };
  // Where they will lie in the artifact: encoding such a volume copies nothing.
  const room = allocateSafetensors(tensorsOf(shape, scan.dtype, aligned !== null), metadataOf(facts));
  const [imageRoom, maskRoom] = [room.get('image')!, room.get('mask')];
  if (maskRoom) {
    u8(maskRoom).set(aligned!.mask);
    release(aligned!.mask);
  }
  const voxels = scan.dtype === 'I16' ? i16(imageRoom) : f32(imageRoom);
  const late = await scan.fill(voxels, orientation);
  return {
    ...{ shape, voxelToWorld, native: scan.native, spacingMm: voxelSizesMm(voxelToWorld) },
    ...{ image: voxels, mask: maskRoom ? u8(maskRoom) : null },
    repairs: [...scan.notes, ...late, ...(aligned?.repairs ?? [])],
  };
}

/** What it holds on the way is gone when the scan's voxels come. */
async function readAligned(
  mask: NamedBytes,
  files: Pick<PatientFiles, 'image' | 'labels'>,
  grid: CanonicalGrid,
): Promise<{ mask: Uint8Array; repairs: string[] }> {
  const source = await readMask(mask, files, grid);
  const aligned = alignMask(source, grid, files.labels);
  release(source.voxels);
  return aligned;
}

async function readMask(
  mask: NamedBytes,
  { image, labels }: Pick<PatientFiles, 'image' | 'labels'>,
  grid: CanonicalGrid,
): Promise<MaskSource> {
  const { name, bytes } = mask;
  if (looksLikeDicom(bytes)) return readSegMask(mask, image, grid, labels ? labels.flat() : null);
  const { voxels, shape3, voxelToWorld } = asVolume3(readNifti(bytes, name));
  return { name, voxels, shape: shape3, voxelToWorld };
}

// Artifact `volume` ------------------------------------------------------------------------------------------------

/** Version of the metadata below; a reader refuses another one. */
const FORMAT = 'samflow-volume-2';

/** safetensors: `image` I16 or F32 [Z, Y, X], `mask` U8 [Z, Y, X]; geometry in the metadata. Same volume, same bytes. */
export function encodeVolume(volume: PatientVolume): Uint8Array {
  const { shape, image, mask } = volume;
  const dtype = image instanceof Int16Array ? 'I16' : 'F32';
  const data = { image, mask: mask! };
  return encodeSafetensors(
    tensorsOf(shape, dtype, mask !== null).map(([name, tensor]) => [name, { ...tensor, data: data[name] }] as const),
    metadataOf(volume),
  );
}

function tensorsOf(shape: Readonly<Shape3>, dtype: 'I16' | 'F32', masked: boolean) {
  const size = [...shape].reverse();
  const image = ['image', { dtype, shape: size }] as const;
  return masked ? [image, ['mask', { dtype: 'U8', shape: size }] as const] : [image];
}

function metadataOf({ voxelToWorld, native, repairs }: Pick<PatientVolume, 'voxelToWorld' | 'native' | 'repairs'>) {
  const geometry = JSON.stringify({
    voxelToWorld: affineRows(voxelToWorld),
    native: { ...native, voxelToWorld: affineRows(native.voxelToWorld) },
    repairs,
  });
  return { format: FORMAT, geometry };
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
