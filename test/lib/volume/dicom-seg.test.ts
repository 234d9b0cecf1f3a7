import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import dicomParser, { type DataSet } from 'dicom-parser';
import { writeDicomSeg } from '../../../lib/volume/dicom-seg.ts';
import { readSegSource, type SegSource } from '../../../lib/volume/dicom-seg-source.ts';
import type { Structure } from '../../../lib/volume/label-table.ts';
import { readWithDcmqi } from '../../helpers/dcmqi.ts';
import { type DicomSlice, dicomFile } from '../../helpers/dicom-file.ts';
import { assertFault, assertRejectsWithFault } from '../../helpers/faults.ts';
import { readShared, sharedPath, withoutShared } from '../../helpers/shared-data.ts';
import { REPOSITORY } from '../../helpers/source-tree.ts';

/** Frames of whole bytes: dcmqi takes segments for overlapping where they are not. */
const [COLUMNS, ROWS, SLICES] = [8, 3, 6];
const AREA = COLUMNS * ROWS;
const UIDS = { '0020000d': ['UI', '1.2.3.1'], '00200052': ['UI', '1.2.3.9'] } as const;

/** A series whose slices lie `step` apart (LPS), in the files' own order: shuffled. */
function series(change: (k: number) => DicomSlice = () => ({}), step = [0, 0, 2.5], more = true) {
  return [3, 0, 5, 1, 4, 2].map((k) => {
    const own = change(k);
    const file = dicomFile({
      ...{ rows: ROWS, columns: COLUMNS, pixels: new Uint16Array(AREA), spacing: [0.75, 0.5] },
      ...{ position: step.map((mm, axis) => [-20.5, 10, 100][axis]! + k * mm), seriesUid: more ? '1.2.3.4' : '' },
      ...own,
      more: { ...(more && { ...UIDS, '00080018': ['UI', `1.2.3.4.${k + 1}`] as const }), ...own.more },
    });
    return { name: `${k}.dcm`, bytes: file, read: async () => file };
  });
}

const STRUCTURES: Structure[] = [
  { label: 2, name: 'liver' },
  { label: 7, name: 'Tumor Ä' },
];
/** Liver in slices 1 to 3, tumour in 3 and 5, in no regular pattern. */
const LABELS = Uint8Array.from({ length: AREA * SLICES }, (_, at) => {
  const slice = Math.floor(at / AREA);
  if (slice >= 1 && slice <= 3 && (at * 7) % 5 < 2) return 2;
  return (slice === 3 || slice === 5) && at % 4 === 3 ? 7 : 0;
});

const write = (source: SegSource, voxels: ArrayLike<number> = LABELS, structures = STRUCTURES) =>
  writeDicomSeg({
    ...{ source, structures, algorithm: 'liver-0123456789ab', softwareVersion: '0.1.0' },
    mask: { voxels, shape: source.shape, voxelToWorld: source.voxelToWorld },
  });
const parse = (bytes: Uint8Array): DataSet => dicomParser.parseDicom(bytes);
const items = (data: DataSet, tag: string): DataSet[] => data.elements[tag]!.items!.map((item) => item.dataSet!);
const item = (data: DataSet, ...tags: string[]): DataSet => tags.reduce((inner, tag) => items(inner, tag)[0]!, data);
const numbers = (data: DataSet, tag: string): number[] => data.string(tag)!.split('\\').map(Number);
const text = (data: DataSet, tag: string): string => {
  const { dataOffset, length } = data.elements[tag]!;
  return Buffer.from(data.byteArray.subarray(dataOffset, dataOffset + length))
    .toString()
    .trim();
};

