import { findDicomPairs } from './dicom-pairs.ts';
import type { LabelGroups } from './label-groups.ts';
import { type LayoutPattern, patternsFor } from './layout-patterns.ts';
import { type LeftOver, leftOverOf } from './left-over.ts';
import { isNifti, matchPattern, matchPatterns } from './patterns.ts';
import type { SplitPart } from './split.ts';

/** How data sets are laid out in the wild, and which patients a listing has under each. */

/** A patient as found by layout, before anything is read. */
export interface FoundPatient {
  readonly id: string;
  readonly image: string[];
  readonly mask: string;
  readonly labels?: LabelGroups;
  readonly split?: SplitPart | null;
}

export interface FoundLayout {
  /** For people, e.g. `nnU-Net`. */
  readonly name: string;
  /** To copy into the run configuration; null where the patients must be listed one by one. */
  readonly pattern: { readonly image: string; readonly mask: string } | null;
  readonly patients: FoundPatient[];
  readonly leftOver: LeftOver[];
}

/** Different pairings of one source; more than these are looked at by nobody. */
const MAX_LAYOUTS = 16;

/**
 * The layouts under which a listing has patients with image and mask: those that explain every file first, then those with
 * the most patients, then the more telling. Patterns that give the same pairs are one layout.
 */
export function findLayouts(paths: readonly string[], target?: string): FoundLayout[] {
  const nifti = paths.filter(isNifti);
  const different = new Map<string, Pairing>();
  for (const pairing of [
    ...patternsFor(nifti, target).flatMap((one) => pairUp(nifti, one)),
    ...findDicomPairs(paths),
  ]) {
    const pairs = pairsIn(pairing);
    if (!different.has(pairs)) different.set(pairs, pairing);
  }
  return [...different.values()]
    .sort((a, b) => b.patients.length - a.patients.length)
    .slice(0, MAX_LAYOUTS)
    .map((pairing) => ({ ...pairing, leftOver: leftOverOf(paths, pairing, target) }))
    .sort((a, b) => Number(explainsAll(b)) - Number(explainsAll(a)));
}

type Pairing = Omit<FoundLayout, 'leftOver'>;

const explainsAll = ({ leftOver }: FoundLayout): boolean => leftOver.every(({ harmless }) => harmless);

const pairsIn = ({ patients }: Pairing): string =>
  JSON.stringify(patients.map(({ image, mask }) => [image[0], mask].join('\n')).sort());

/** The patients of a pattern that have one image and one mask; nothing where nobody has. */
function pairUp(nifti: readonly string[], { name, image, mask }: LayoutPattern): Pairing[] {
  // Most patterns end here.
  if (matchPattern(nifti, mask).size === 0) return [];
  const { images, masks } = matchPatterns(nifti, { image, mask });
  const patients = [...images]
    .filter(([id, files]) => files.length === 1 && masks.get(id)?.length === 1)
    .map(([id, files]) => ({ id, image: files, mask: masks.get(id)![0]! }));
  return patients.length === 0 ? [] : [{ name, pattern: { image, mask }, patients }];
}

/**
 * The layout that a run takes by itself: the only one that explains every scan in the listing. Where there is none, or more
 * than one, says why, without a name that the data have.
 */
export function certainLayout(
  paths: readonly string[],
  layouts: readonly FoundLayout[],
): { readonly layout: FoundLayout } | { readonly doubt: string } {
  const [best, second] = layouts;
  if (!best) return { doubt: `no layout that samflow knows among ${census(paths)}` };
  if (!explainsAll(best)) return { doubt: `${named(best)}, but also ${reasonsIn(best.leftOver)}` };
  if (second && explainsAll(second)) return { doubt: `${named(best)} as well as ${named(second)}` };
  return { layout: best };
}

const named = ({ name, patients }: FoundLayout): string =>
  `${patients.length} pair${patients.length === 1 ? '' : 's'} by the layout “${name}”`;

function reasonsIn(leftOver: readonly LeftOver[]): string {
  const counts = new Map<string, number>();
  for (const { why, harmless } of leftOver) if (!harmless) counts.set(why, (counts.get(why) ?? 0) + 1);
  return [...counts].map(([why, count]) => `${count} × ${why}`).join(', ');
}

/** Kinds of files that say something of a data set. Others are not named: what follows a dot may be anything. */
const KINDS = /\.(nii\.gz|nii|dcm|ima|nrrd|mha|mhd|img|hdr|png|jpe?g|tiff?|npy|npz|json|csv|txt|zip|gz|tar)$/i;

function census(paths: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const path of paths) {
    const kind = KINDS.exec(path)?.[0].toLowerCase() ?? 'others';
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  if (counts.size === 0) return 'no files';
  const most = [...counts].sort(([, a], [, b]) => b - a).slice(0, 6);
  return `${paths.length} files (${most.map(([kind, count]) => `${count} ${kind}`).join(', ')})`;
}
