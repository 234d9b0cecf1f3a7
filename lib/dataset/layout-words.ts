import { posix } from 'node:path';

/** Words by which people call images and masks in names of files and folders. */
const IMAGE_WORDS = new Set(
  (
    'ct cta cbct ldct image images imaging img imgs im mr mri mra t1 t1w t1ce t1c t2 t2w flair dwi adc pet scan scans ' +
    'volume vol'
  ).split(' '),
);
const MASK_WORDS = new Set(
  (
    'mask masks label labels labelmap seg segs segm segmentation segmentations dseg gt truth groundtruth annotation ' +
    'annotations roi rois contour contours'
  ).split(' '),
);

/** What stands between signs, in lower case; `{patient}` is no word. */
export function wordsOf(path: string): string[] {
  const name = path.replaceAll('{patient}', ' ').replace(/\.nii(\.gz)?$/i, '');
  return name
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter(Boolean);
}

/** What a name says of itself. A mask of an image is called after both (`ct_mask.nii`, `masks/ct.nii`), so masks go first. */
export function kindByName(path: string): 'image' | 'mask' | null {
  const words = wordsOf(path);
  if (words.some((word) => MASK_WORDS.has(word))) return 'mask';
  return words.some((word) => IMAGE_WORDS.has(word)) ? 'image' : null;
}

/** Whether a file is called like the target and nothing else: `liver.nii.gz`, `left_lung.nii` for `left-lung`. */
export function isNamedAfter(path: string, target: string | undefined): boolean {
  return target !== undefined && wordsOf(posix.basename(path)).join('-') === target;
}
