import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { certainLayout, findLayouts } from '../../../lib/dataset/layouts.ts';

interface Layout {
  readonly name: string;
  readonly paths: readonly string[];
  readonly target?: string;
  readonly pattern: { image: string; mask: string } | null;
  readonly pairs: readonly [id: string, image: string, mask: string][];
}

const ext = '.nii.gz';
const LAYOUTS: Layout[] = [
  {
    name: 'Kaggle finding-lungs',
    paths: [
      ...[
        '3d_images/IMG_0002.nii.gz',
        '3d_images/IMG_0031.nii.gz',
        '3d_images/MASK_0002.nii.gz',
        '3d_images/MASK_0031.nii.gz',
      ],
      ...['2d_images/ID_0000_Z_0142.tif', '2d_masks/ID_0000_Z_0142.tif', 'lung_stats.csv'],
    ],
    pattern: { image: '3d_images/IMG_{patient}.nii.gz', mask: '3d_images/MASK_{patient}.nii.gz' },
    pairs: [
      ['0002', '3d_images/IMG_0002.nii.gz', '3d_images/MASK_0002.nii.gz'],
      ['0031', '3d_images/IMG_0031.nii.gz', '3d_images/MASK_0031.nii.gz'],
    ],
  },
  {
    name: 'Kaggle finding-lungs',
    paths: ['set/3d_images/IMG_1.nii', 'set/3d_images/MASK_1.nii', 'set/readme.txt'],
    pattern: { image: 'set/3d_images/IMG_{patient}.nii', mask: 'set/3d_images/MASK_{patient}.nii' },
    pairs: [['1', 'set/3d_images/IMG_1.nii', 'set/3d_images/MASK_1.nii']],
  },
  {
    name: 'nnU-Net',
    paths: [
      ...['imagesTr/lung_001_0000.nii.gz', 'imagesTr/lung_002_0000.nii.gz', 'imagesTs/lung_003_0000.nii.gz'],
      ...['labelsTr/lung_001.nii.gz', 'labelsTr/lung_002.nii.gz', 'dataset.json'],
    ],
    pattern: { image: 'imagesTr/{patient}_0000.nii.gz', mask: 'labelsTr/{patient}.nii.gz' },
    pairs: [
      ['lung_001', 'imagesTr/lung_001_0000.nii.gz', 'labelsTr/lung_001.nii.gz'],
      ['lung_002', 'imagesTr/lung_002_0000.nii.gz', 'labelsTr/lung_002.nii.gz'],
    ],
  },
  {
    name: 'Medical Decathlon',
    paths: [
      'Task06/imagesTr/lung_001.nii.gz',
      'Task06/labelsTr/lung_001.nii.gz',
      'Task06/imagesTs/lung_002.nii.gz',
      'README',
    ],
    pattern: { image: 'Task06/imagesTr/{patient}.nii.gz', mask: 'Task06/labelsTr/{patient}.nii.gz' },
    pairs: [['lung_001', 'Task06/imagesTr/lung_001.nii.gz', 'Task06/labelsTr/lung_001.nii.gz']],
  },
  {
    name: 'BIDS',
    paths: [
      ...['sub-01/anat/sub-01_ct.nii.gz', 'sub-02/anat/sub-02_ct.nii.gz', 'sub-01/anat/sub-01_ct.json'],
      'derivatives/manual/sub-01/anat/sub-01_desc-liver_dseg.nii.gz',
      'derivatives/manual/sub-02/anat/sub-02_desc-liver_dseg.nii.gz',
      ...['participants.tsv', 'dataset_description.json'],
    ],
    pattern: { image: 'sub-{patient}/**/sub-{patient}_ct.nii.gz', mask: 'derivatives/**/sub-{patient}_*seg*.nii.gz' },
    pairs: [
      ['01', 'sub-01/anat/sub-01_ct.nii.gz', 'derivatives/manual/sub-01/anat/sub-01_desc-liver_dseg.nii.gz'],
      ['02', 'sub-02/anat/sub-02_ct.nii.gz', 'derivatives/manual/sub-02/anat/sub-02_desc-liver_dseg.nii.gz'],
    ],
  },
  {
    name: 'BIDS',
    paths: [
      'bids/sub-A1/ses-1/anat/sub-A1_ses-1_acq-thin_T1w.nii',
      'bids/derivatives/sub-A1/ses-1/sub-A1_ses-1_T1w_label-lesion_mask.nii.gz',
    ],
    pattern: {
      image: 'bids/sub-{patient}/**/sub-{patient}_*_T1w.nii',
      mask: 'bids/derivatives/**/sub-{patient}_*mask*.nii.gz',
    },
    pairs: [
      [
        'A1',
        'bids/sub-A1/ses-1/anat/sub-A1_ses-1_acq-thin_T1w.nii',
        'bids/derivatives/sub-A1/ses-1/sub-A1_ses-1_T1w_label-lesion_mask.nii.gz',
      ],
    ],
  },
  ...(
    [
      ['s1/ct', 's1/lungs', '{patient}/ct', '{patient}/lungs'],
      ['s1/imaging', 's1/segmentation', '{patient}/imaging', '{patient}/segmentation'],
      ['p01/p01_t1', 'p01/p01_seg', '{patient}/{patient}_t1', '{patient}/{patient}_seg'],
      ['p01/images/scan', 'p01/labels/scan', '{patient}/images/scan', '{patient}/labels/scan'],
    ] as const
  ).map(([image, mask, imagePattern, maskPattern]): Layout => {
    const second = (path: string) => path.replaceAll('s1', 's2').replaceAll('p01', 'p02');
    const [id] = image.split('/');
    return {
      name: 'a folder per patient',
      paths: [image, mask, second(image), second(mask)].map((path) => path + ext),
      pattern: { image: imagePattern + ext, mask: maskPattern + ext },
      pairs: [
        [id!, image + ext, mask + ext],
        [second(id!), second(image) + ext, second(mask) + ext],
      ],
    };
  }),
  {
    name: 'a folder per patient',
    paths: ['s1/ct.nii.gz', 's1/segmentations/liver.nii.gz', 's1/segmentations/spleen.nii.gz'],
    target: 'liver',
    pattern: { image: '{patient}/ct.nii.gz', mask: '{patient}/segmentations/liver.nii.gz' },
    pairs: [['s1', 's1/ct.nii.gz', 's1/segmentations/liver.nii.gz']],
  },
  {
    name: 'folders images and masks',
    paths: ['images/7.nii', 'masks/7.nii'],
    pattern: { image: 'images/{patient}.nii', mask: 'masks/{patient}.nii' },
    pairs: [['7', 'images/7.nii', 'masks/7.nii']],
  },
  {
    name: 'folders img and label',
    paths: ['RawData/img/img0001.nii.gz', 'RawData/label/label0001.nii.gz'],
    pattern: { image: 'RawData/img/img{patient}.nii.gz', mask: 'RawData/label/label{patient}.nii.gz' },
    pairs: [['0001', 'RawData/img/img0001.nii.gz', 'RawData/label/label0001.nii.gz']],
  },
  {
    name: 'volume- and segmentation-',
    paths: ['volume-0.nii', 'segmentation-0.nii'],
    pattern: { image: 'volume-{patient}.nii', mask: 'segmentation-{patient}.nii' },
    pairs: [['0', 'volume-0.nii', 'segmentation-0.nii']],
  },
  {
    name: 'suffixes',
    paths: ['7.nii.gz', '7_seg.nii.gz'],
    pattern: { image: '{patient}.nii.gz', mask: '{patient}_seg.nii.gz' },
    pairs: [['7', '7.nii.gz', '7_seg.nii.gz']],
  },
  {
    name: 'suffixes',
    paths: ['7_ct.nii.gz', '7_liver.nii.gz'],
    target: 'liver',
    pattern: { image: '{patient}_ct.nii.gz', mask: '{patient}_liver.nii.gz' },
    pairs: [['7', '7_ct.nii.gz', '7_liver.nii.gz']],
  },
  {
    name: 'DICOM folders beside a mask',
    paths: [
      'a/series/1',
      'a/series/2',
      'a/labels.nii.gz',
      'b/series/1.dcm',
      'b/series/2.dcm',
      'b/labels.nii.gz',
      'a/DICOMDIR',
    ],
    pattern: null,
    pairs: [
      ['a', 'a/series/1', 'a/labels.nii.gz'],
      ['b', 'b/series/1.dcm', 'b/labels.nii.gz'],
    ],
  },
  {
    name: 'DICOM folders beside a mask',
    paths: [
      'dicom/p1/1.dcm',
      'dicom/p1/2.dcm',
      'dicom/p10/1.dcm',
      'dicom/p10/2.dcm',
      'masks/p1.nii.gz',
      'masks/p10_liver.nii.gz',
    ],
    pattern: null,
    pairs: [
      ['p1', 'dicom/p1/1.dcm', 'masks/p1.nii.gz'],
      ['p10', 'dicom/p10/1.dcm', 'masks/p10_liver.nii.gz'],
    ],
  },
  {
    name: 'DICOM folders beside a DICOM-SEG',
    paths: [
      ...['LUNG1-001/01-01-2019/300.0-CT/1-1.dcm', 'LUNG1-001/01-01-2019/300.0-CT/1-2.dcm'],
      'LUNG1-001/01-01-2019/300.0-Segmentation-2/1-1.dcm',
      ...['LUNG1-002/01-01-2019/0.5-CT/1-1.dcm', 'LUNG1-002/01-01-2019/0.5-CT/1-2.dcm'],
      'LUNG1-002/01-01-2019/300.0-Segmentation-7/1-1.dcm',
      'LICENSE',
    ],
    pattern: null,
    pairs: [
      ['LUNG1-001', 'LUNG1-001/01-01-2019/300.0-CT/1-1.dcm', 'LUNG1-001/01-01-2019/300.0-Segmentation-2/1-1.dcm'],
      ['LUNG1-002', 'LUNG1-002/01-01-2019/0.5-CT/1-1.dcm', 'LUNG1-002/01-01-2019/300.0-Segmentation-7/1-1.dcm'],
    ],
  },
];

