import { posix } from 'node:path';
import { isSeriesFile, matchPattern } from './pairing.ts';
import type { SplitPart } from './split.ts';

/** How data sets are laid out in the wild, and which patients a listing has under each. */

/** A patient as found by layout, before anything is read. */
export interface FoundPatient {
  readonly id: string;
  readonly image: string[];
  readonly mask: string;
  readonly labels?: number[] | null;
  readonly split?: SplitPart | null;
}

export interface FoundLayout {
  /** For people, e.g. `nnU-Net`. */
  readonly name: string;
  /** To copy into the run configuration; null where the patients must be listed one by one. */
  readonly pattern: { readonly image: string; readonly mask: string } | null;
  readonly patients: FoundPatient[];
}

const EXTENSIONS = ['.nii.gz', '.nii'] as const;
const IMAGE_NAMES = ['ct', 'image', 'img', 'mr', 'mri', 'scan', 'volume'] as const;
const MASK_NAMES = ['labels', 'label', 'mask', 'masks', 'seg', 'segmentation', 'lungs', 'lung'] as const;

/** Patterns to try, the most telling first. */
const PATTERNS = EXTENSIONS.flatMap((ext) => [
  { name: 'Kaggle finding-lungs', image: `3d_images/IMG_{patient}${ext}`, mask: `3d_images/MASK_{patient}${ext}` },
  { name: 'IMG_ and MASK_', image: `IMG_{patient}${ext}`, mask: `MASK_{patient}${ext}` },
  { name: 'nnU-Net', image: `imagesTr/{patient}_0000${ext}`, mask: `labelsTr/{patient}${ext}` },
  { name: 'Medical Decathlon', image: `imagesTr/{patient}${ext}`, mask: `labelsTr/{patient}${ext}` },
  ...pairs(['images', 'image', 'imgs'], ['labels', 'masks', 'label', 'mask', 'segmentations']).map(
    ([images, masks]) => ({
      name: `folders ${images} and ${masks}`,
      image: `${images}/{patient}${ext}`,
      mask: `${masks}/{patient}${ext}`,
    }),
  ),
  ...pairs(IMAGE_NAMES, MASK_NAMES).map(([image, mask]) => ({
    name: 'a folder per patient',
    image: `{patient}/${image}${ext}`,
    mask: `{patient}/${mask}${ext}`,
  })),
  ...pairs(['', '_image', '_img', '_ct'], ['_mask', '_label', '_labels', '_seg', '_segmentation']).map(
    ([image, mask]) => ({ name: 'suffixes', image: `{patient}${image}${ext}`, mask: `{patient}${mask}${ext}` }),
  ),
]);

function pairs<A, B>(as: readonly A[], bs: readonly B[]): [A, B][] {
  return as.flatMap((a) => bs.map((b): [A, B] => [a, b]));
}

/**
 * The layout under which a listing has the most patients with image and mask, or null. Patterns are also tried below a
 * common folder, as archives have one. A tie goes to the earlier layout; DICOM folders come last.
 */
export function findLayout(paths: readonly string[]): FoundLayout | null {
  const prefix = commonFolder(paths);
  let best: FoundLayout | null = null;
  for (const { name, image, mask } of PATTERNS) {
    for (const folder of new Set(['', prefix])) {
      const pattern = { image: folder + image, mask: folder + mask };
      const patients = pairUp(paths, pattern);
      if (patients.length > (best?.patients.length ?? 0)) best = { name, pattern, patients };
    }
  }
  const dicom = findDicomFolders(paths);
  return dicom.length > (best?.patients.length ?? 0)
    ? { name: 'DICOM folders beside a mask', pattern: null, patients: dicom }
    : best;
}

/** The folder, with a slash, that all paths lie in; empty where there is none. */
function commonFolder(paths: readonly string[]): string {
  const [first = '', ...rest] = paths.map((path) => posix.dirname(path));
  let folder = first;
  for (const other of rest) {
    while (folder !== '.' && other !== folder && !other.startsWith(`${folder}/`)) folder = posix.dirname(folder);
  }
  return folder === '.' || folder === '' ? '' : `${folder}/`;
}

function pairUp(paths: readonly string[], pattern: { image: string; mask: string }): FoundPatient[] {
  const masks = matchPattern(paths, pattern.mask);
  const taken = new Set([...masks.values()].flat());
  const images = matchPattern(
    paths.filter((path) => !taken.has(path)),
    pattern.image,
  );
  return [...images]
    .filter(([id, image]) => image.length === 1 && masks.get(id)?.length === 1)
    .map(([id, image]) => ({ id, image, mask: masks.get(id)![0]! }));
}

/** Folders of many files that are no NIfTI, with one NIfTI file in them, beside them or in the folder above. */
function findDicomFolders(paths: readonly string[]): FoundPatient[] {
  const nifti = paths.filter(isNifti);
  const folders = new Map<string, string[]>();
  for (const path of paths) {
    if (isNifti(path) || !isSeriesFile(path) || hasOtherExtension(path)) continue;
    const folder = posix.dirname(path);
    folders.set(folder, [...(folders.get(folder) ?? []), path]);
  }
  return [...folders].flatMap(([folder, image]) => {
    const parent = posix.dirname(folder);
    const near = nifti.filter((path) => [folder, parent].includes(posix.dirname(path)));
    const id = parent === '.' ? folder : posix.basename(parent);
    return near.length === 1 && image.length > 1 ? [{ id, image, mask: near[0]! }] : [];
  });
}

export const isNifti = (path: string) => EXTENSIONS.some((ext) => path.toLowerCase().endsWith(ext));

/** Slices are called `.dcm`, `.ima`, a number or a UID; a known extension of something else rules them out. */
const hasOtherExtension = (path: string) =>
  /\.(txt|md|json|csv|tsv|xml|html?|pdf|png|jpe?g|zip|gz|py|ya?ml|nrrd|mha|mhd|raw)$/i.test(path);
