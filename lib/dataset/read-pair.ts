import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import type { PairedPatient } from './pairing.ts';
import { encodeVolume, type NamedBytes, type PatientVolume, readPatientVolume } from './volume-record.ts';

export interface ReadPair {
  readonly volume: PatientVolume;
  /** Size of the `volume` artifact, and its SHA-256: the patient's digest in `splitPatients`, as in the stage `split`. */
  readonly bytes: number;
  readonly digest: string;
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
  const bytes = encodeVolume(volume);
  return { volume, bytes: bytes.length, digest: createHash('sha256').update(bytes).digest('hex') };
}