describe('a DICOM segmentation', () => {
  it('refers to every slice of its series, and to their study and frame of reference', async () => {
    const data = parse(write(await readSegSource(series())));
    assert.equal(data.string('x00080016'), '1.2.840.10008.5.1.4.1.1.66.4');
    assert.equal(data.string('x00020003'), data.string('x00080018'));
    assert.equal(data.string('x00080060'), 'SEG');
    assert.deepEqual([data.string('x0020000d'), data.string('x00200052')], ['1.2.3.1', '1.2.3.9']);
    const referenced = item(data, 'x00081115');
    assert.equal(referenced.string('x0020000e'), '1.2.3.4');
    assert.deepEqual(
      items(referenced, 'x0008114a').map((instance) => [instance.string('x00081150'), instance.string('x00081155')]),
      Array.from({ length: SLICES }, (_, k) => ['1.2.840.10008.5.1.4.1.1.2', `1.2.3.4.${k + 1}`]),
    );
    assert.notEqual(data.string('x0020000e'), '1.2.3.4');
  });

  it('has a frame for each slice of each segment, at the slice’s own position, with its pixels as bits', async () => {
    const data = parse(write(await readSegSource(series())));
    const frames = items(data, 'x52009230');
    const expected = [
      [1, 1],
      [1, 2],
      [1, 3],
      [2, 3],
      [2, 5],
    ] as const;
    assert.equal(data.intString('x00280008'), expected.length);
    const { dataOffset, length } = data.elements.x7fe00010!;
    assert.equal(length, 2 * Math.ceil((expected.length * AREA) / 16));
    for (const [at, [segment, slice]] of expected.entries()) {
      const frame = frames[at]!;
      assert.equal(item(frame, 'x0062000a').uint16('x0062000b'), segment);
      assert.deepEqual(numbers(item(frame, 'x00209113'), 'x00200032'), [-20.5, 10, 100 + 2.5 * slice]);
      assert.equal(item(frame, 'x00089124', 'x00082112').string('x00081155'), `1.2.3.4.${slice + 1}`);
      const place = item(frame, 'x00209111');
      assert.deepEqual(
        [place.uint32('x00209157', 0), place.uint32('x00209157', 1)],
        [segment, [1, 2, 3, 5].indexOf(slice) + 1],
      );
      for (let pixel = 0; pixel < AREA; pixel += 1) {
        const bit = at * AREA + pixel;
        const found = (data.byteArray[dataOffset + (bit >> 3)]! >> (bit & 7)) & 1;
        const label = STRUCTURES[segment - 1]!.label;
        assert.equal(found, LABELS[slice * AREA + pixel] === label ? 1 : 0, `frame ${at}, pixel ${pixel}`);
      }
    }
    const shared = item(data, 'x52009229');
    assert.deepEqual(numbers(item(shared, 'x00209116'), 'x00200037'), [1, 0, 0, 0, 1, 0]);
    assert.deepEqual(numbers(item(shared, 'x00289110'), 'x00280030'), [0.75, 0.5]);
    assert.equal(item(shared, 'x00289110').string('x00180088'), '2.5');
  });

  it('says what its segments are, in SNOMED CT where it is known', async () => {
    const segments = items(parse(write(await readSegSource(series()))), 'x00620002');
    const codes = segments.map((segment) => [
      segment.uint16('x00620004'),
      text(segment, 'x00620005'),
      segment.string('x00620008'),
      text(segment, 'x00620009'),
      item(segment, 'x00620003').string('x00080100'),
      item(segment, 'x0062000f').string('x00080102'),
      text(item(segment, 'x0062000f'), 'x00080104'),
    ]);
    const model = 'liver-0123456789ab';
    assert.deepEqual(codes, [
      [1, 'liver', 'AUTOMATIC', model, '91723000', 'SCT', 'Liver'],
      [2, 'Tumor Ä', 'AUTOMATIC', model, '309825002', '99SAMFLOW', 'Tumor Ä'],
    ]);
  });

  const ORIENTATIONS: [name: string, orientation: number[], step: number[]][] = [
    ['axial', [1, 0, 0, 0, 1, 0], [0, 0, 2.5]],
    ['axial from head to feet', [1, 0, 0, 0, 1, 0], [0, 0, -2.5]],
    ['coronal', [1, 0, 0, 0, 0, -1], [0, 2.5, 0]],
    ['sagittal', [0, 1, 0, 0, 0, -1], [-2.5, 0, 0]],
    ['prone', [-1, 0, 0, 0, -1, 0], [0, 0, 2.5]],
    ['oblique', [0.8, 0.6, 0, 0, 0, -1], [-1.5, 2, 0]],
  ];
  for (const [name, orientation, step] of ORIENTATIONS) {
    it(`of an ${name} series lies, as dcmqi reads it, where the labels lie in the patient`, async () => {
      const source = await readSegSource(series(() => ({ orientation }), step));
      const read = await readWithDcmqi(write(source));
      assert.deepEqual(
        read.segments.map(({ SegmentLabel }) => SegmentLabel),
        ['liver', 'Tumor Ä'],
      );
      const place = (mm: readonly number[], segment: number) => `${segment}: ${mm.map((v) => (v + 1e-9).toFixed(3))}`;
      const voxels = (size: readonly number[], at: number) =>
        [at % size[0]!, Math.floor(at / size[0]!) % size[1]!, Math.floor(at / (size[0]! * size[1]!))] as const;
      const found = Array.from(read.voxels).flatMap((segment, at) =>
        segment === 0 ? [] : [place(read.worldOf(voxels(read.size, at)), segment)],
      );
      // By the slices' own headers, not by our affine: position, and along rows and columns from there.
      const truth = [...LABELS].flatMap((label, at) => {
        if (label === 0) return [];
        const [column, row, slice] = voxels(source.shape, at);
        const origin = source.slices[slice]!.position.map(Number);
        const mm = origin.map((v, axis) => v + column * 0.5 * orientation[axis]! + row * 0.75 * orientation[3 + axis]!);
        return [place(mm, label === 2 ? 1 : 2)];
      });
      assert.deepEqual(found.sort(), truth.sort());
    });
  }

  it('is the same to the byte each time, and another one where mask, names or model are others', async () => {
    // Slices tell the time of their own.
    const timed = () => series((k) => ({ more: { '00080033': ['TM', `10000${k}`] } }));
    const source = await readSegSource(timed());
    const bytes = Buffer.from(write(source));
    assert.ok(bytes.equals(write(await readSegSource(timed().reverse()))));
    const uid = (seg: Uint8Array) => parse(seg).string('x00080018');
    const others = [
      write(
        source,
        LABELS.map((label, at) => (at === 0 ? 2 : label)),
      ),
      write(source, LABELS, [STRUCTURES[0]!, { label: 7, name: 'cyst' }]),
      writeDicomSeg({
        ...{ source, structures: STRUCTURES, algorithm: 'other', softwareVersion: '0.1.0' },
        mask: { voxels: LABELS, ...source },
      }),
    ];
    assert.equal(new Set([bytes, ...others].map(uid)).size, 4);
  });

  it('carries the patient and the study of its source, in UTF-8 whatever the source was in', async () => {
    const more = {
      '00080005': ['CS', 'ISO_IR 100'],
      '00080020': ['DA', '20010203'],
      '00080030': ['TM', '040506'],
      '00080050': ['SH', 'A-77'],
      '00100020': ['LO', 'MRN8675309'],
      '00100030': ['DA', '19310213'],
      '00100040': ['CS', 'F'],
    } as const;
    const latin1 = Buffer.from('Müller^Zoë', 'latin1').toString('latin1');
    const source = await readSegSource(series(() => ({ more: { ...more, '00100010': ['PN', latin1] } })));
    const data = parse(write(source));
    assert.equal(data.string('x00080005'), 'ISO_IR 192');
    assert.deepEqual(
      ['x00100010', 'x00100020', 'x00100030', 'x00100040', 'x00080020', 'x00080050', 'x00080023', 'x00080033'].map(
        (tag) => text(data, tag),
      ),
      ['Müller^Zoë', 'MRN8675309', '19310213', 'F', '20010203', 'A-77', '20010203', '040506'],
    );
  });

  it('carries what its source says against the standard as well', async () => {
    const id = 'MRN'.repeat(40);
    const more = { '00100020': ['LO', id], '00100030': ['DA', 'the 3rd of May, 1931'] } as const;
    const data = parse(write(await readSegSource(series(() => ({ patientName: `${'N'.repeat(90)}^Jane`, more })))));
    assert.deepEqual([text(data, 'x00100020'), text(data, 'x00100030')], [id, 'the 3rd of May, 1931']);
  });

  it('says of a structure that was found nowhere that it is empty', async () => {
    const source = await readSegSource(series());
    const bytes = write(source, new Uint8Array(LABELS.length));
    const data = parse(bytes);
    assert.equal(items(data, 'x00620002').length, 2);
    assert.equal(data.intString('x00280008'), 2);
    const read = await readWithDcmqi(bytes);
    assert.ok(Array.from(read.voxels).every((segment) => segment === 0));
  });

  it('is refused for a mask of another grid', async () => {
    const source = await readSegSource(series());
    const mask = { voxels: LABELS, shape: source.shape, voxelToWorld: source.voxelToWorld };
    const seg = { source, structures: STRUCTURES, algorithm: 'a', softwareVersion: '0' };
    const moved = source.voxelToWorld.map((value, at) => (at === 11 ? value + 0.5 : value));
    assertFault(() => writeDicomSeg({ ...seg, mask: { ...mask, voxelToWorld: moved } }), 'SEG_GRID', /0\.500 mm from/);
    assertFault(() => writeDicomSeg({ ...seg, mask: { ...mask, shape: [8, 3, 5] } }), 'SEG_GRID', /8 x 3 x 5 voxels/);
  });
});

