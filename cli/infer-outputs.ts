import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { Fault } from '../lib/fault.ts';

/** What a mask is written as: its name beside the scan's, and how its file ends. */
const FORMATS = {
  nifti: { suffix: '-mask', ending: '.nii.gz' },
  'dicom-seg': { suffix: '-seg', ending: '.dcm' },
} as const;
export type MaskFormat = keyof typeof FORMATS;
export const MASK_FORMATS = Object.keys(FORMATS) as MaskFormat[];

export interface PlannedOutput {
  readonly scan: string;
  readonly path: string;
  /** Where the probabilities go: beside the mask. */
  readonly probability: string;
}

/** Where each mask goes: OUT itself for one scan, a file of its own in OUT for several. Said before anything is computed. */
export async function planOutputs(
  scans: readonly string[],
  out: string,
  format: MaskFormat = 'nifti',
): Promise<PlannedOutput[]> {
  const { suffix, ending } = FORMATS[format];
  const isFolder = (await stat(out).catch(() => null))?.isDirectory() ?? false;
  if (scans.length === 1 && !isFolder) {
    if (out.endsWith(ending)) return [planned(scans[0]!, out)];
    throw refusal(out, `a name that does not end in ${ending}`, `OUT${ending}, or a folder that exists`);
  }
  if (!isFolder && /\.(nii(\.gz)?|dcm)$/.test(out))
    throw refusal(out, `one file for ${scans.length} scans`, 'a folder');
  const outputs = scans.map((scan) => planned(scan, join(out, `${stem(scan)}${suffix}${ending}`)));
  const twin = outputs.find(({ path }, at) => outputs.findIndex((other) => other.path === path) !== at);
  if (twin) throw refusal(basename(twin.path), 'two scans of one name', 'a name for each mask');
  return outputs;
}

function planned(scan: string, path: string): PlannedOutput {
  const bare = path.replace(/\.(nii\.gz|dcm)$/, '').replace(/-(mask|seg)$/, '');
  return { scan, path, probability: `${bare}-probability.nii.gz` };
}

/** Written aside and moved into place, so that nobody reads half a mask. */
export async function writeOutput(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(resolve(path)), { recursive: true });
  const part = `${path}.part`;
  try {
    await writeFile(part, bytes);
    await rename(part, path);
  } finally {
    await rm(part, { force: true });
  }
}

const stem = (scan: string): string => basename(resolve(scan)).replace(/\.(nii(\.gz)?|dcm)$/, '');

const refusal = (at: string, found: string, expected: string): Fault =>
  new Fault('USAGE', { at: `--output ${at}`, found, expected, fix: 'Choose another --output' });
