import { posix } from 'node:path';
import { kindByName } from './layout-words.ts';
import type { FoundLayout, FoundPatient } from './layouts.ts';
import { isNifti, mayBeSlice } from './patterns.ts';

/** A folder with the slices of a series. */
interface Series {
  readonly id: string;
  readonly folder: string;
  readonly image: string[];
}

/**
 * Folders of DICOM slices, each with its mask: a NIfTI file in them, beside them or called after them, or else the one
 * DICOM-SEG file in a folder beside them. By names alone; nothing is read.
 */
export function findDicomPairs(paths: readonly string[]): Omit<FoundLayout, 'leftOver'>[] {
  const folders = new Map<string, string[]>();
  for (const path of paths) {
    if (!mayBeSlice(path)) continue;
    const folder = posix.dirname(path);
    const files = folders.get(folder);
    if (files) files.push(path);
    else folders.set(folder, [path]);
  }
  const single = [...folders.values()].filter((files) => files.length === 1).flat();
  const nifti = paths.filter(isNifti);
  const found = seriesIn(folders).map((series) => ({
    series,
    nifti: niftiFor(series, nifti),
    seg: segFor(series, single),
  }));
  return [
    layoutOf(
      'DICOM folders beside a mask',
      found.map(({ series, nifti: mask }) => ({ series, mask })),
    ),
    layoutOf(
      'DICOM folders beside a DICOM-SEG',
      found.map(({ series, seg }) => ({ series, mask: seg })),
    ),
  ].filter(({ patients }) => patients.length > 0);
}

function layoutOf(name: string, found: readonly { series: Series; mask: string | null }[]) {
  // A mask that two series lie beside is of one of them, and nobody can tell of which.
  const uses = new Map<string, number>();
  for (const { mask } of found) if (mask !== null) uses.set(mask, (uses.get(mask) ?? 0) + 1);
  const patients = found.flatMap(({ series: { id, image }, mask }): FoundPatient[] =>
    mask !== null && uses.get(mask) === 1 ? [{ id, image, mask }] : [],
  );
  return { name, pattern: null, patients };
}

function seriesIn(folders: ReadonlyMap<string, string[]>): Series[] {
  const series = [...folders].filter(([, files]) => files.length > 1);
  const ids = idsOf(series.map(([folder]) => folder));
  return series.map(([folder, image], at) => ({ id: ids[at]!, folder, image }));
}

/** The first part in which the folders' paths differ, where that tells them apart; else the folder around each; else all of it. */
function idsOf(folders: readonly string[]): string[] {
  const parts = folders.map((folder) => folder.split('/'));
  const common = parts[0]?.findIndex((part, at) => parts.some((other) => other[at] !== part)) ?? -1;
  const around = folders.map((folder) => posix.dirname(folder));
  const names = [
    parts.map((one) => (common < 0 ? undefined : one[common])),
    around.map((folder, at) => (folder === '.' ? folders[at] : posix.basename(folder))),
  ];
  const telling = names.find((some) => !some.includes(undefined) && new Set(some).size === folders.length);
  return (telling as string[] | undefined) ?? [...folders];
}

function niftiFor({ id, folder }: Series, nifti: readonly string[]): string | null {
  const parent = posix.dirname(folder);
  /** `p01.nii`, `p01_seg.nii`, and not `p012.nii`. */
  const isCalled = (name: string, path: string) =>
    posix.basename(path).startsWith(name) && !/^[a-z0-9]/i.test(posix.basename(path).slice(name.length));
  return (
    only(nifti.filter((path) => posix.dirname(path) === folder)) ??
    only(nifti.filter((path) => posix.dirname(path) === parent)) ??
    only(nifti.filter((path) => posix.dirname(path) === parent && kindByName(posix.basename(path)) === 'mask')) ??
    only(nifti.filter((path) => isCalled(posix.basename(folder), path) || isCalled(id, path)))
  );
}

/** A file that is alone in its folder, and whose name below the folder of the series' own folder says that it is a mask. */
function segFor({ folder }: Series, single: readonly string[]): string | null {
  const parent = posix.dirname(folder);
  const near = single.filter((path) => {
    const own = posix.dirname(path);
    const isNear = own === parent || posix.dirname(own) === parent;
    return isNear && kindByName(posix.relative(parent, path)) === 'mask';
  });
  return only(near);
}

const only = (paths: readonly string[]): string | null => (paths.length === 1 ? paths[0]! : null);
