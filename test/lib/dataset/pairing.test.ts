import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MOST_PATIENTS, pairPatients } from '../../../lib/dataset/pairing.ts';
import { matchPattern } from '../../../lib/dataset/patterns.ts';
import { assertFault } from '../../helpers/faults.ts';

const files = (...paths: string[]) => paths.map((path) => ({ path }));
const KAGGLE = { image: '3d_images/IMG_{patient}.nii.gz', mask: '3d_images/MASK_{patient}.nii.gz' };

test('a pattern pairs images and masks, in order of patient', () => {
  const listing = files(
    '3d_images/MASK_0002.nii.gz',
    '3d_images/IMG_0002.nii.gz',
    '3d_images/IMG_0001.nii.gz',
    '3d_images/MASK_0001.nii.gz',
    '2d_images/ID_0001.tif',
  );
  assert.deepEqual(pairPatients(listing, { pattern: KAGGLE, labels: [1, 2] }), [
    {
      id: '0001',
      image: ['3d_images/IMG_0001.nii.gz'],
      mask: '3d_images/MASK_0001.nii.gz',
      labels: [[1, 2]],
      split: null,
    },
    {
      id: '0002',
      image: ['3d_images/IMG_0002.nii.gz'],
      mask: '3d_images/MASK_0002.nii.gz',
      labels: [[1, 2]],
      split: null,
    },
  ]);
});

test('what the mask pattern matches is no image', () => {
  const pairs = pairPatients(files('a.nii.gz', 'a_mask.nii.gz', 'b.nii.gz', 'b_mask.nii.gz'), {
    pattern: { image: '{patient}.nii.gz', mask: '{patient}_mask.nii.gz' },
  });
  assert.deepEqual(
    pairs.map(({ id, mask }) => [id, mask]),
    [
      ['a', 'a_mask.nii.gz'],
      ['b', 'b_mask.nii.gz'],
    ],
  );
});

test('a pattern may stand for a folder of slices; its index and hidden files are left out', () => {
  const listing = files('s1/dicom/2', 's1/dicom/1', 's1/dicom/DICOMDIR', 's1/dicom/.DS_Store', 's1/labels.nii.gz');
  const [patient] = pairPatients(listing, { pattern: { image: '{patient}/dicom/', mask: '{patient}/labels.nii.gz' } });
  assert.deepEqual([patient!.id, patient!.image], ['s1', ['s1/dicom/1', 's1/dicom/2']]);
});

test('a patient that stands twice in a pattern must be the same twice', () => {
  const found = matchPattern(['s1/s1_ct.nii', 's1/s2_ct.nii'], '{patient}/{patient}_ct.nii');
  assert.deepEqual([...found], [['s1', ['s1/s1_ct.nii']]]);
});

test('signs of regular expressions in a pattern mean themselves', () => {
  assert.deepEqual([...matchPattern(['a+(b).nii', 'aab.nii'], 'a+({patient}).nii').keys()], ['b']);
});

test('an asterisk is any part of a name, and two of them any folders; they never span more', () => {
  const paths = [
    'sub-1/ses-a/anat/sub-1_ct.nii',
    'sub-1/sub-1_ct.nii',
    'other/sub-1/sub-1_ct.nii',
    'sub-1/sub-1_ct.nii/x',
  ];
  const match = (pattern: string) => matchPattern(paths, pattern).get('1') ?? [];
  assert.deepEqual(match('sub-{patient}/**/sub-{patient}_*.nii'), paths.slice(0, 2).concat('sub-1/sub-1_ct.nii/x'));
  assert.deepEqual(match('sub-{patient}/*/*/*.nii'), [paths[0]]);
  assert.deepEqual(match('**/sub-{patient}/sub-{patient}_c*t.nii').slice(0, 2), [paths[1], paths[2]]);
});

test('two images of one patient are refused, unless they are slices', () => {
  const pattern = { image: '{patient}/*_ct*', mask: '{patient}/mask.nii' };
  const pair = (...images: string[]) => pairPatients(files(...images, 'a/mask.nii'), { pattern });
  assertFault(() => pair('a/1_ct.nii', 'a/2_ct.nii'), 'PATIENT_TWICE', /^1_ct\.nii: found 2 images/);
  assert.equal(pair('a/1_ct.dcm', 'a/2_ct.dcm')[0]!.image.length, 2);
});

test('without patients and pattern, a layout that explains every scan is taken', () => {
  const listing = files('images/2.nii', 'images/1.nii', 'masks/1.nii', 'masks/2.nii', 'notes.txt');
  for (const layout of [{}, { layout: 'auto' as const }]) {
    const pairs = pairPatients(listing, { target: 'liver', labels: [3], ...layout });
    assert.deepEqual(pairs, [
      { id: '1', image: ['images/1.nii'], mask: 'masks/1.nii', labels: [[3]], split: null },
      { id: '2', image: ['images/2.nii'], mask: 'masks/2.nii', labels: [[3]], split: null },
    ]);
  }
});

