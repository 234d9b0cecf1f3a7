import { posix } from 'node:path';
import { isNamedAfter, kindByName } from './layout-words.ts';

/** A pair of patterns to try on a source, and what it is called. */
export interface LayoutPattern {
  readonly name: string;
  readonly image: string;
  readonly mask: string;
}

const EXTENSIONS = ['.nii.gz', '.nii'] as const;

/** Layouts whose names are fixed, the most telling first. */
function fixedPatterns(target: string | undefined): LayoutPattern[] {
  const suffixes = ['mask', 'masks', 'label', 'labels', 'seg', 'segmentation', ...(target ? [target] : [])];
  return EXTENSIONS.flatMap((ext) => [
    { name: 'Kaggle finding-lungs', image: `3d_images/IMG_{patient}${ext}`, mask: `3d_images/MASK_{patient}${ext}` },
    { name: 'IMG_ and MASK_', image: `IMG_{patient}${ext}`, mask: `MASK_{patient}${ext}` },
    { name: 'volume- and segmentation-', image: `volume-{patient}${ext}`, mask: `segmentation-{patient}${ext}` },
    { name: 'nnU-Net', image: `imagesTr/{patient}_0000${ext}`, mask: `labelsTr/{patient}${ext}` },
    { name: 'Medical Decathlon', image: `imagesTr/{patient}${ext}`, mask: `labelsTr/{patient}${ext}` },
    ...pairs(['images', 'image', 'imgs', 'img'], ['labels', 'masks', 'label', 'mask', 'segmentations']).flatMap(
      ([images, masks]) =>
        [
          { image: `${images}/{patient}${ext}`, mask: `${masks}/{patient}${ext}` },
          { image: `${images}/${images}{patient}${ext}`, mask: `${masks}/${masks}{patient}${ext}` },
        ].map((pattern) => ({ name: `folders ${images} and ${masks}`, ...pattern })),
    ),
    ...pairs(['', '_image', '_img', '_ct'], suffixes).map(([image, mask]) => ({
      name: 'suffixes',
      image: `{patient}${image}${ext}`,
      mask: `{patient}_${mask}${ext}`,
    })),
  ]);
}

function pairs<A, B>(as: readonly A[], bs: readonly B[]): [A, B][] {
  return as.flatMap((a) => bs.map((b): [A, B] => [a, b]));
}

/**
 * Every pattern that may fit these NIfTI files, below each folder that all of them lie in: fixed names first, then rules.
 * `target` is what a mask may be called.
 */
export function patternsFor(nifti: readonly string[], target: string | undefined): LayoutPattern[] {
  const folders = commonFolders(nifti);
  const below = (rule: (paths: readonly string[]) => LayoutPattern[]) => (folder: string) =>
    rule(nifti.map((path) => path.slice(folder.length))).map(({ name, image, mask }) => ({
      name,
      image: folder + image,
      mask: folder + mask,
    }));
  return [
    ...folders.flatMap(below(() => fixedPatterns(target))),
    ...folders.flatMap(below((paths) => bidsPatterns(paths, target))),
    // The innermost first: the outer ones may be no patient's.
    ...folders.reverse().flatMap(below((paths) => patientFolders(paths, target))),
  ];
}

/** The folders, with a slash, that all paths lie in, from the outermost: archives often have one. */
function commonFolders(paths: readonly string[]): string[] {
  const [first = '', ...rest] = paths.map((path) => posix.dirname(path));
  let folder = first;
  for (const other of rest) {
    while (folder !== '.' && other !== folder && !other.startsWith(`${folder}/`)) folder = posix.dirname(folder);
  }
  const parts = folder === '.' || folder === '' ? [] : folder.split('/');
  return ['', ...parts.map((_, at) => `${parts.slice(0, at + 1).join('/')}/`)];
}

/** More kinds of image than a layout of images and masks has, and of masks than can be tried one by one. */
const MAX_KINDS = 8;
const MAX_MASKS = 24;

/** `sub-01/[ses-1/]anat/sub-01[_…]_ct.nii.gz`, and a mask of the subject anywhere in `derivatives` (bids-specification 1.10). */
function bidsPatterns(paths: readonly string[], target: string | undefined): LayoutPattern[] {
  const named = paths.flatMap((path) => {
    const match = /^sub-([A-Za-z0-9]+)\/(?:[^/]+\/)*sub-\1((?:_[^/]*)?)_([A-Za-z0-9]+)(\.nii(?:\.gz)?)$/.exec(path);
    return match ? [{ entities: match[2]!, suffix: match[3]!, ext: match[4]! }] : [];
  });
  const kinds = new Set(named.map(({ suffix, ext }) => `${suffix}${ext}`));
  if (kinds.size > MAX_KINDS) return [];
  return [...kinds].flatMap((kind) => {
    const plain = named.every(({ entities, suffix, ext }) => entities === '' || `${suffix}${ext}` !== kind);
    const image = `sub-{patient}/**/sub-{patient}_${plain ? '' : '*_'}${kind}`;
    const words = [...(target ? [target] : []), 'seg', 'mask', 'label', 'roi'];
    return pairs(words, EXTENSIONS).map(([word, ext]) => ({
      name: 'BIDS',
      image,
      mask: `derivatives/**/sub-{patient}_*${word}*${ext}`,
    }));
  });
}

/** A folder for each patient, with the same names in all of them; the folder's own name may be part of them. */
function patientFolders(paths: readonly string[], target: string | undefined): LayoutPattern[] {
  const inFolders = paths.filter((path) => path.includes('/'));
  const plain = new Set(inFolders.map((path) => template(path, false)));
  const named = new Set(inFolders.map((path) => template(path, true)));
  const templates = [...(named.size < plain.size ? named : plain)].sort();
  const images = templates.filter((one) => kindByName(one) === 'image');
  if (images.length > MAX_KINDS) return [];
  const others = templates.filter((one) => !images.includes(one));
  // The name of the target is the clearest; then words for masks; then whatever stands beside an image.
  const masks = [
    others.filter((one) => isNamedAfter(one, target)),
    others.filter((one) => kindByName(one) === 'mask'),
    others,
  ].find((some) => some.length > 0);
  return pairs(images, (masks ?? []).slice(0, MAX_MASKS)).map(([image, mask]) => ({
    name: 'a folder per patient',
    image,
    mask,
  }));
}

function template(path: string, named: boolean): string {
  const folder = path.slice(0, path.indexOf('/'));
  const rest = path.slice(folder.length);
  return `{patient}${named ? rest.replaceAll(folder, '{patient}') : rest}`;
}
