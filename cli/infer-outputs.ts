import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { Fault } from '../lib/fault.ts';

export interface PlannedOutput {
  readonly scan: string;
  readonly path: string;
}

/** Where each mask goes: OUT itself for one scan, a file of its own in OUT for several. Said before anything is computed. */
export async function planOutputs(scans: readonly string[], out: string): Promise<PlannedOutput[]> {
  const isFolder = (await stat(out).catch(() => null))?.isDirectory() ?? false;
  if (scans.length === 1 && !isFolder) {
    if (out.endsWith('.nii.gz')) return [{ scan: scans[0]!, path: out }];
    throw refusal(out, 'a name that does not end in .nii.gz', 'OUT.nii.gz, or a folder that exists');
  }
  if (!isFolder && /\.nii(\.gz)?$/.test(out)) throw refusal(out, `one file for ${scans.length} scans`, 'a folder');
  const outputs = scans.map((scan) => ({ scan, path: join(out, `${stem(scan)}-mask.nii.gz`) }));
  const twin = outputs.find(({ path }, at) => outputs.findIndex((other) => other.path === path) !== at);
  if (twin) throw refusal(basename(twin.path), 'two scans of one name', 'a name for each mask');
  return outputs;
}

/** Written aside and moved into place, so that nobody reads half a mask. */
export async function writeOutput({ path }: PlannedOutput, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(resolve(path)), { recursive: true });
  const part = `${path}.part`;
  try {
    await writeFile(part, bytes);
    await rename(part, path);
  } finally {
    await rm(part, { force: true });
  }
}

const stem = (scan: string): string => basename(resolve(scan)).replace(/\.nii(\.gz)?$/, '');

const refusal = (at: string, found: string, expected: string): Fault =>
  new Fault('USAGE', { at: `--output ${at}`, found, expected, fix: 'Choose another --output' });
