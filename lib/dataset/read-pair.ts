import { posix } from 'node:path';
import { voxelDigest } from '../volume/voxel-digest.ts';
import { labelsPresent } from './labels-present.ts';
import type { PairedPatient } from './pairing.ts';
import { encodeVolume, type NamedBytes, type PatientVolume, readPatientVolume } from './volume-record.ts';

export interface ReadPair {
  readonly volume: PatientVolume;
  /** Size of the `volume` artifact. */
  readonly bytes: number;
  /** Of the scan's voxels: the patient's digest in `splitPatients`, as in the stage `split`. */
  readonly digest: string;
  /** Values that the mask holds: by these the split is stratified. */
  readonly labels: readonly number[];
}

/** Reads a patient's files and makes of them what the stage `convert` makes. Faults: those of `readPatientVolume`. */
export async function readPair(
  listing: { read(path: string): Promise<Uint8Array> },
  { image, mask, labels }: Pick<PairedPatient, 'image' | 'mask' | 'labels'>,
): Promise<ReadPair> {
  const read = async (path: string): Promise<NamedBytes> => ({
    name: posix.basename(path),
    bytes: await listing.read(path),
  });
  const files: NamedBytes[] = [];
  for (const path of image) files.push(await read(path));
  const volume = await readPatientVolume({ image: files, mask: await read(mask), labels });
  return {
    volume,
    bytes: encodeVolume(volume).length,
    digest: voxelDigest([volume.image]),
    labels: labelsPresent(volume.mask!),
  };
}
