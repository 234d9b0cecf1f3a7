import type { StoredArray } from './dicom-stored.ts';

/** The compiled module, which threads can be given, and the path of the script that makes instances of it. */
export interface Compiled {
  readonly module: object;
  readonly script: string;
}

export function decodeFiles(
  compiled: Compiled,
  files: readonly Uint8Array[],
  limitBytes: number,
): Promise<StoredArray | null>;