const certain = (paths: readonly string[], target?: string) => certainLayout(paths, findLayouts(paths, target));

describe('a layout that explains every scan', () => {
  for (const { name, paths, target, pattern, pairs } of LAYOUTS) {
    it(`is taken without a doubt: ${name}, ${paths[0]}`, () => {
      const found = certain([...paths].sort(), target);
      assert.ok('layout' in found, JSON.stringify(found));
      assert.deepEqual([found.layout.name, found.layout.pattern], [name, pattern]);
      assert.deepEqual(
        found.layout.patients.map(({ id, image, mask }) => [id, image[0], mask]),
        pairs,
      );
    });
  }
});

const PAIR = ['imagesTr/a_0000.nii.gz', 'labelsTr/a.nii.gz'];
const DOUBTS: [what: string, paths: string[], doubt: RegExp][] = [
  [
    'an image without its mask',
    [...PAIR, 'imagesTr/b_0000.nii.gz'],
    /^1 pair by the layout “nnU-Net”, but also 1 × an image without its mask$/,
  ],
  ['a mask without its image', [...PAIR, 'labelsTr/b.nii.gz'], /1 × a mask without its image$/],
  ['a second channel', [...PAIR, 'imagesTr/a_0001.nii.gz'], /1 × another channel$/],
  ['a scan that fits nowhere', [...PAIR, 'extra.nii.gz'], /1 × fits no image or mask pattern$/],
  [
    'two masks of one patient',
    ['s1/ct.nii.gz', 's1/liver.nii.gz', 's1/spleen.nii.gz'],
    /^1 pair by .*“a folder per patient”, but also/,
  ],
  [
    'two scans of one patient',
    ['s1/t1.nii', 's1/t2.nii', 's1/seg.nii'],
    /^1 pair by .*“a folder per patient”, but also/,
  ],
  [
    'two sessions of one subject',
    ['sub-1/ses-a/sub-1_ses-a_ct.nii', 'sub-1/ses-b/sub-1_ses-b_ct.nii', 'derivatives/sub-1_seg.nii'],
    /no layout|but also/,
  ],
  [
    'a series without a mask',
    ['a/1/1.dcm', 'a/1/2.dcm', 'a/m.nii', 'b/1/1.dcm', 'b/1/2.dcm'],
    /1 pair by .*beside a mask”, but also 2 × a DICOM file of no pair$/,
  ],
  [
    'two series beside one mask',
    ['a/1/1.dcm', 'a/1/2.dcm', 'a/2/1.dcm', 'a/2/2.dcm', 'a/m.nii'],
    /^no layout that samflow knows among 5 files \(4 \.dcm, 1 \.nii\)$/,
  ],
  ['two images and no mask', ['s1/ct.nii', 's1/pet.nii'], /^no layout that samflow knows among 2 files \(2 \.nii\)$/],
  ['formats that are not read', ['a/ct.nrrd', 'a/seg.nrrd', 'a/x.jane'], /among 3 files \(2 \.nrrd, 1 others\)$/],
  ['nothing at all', [], /among no files$/],
];

