import assert from 'node:assert/strict';
import { test } from 'node:test';
import { longString, termsOf } from '../../../lib/volume/segment-terms.ts';

const KNOWN: [name: string, code: string, meaning: string, side?: string][] = [
  ['lungs', '39607008', 'Lung'],
  ['Lung', '39607008', 'Lung'],
  ['lung_left', '39607008', 'Lung', 'Left'],
  ['rightKidney', '64033007', 'Kidney', 'Right'],
  ['Kidneys', '64033007', 'Kidney'],
  ['liver', '10200004', 'Liver'],
  ['pancreas', '15776009', 'Pancreas'],
  ['spleen', '78961009', 'Spleen'],
  ['aorta', '15825003', 'Aorta'],
  ['urinary-bladder', '89837001', 'Urinary bladder'],
  ['vertebrae', '51282000', 'Vertebra'],
  ['masses', '4147007', 'Mass'],
  ['tumour', '108369006', 'Neoplasm'],
];
for (const [name, code, meaning, side] of KNOWN) {
  test(`${name} has the SNOMED CT code of ${[meaning, side].filter(Boolean).join(', ')}`, () => {
    const { type, laterality } = termsOf(name);
    assert.deepEqual(type, { value: code, scheme: 'SCT', meaning });
    assert.equal(laterality?.meaning, side);
  });
}

test('what is abnormal is not called anatomy', () => {
  assert.equal(termsOf('nodule').category.meaning, 'Morphologically Abnormal Structure');
  assert.equal(termsOf('lung').category.meaning, 'Anatomical Structure');
});

const UNKNOWN = ['lung_upper_lobe_left', 'left right lung', 'tumor ä', 'Größe', 'x'.repeat(100)];
test('a name that is not known, or only in part, gets a code of its own and no meaning that it may not have', () => {
  const codes = UNKNOWN.map((name) => {
    const { category, type, laterality } = termsOf(name);
    assert.deepEqual(
      [category.meaning, type.scheme, laterality],
      ['Spatial and Relational Concept', '99SAMFLOW', null],
    );
    assert.match(type.value, /^[0-9a-f]{12}$/);
    assert.equal(type.meaning, name.slice(0, 64));
    return type.value;
  });
  assert.equal(new Set(codes).size, UNKNOWN.length);
  assert.equal(termsOf('Größe').type.value, codes[3]);
});

test('text is cut and cleaned to what DICOM allows', () => {
  assert.equal(longString(' a\\b\nc '), 'a b c');
  assert.equal(longString('y'.repeat(65)).length, 64);
});
