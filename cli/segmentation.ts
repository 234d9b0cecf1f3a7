import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { NamedLabel } from '../lib/dataset/label-groups.ts';
import { Fault } from '../lib/fault.ts';
import { looksLikeDicom } from '../lib/volume/dicom.ts';
import { writeDicomSeg } from '../lib/volume/dicom-seg.ts';
import { readSegSource, type SegSource } from '../lib/volume/dicom-seg-source.ts';
import { readNifti } from '../lib/volume/nifti.ts';
import type { Scan } from './scan-files.ts';

/**
 * DICOM segmentations are made here, of the mask and of the folder that the user named: who the patient is goes from one of
 * the user's folders to another, and neither into the store nor into a history.
 */

/** Looks at the series of all scans, before anything is computed. Faults: USAGE for a scan that is no DICOM, those of `readSegSource`. */
export async function openSegSources(scans: readonly Scan[]): Promise<SegSource[]> {
  const sources: SegSource[] = [];
  for (const { path, files } of scans) {
    if (!looksLikeDicom(await readFile(files[0]!))) {
      throw new Fault('USAGE', {
        at: `--format dicom-seg and ${basename(path)}`,
        found: 'a scan that is no DICOM series',
        expected: 'a DICOM folder: a segmentation refers to its slices',
        fix: 'Leave --format out: the mask becomes NIfTI, as the scan is',
      });
    }
    sources.push(await readSegSource(files.map((file) => ({ name: basename(file), read: () => readFile(file) }))));
  }
  return sources;
}

/** What somebody should know who takes a segmentation of this series elsewhere, one sentence each. */
export function notesOf({ shape: [columns, rows], derivedUids }: SegSource): string[] {
  return [
    ...(derivedUids ? ['UIDs are missing in its files: the segmentation refers to the slices by hashes of them'] : []),
    // QIICR/dcmqi issue 341, highdicom issue 393.
    ...((columns * rows) % 8 === 0
      ? []
      : [
          `${columns} x ${rows} pixels are no whole bytes of bits: 3D Slicer and other users of DCMTK may misread them`,
        ]),
  ];
}

/** The mask of a scan as a DICOM segmentation. `model` is the id of the run that trained it. */
export async function segmentationOf(
  mask: Uint8Array,
  source: SegSource,
  { structures, model }: { readonly structures: readonly NamedLabel[]; readonly model: string },
): Promise<Uint8Array> {
  return writeDicomSeg({
    ...{ source, mask: readNifti(mask, 'mask'), algorithm: model, softwareVersion: await ownVersion() },
    structures: structures.map(({ name, label }) => ({ name, label: label ?? 1 })),
  });
}

async function ownVersion(): Promise<string> {
  const text = await readFile(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