describe('a layout that does not', () => {
  for (const [what, paths, doubt] of DOUBTS) {
    it(`is doubted for ${what}`, () => {
      const found = certain([...paths].sort());
      assert.match('doubt' in found ? found.doubt : JSON.stringify(found.layout), doubt);
    });
  }

  it('is doubted where another one explains every scan as well', () => {
    const found = certain(['s1/ct.nii', 's1/liver.nii', 's1/liver.nii.gz'], 'liver');
    assert.match('doubt' in found ? found.doubt : '', /^1 pair by .* as well as 1 pair by /);
  });

  it('is doubted without a name that the data have', () => {
    const paths = ['DOE/JANE_ct.nii.gz', 'DOE/JANE_seg.nii.gz', 'DOE/JANE_other.nii.gz', 'ROE/RICHARD.jane', 'x.doe'];
    for (const some of [paths, paths.slice(3)]) {
      const found = certain(some);
      assert.ok('doubt' in found);
      assert.doesNotMatch(found.doubt, /doe|jane|roe|richard/i);
    }
  });

  it('is still shown, with the files that are left over', () => {
    const [best] = findLayouts(['a.nii.gz', 'a_mask.nii.gz', 'b.nii.gz', 'notes.txt']);
    assert.deepEqual(
      best!.leftOver.map(({ path, why }) => [path, why]),
      [
        ['b.nii.gz', 'an image without its mask'],
        ['notes.txt', 'not a NIfTI file'],
      ],
    );
  });

  it('is looked for among many files in seconds', () => {
    const paths = Array.from({ length: 200 }, (_, patient) => [
      `s${patient}/ct.nii.gz`,
      ...Array.from({ length: 50 }, (_, organ) => `s${patient}/segmentations/organ_${organ}.nii.gz`),
    ]).flat();
    const start = performance.now();
    assert.ok('doubt' in certain(paths));
    assert.ok(performance.now() - start < 20_000);
    assert.ok('layout' in certain(paths, 'organ-7'));
  });
});
