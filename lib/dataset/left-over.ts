import { posix } from 'node:path';
import { isNamedAfter, kindByName } from './layout-words.ts';
import type { FoundPatient } from './layouts.ts';
import { isNifti, matchPatterns, mayBeSlice } from './patterns.ts';

/** A file that belongs to no patient. */
export interface LeftOver {
  readonly path: string;
  readonly why: string;
  /** Whether it may be left out without asking: a text, a picture, what the layout itself holds back. */
  readonly harmless: boolean;
}

interface Pairing {
  readonly pattern: { readonly image: string; readonly mask: string } | null;
  readonly patients: readonly FoundPatient[];
}

/** Files that belong to no patient of a pairing, and why. `target`: what the mask may be called. */
export function leftOverOf(paths: readonly string[], { pattern, patients }: Pairing, target?: string): LeftOver[] {
  const used = new Set(patients.flatMap(({ image, mask }) => [...image, mask]));
  const singles = pattern ? singlesOf(paths, pattern) : new Map<string, string>();
  // Where the mask is called like the target, what lies beside it under other names is called like other targets.
  const beside = new Set(
    patients.filter(({ mask }) => isNamedAfter(mask, target)).map(({ mask }) => posix.dirname(mask)),
  );
  return paths
    .filter((path) => !used.has(path))
    .map((path) => {
      const why = singles.get(path);
      if (why !== undefined) return { path, why, harmless: false };
      const isOther = isNifti(path) && beside.has(posix.dirname(path)) && kindByName(path) !== 'image';
      return { path, ...(isOther ? { why: 'a mask of another target', harmless: true } : reasonByName(path)) };
    });
}

/** Files that a pattern matches and that make no pair, and why. */
function singlesOf(paths: readonly string[], pattern: { image: string; mask: string }): Map<string, string> {
  const { images, masks } = matchPatterns(paths, pattern);
  const found = new Map<string, string>();
  const tell = (own: Map<string, string[]>, others: Map<string, string[]>, [one, many, other]: readonly string[]) => {
    for (const [id, files] of own) {
      const partners = others.get(id)?.length ?? 0;
      const number = files.length > 1 ? `one of ${files.length} ${many} of a patient` : `${one} of a patient`;
      const why =
        partners === 0 ? `${one} without its ${other}` : partners > 1 ? `${number} with ${partners} ${other}s` : number;
      for (const path of files) found.set(path, why);
    }
  };
  tell(images, masks, ['an image', 'images', 'mask']);
  tell(masks, images, ['a mask', 'masks', 'image']);
  return found;
}

function reasonByName(path: string): Omit<LeftOver, 'path'> {
  if (isNifti(path)) {
    const heldOut = /(?:^|\/)(?:images|labels)Ts\//.exec(path);
    if (heldOut) return { why: 'held out by the layout', harmless: true };
    if (/(?:^|\/)imagesTr\/[^/]*_(?!0000)\d{4}\.nii/.test(path)) return { why: 'another channel', harmless: false };
    return { why: 'fits no image or mask pattern', harmless: false };
  }
  if (mayBeSlice(path)) return { why: 'a DICOM file of no pair', harmless: false };
  return { why: 'not a NIfTI file', harmless: true };
}