test('a mask may be called after the target', () => {
  const listing = files('p/ct.nii', 'p/liver.nii', 'p/spleen.nii');
  assert.equal(pairPatients(listing, { target: 'spleen' })[0]!.mask, 'p/spleen.nii');
  assertFault(() => pairPatients(listing, { target: 'heart' }), 'DATASET_LAYOUT');
});

test('a layout that leaves a scan over is refused, with what was seen', () => {
  const listing = files('images/2.nii', 'images/1.nii', 'masks/1.nii');
  const message =
    /^dataset: found 1 pair by the layout “folders images and masks”, but also 1 × an image without its mask, .*inspect/;
  assertFault(() => pairPatients(listing, { target: 'liver' }), 'DATASET_LAYOUT', message);
});

test('a mask in the folder of its series is no slice', () => {
  const listing = files('p/1.dcm', 'p/2.dcm', 'p/mask.nii.gz');
  const [patient] = pairPatients(listing, { patients: [{ id: 'p', image: 'p', mask: 'p/mask.nii.gz' }] });
  assert.deepEqual(patient!.image, ['p/1.dcm', 'p/2.dcm']);
});

test('patients one by one: files, folders, labels and parts as they are written', () => {
  const listing = files('x/ct/2.dcm', 'x/ct/1.dcm', 'x/seg.nii.gz', 'y.nii', 'y-seg.nii');
  const pairs = pairPatients(listing, {
    patients: [
      { id: 'y', image: './y.nii', mask: 'y-seg.nii', split: 'test' },
      { id: 'x', image: 'x/ct', mask: 'x/seg.nii.gz', labels: [5], split: 'train' },
    ],
  });
  assert.deepEqual(pairs, [
    { id: 'x', image: ['x/ct/1.dcm', 'x/ct/2.dcm'], mask: 'x/seg.nii.gz', labels: [[5]], split: 'train' },
    { id: 'y', image: ['y.nii'], mask: 'y-seg.nii', labels: null, split: 'test' },
  ]);
});

test('a missing file is named by its place in the configuration', () => {
  const patients = [{ id: 'x', image: 'deep/secret-name/x.nii', mask: 'm.nii' }];
  assertFault(
    () => pairPatients(files('m.nii'), { patients }),
    'PATIENT_FILE_MISSING',
    /^dataset\.patients\[0\]\.image: found nothing named x\.nii(?!.*secret)/,
  );
  assertFault(
    () => pairPatients(files('deep/secret-name/x.nii'), { patients }),
    'PATIENT_FILE_MISSING',
    /dataset\.patients\[0\]\.mask/,
  );
});

test('a path that climbs out of the source finds nothing', () => {
  const patients = [{ id: 'x', image: '../../etc/passwd', mask: 'm.nii' }];
  assertFault(() => pairPatients(files('m.nii', 'etc/passwd'), { patients }), 'PATIENT_FILE_MISSING');
});

test('an image without a mask, and a mask without an image, are refused', () => {
  const both = ['3d_images/IMG_1.nii.gz', '3d_images/MASK_1.nii.gz'];
  const pair = (...paths: string[]) => pairPatients(files(...paths), { pattern: KAGGLE });
  assertFault(() => pair(...both, '3d_images/IMG_2.nii.gz'), 'PATIENT_FILE_MISSING', /^IMG_2.*expected a mask/);
  assertFault(() => pair(...both, '3d_images/MASK_3.nii.gz'), 'PATIENT_FILE_MISSING', /^MASK_3.*expected an image/);
});

test('a pattern that matches nothing, and two masks for one patient, are refused', () => {
  assertFault(() => pairPatients(files('a', 'b'), { pattern: KAGGLE }), 'NO_PATIENTS', /none of 2 files/);
  const pattern = { image: '{patient}.nii', mask: '{patient}-masks' };
  assertFault(() => pairPatients(files('a.nii', 'a-masks/1', 'a-masks/2'), { pattern }), 'PATIENT_TWICE', /2 masks/);
});

test('more patients than one run can take are refused', () => {
  const listing = (count: number) =>
    Array.from({ length: count }, (_, at) => files(`${at}.nii`, `${at}_mask.nii`)).flat();
  const pattern = { image: '{patient}.nii', mask: '{patient}_mask.nii' };
  assert.equal(pairPatients(listing(MOST_PATIENTS), { pattern }).length, 1500);
  assertFault(
    () => pairPatients(listing(MOST_PATIENTS + 1), { pattern }),
    'DATASET_TOO_LARGE',
    /^dataset: found 1501 patients, expected at most 1500 in one run\. Divide/,
  );
});