describe('the series of a segmentation', () => {
  it('without UIDs gets them from its content: the same files, the same UIDs, and it is told', async () => {
    const bare = () => readSegSource(series(undefined, undefined, false));
    const [source, again] = [await bare(), await bare()];
    assert.equal(source.derivedUids, true);
    assert.deepEqual(source, again);
    const uids = [...Object.values(source.uids), ...source.slices.map(({ sopInstanceUid }) => sopInstanceUid)];
    assert.equal(new Set(uids).size, 3 + SLICES);
    for (const uid of uids) assert.match(uid, /^2\.25\.\d+$/);
    assert.match(text(parse(write(source)), 'x00700081'), /no UIDs/);
    const other = await readSegSource(
      series((k) => (k === 2 ? { pixels: new Uint16Array(AREA).fill(1) } : {}), undefined, false),
    );
    assert.notDeepEqual(other.uids, source.uids);
  });

  it('with UIDs keeps them', async () => {
    const { derivedUids, uids } = await readSegSource(series());
    assert.deepEqual(
      [derivedUids, uids],
      [false, { study: '1.2.3.1', series: '1.2.3.4', frameOfReference: '1.2.3.9' }],
    );
  });

  const REFUSED: [claim: string, code: string, change: DicomSlice['more'], found: RegExp][] = [
    [
      'two slices of one UID',
      'DICOM_UIDS',
      { '00080018': ['UI', '1.2.3.4.1'] },
      /^2\.dcm: found the SOPInstanceUID of 0\.dcm/,
    ],
    [
      'a slice of another study',
      'DICOM_UIDS',
      { '0020000d': ['UI', '1.2.3.2'] },
      /^2\.dcm: found another study than in 0/,
    ],
    [
      'a slice of another frame of reference',
      'DICOM_UIDS',
      { '00200052': ['UI', '1.2.3.2'] },
      /another frame of reference/,
    ],
  ];
  for (const [claim, code, more, found] of REFUSED) {
    it(`is refused with ${claim}, and no UID is shown`, async () => {
      const files = series((k) => (k === 2 ? { more: more! } : {}));
      await assertRejectsWithFault(readSegSource(files), code, found);
      await assert.rejects(readSegSource(files), ({ message }: Error) => !/\d\.\d\.\d/.test(message));
    });
  }

  it('is refused where its text cannot be read, and no name is shown', async () => {
    const files = series(() => ({ patientName: 'Doe^Jane', more: { '00080005': ['CS', '\\ISO 2022 IR 87'] } }));
    await assertRejectsWithFault(readSegSource(files), 'DICOM_CHARACTER_SET', /^0\.dcm/);
    await assert.rejects(readSegSource(files), (error: Error) => !/Doe/.test(`${error.message} ${error.cause}`));
  });

  it('leaves nothing on the console, however odd its elements are', () => {
    // Element types that only a dictionary has: dcmjs complains of them, and shows values.
    const odd = dicomFile({ patientName: 'Doe^Jane', more: { '00280106': ['xs', 'Doe'], '00189999': ['ZZ', 'Doe'] } });
    const script = `
      import { readSegSource } from './lib/volume/dicom-seg-source.ts';
      const bytes = Uint8Array.from(Buffer.from('${Buffer.from(odd).toString('base64')}', 'base64'));
      const { copied } = await readSegSource([{ name: 'a', read: async () => bytes }]);
      if (!('00100010' in copied)) throw new Error('nothing was read');`;
    const args = ['--import', 'tsx', '--input-type=module', '-e', script];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: REPOSITORY, encoding: 'utf8' });
    assert.deepEqual([status, stdout, stderr], [0, '', '']);
  });

  const REAL = 'data/ct-dicom/series';
  it('may be a real one, anonymised and compressed', { skip: withoutShared(REAL) }, async () => {
    const names = readdirSync(sharedPath(REAL));
    const source = await readSegSource(
      names.map((name) => ({ name, read: async () => readShared(`${REAL}/${name}`) })),
    );
    assert.deepEqual([source.shape, source.derivedUids], [[512, 512, 20], true]);
    const labels = new Uint8Array(512 * 512 * 20);
    for (let slice = 4; slice < 9; slice += 1) labels.fill(1, slice * 512 ** 2 + 1000, slice * 512 ** 2 + 9000);
    const read = await readWithDcmqi(write(source, labels, [{ label: 1, name: 'spleen' }]));
    assert.deepEqual(read.size, [512, 512, 5]);
    assert.deepEqual(read.worldOf([0, 0, 0]), [-249.51171875, -437.51171875, -796.5]);
    assert.deepEqual(Array.from(read.voxels), [...labels.subarray(4 * 512 ** 2, 9 * 512 ** 2)]);
    assert.equal(read.segments[0]!.SegmentedPropertyTypeCodeSequence.CodeValue, '78961009');
  });
});
