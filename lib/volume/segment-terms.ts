import { createHash } from 'node:crypto';

/** A coded concept of DICOM (PS3.3 8.8): code, scheme and meaning. */
export interface Term {
  readonly value: string;
  readonly scheme: string;
  readonly meaning: string;
}

/** What a segment is, as its SegmentSequence item says it. */
export interface SegmentTerms {
  /** Of CID 7150. */
  readonly category: Term;
  readonly type: Term;
  /** Left or right (CID 244), where the name says so. */
  readonly laterality: Term | null;
}

const sct = (value: string, meaning: string): Term => ({ value, scheme: 'SCT', meaning });

const ANATOMY = sct('91723000', 'Anatomical Structure');
const ABNORMAL = sct('49755003', 'Morphologically Abnormal Structure');
const TISSUE = sct('85756007', 'Tissue');
const CONCEPT = sct('309825002', 'Spatial and Relational Concept');
const SIDES = new Map([
  ['left', sct('7771000', 'Left')],
  ['right', sct('24028007', 'Right')],
]);

/** SNOMED CT codes by name, singular. From the DICOM subset (PS3.16), as pydicom 3.0 lists it. */
const TYPES: readonly (readonly [category: Term, code: string, meaning: string, ...otherNames: string[]])[] = [
  [ANATOMY, '23451007', 'Adrenal gland'],
  [ANATOMY, '15825003', 'Aorta'],
  [ANATOMY, '272673000', 'Bone'],
  [ANATOMY, '12738006', 'Brain'],
  [ANATOMY, '76752008', 'Breast'],
  [ANATOMY, '51299004', 'Clavicle', 'clavicula'],
  [ANATOMY, '71854001', 'Colon'],
  [ANATOMY, '38848004', 'Duodenum'],
  [ANATOMY, '38266002', 'Entire body', 'body'],
  [ANATOMY, '32849002', 'Esophagus', 'oesophagus'],
  [ANATOMY, '81745001', 'Eye'],
  [ANATOMY, '71341001', 'Femur'],
  [ANATOMY, '28231008', 'Gallbladder', 'gall bladder'],
  [ANATOMY, '80891009', 'Heart'],
  [ANATOMY, '5366008', 'Hippocampus'],
  [ANATOMY, '85050009', 'Humerus'],
  [ANATOMY, '64131007', 'Inferior vena cava', 'ivc'],
  [ANATOMY, '64033007', 'Kidney'],
  [ANATOMY, '14742008', 'Large intestine'],
  [ANATOMY, '10200004', 'Liver'],
  [ANATOMY, '31094006', 'Lobe of lung', 'lung lobe'],
  [ANATOMY, '39607008', 'Lung'],
  [ANATOMY, '59441001', 'Lymph node'],
  [ANATOMY, '15776009', 'Pancreas'],
  [ANATOMY, '3120008', 'Pleura'],
  [ANATOMY, '32764006', 'Portal vein'],
  [ANATOMY, '41216001', 'Prostate'],
  [ANATOMY, '81040000', 'Pulmonary artery'],
  [ANATOMY, '34402009', 'Rectum'],
  [ANATOMY, '113197003', 'Rib'],
  [ANATOMY, '54735007', 'Sacrum'],
  [ANATOMY, '79601000', 'Scapula'],
  [ANATOMY, '89546000', 'Skull'],
  [ANATOMY, '30315005', 'Small intestine', 'small bowel'],
  [ANATOMY, '2748008', 'Spinal cord'],
  [ANATOMY, '78961009', 'Spleen'],
  [ANATOMY, '56873002', 'Sternum'],
  [ANATOMY, '69695003', 'Stomach'],
  [ANATOMY, '48345005', 'Superior vena cava', 'svc'],
  [ANATOMY, '69748006', 'Thyroid', 'thyroid gland'],
  [ANATOMY, '44567001', 'Trachea'],
  [ANATOMY, '87953007', 'Ureter'],
  [ANATOMY, '89837001', 'Urinary bladder', 'bladder'],
  [ANATOMY, '35039007', 'Uterus'],
  [ANATOMY, '51282000', 'Vertebra', 'vertebrae'],
  [ABNORMAL, '367643001', 'Cyst'],
  [ABNORMAL, '50960005', 'Hemorrhage', 'haemorrhage'],
  [ABNORMAL, '52988006', 'Lesion'],
  [ABNORMAL, '4147007', 'Mass'],
  [ABNORMAL, '108369006', 'Neoplasm', 'tumor', 'tumour'],
  [ABNORMAL, '27925004', 'Nodule'],
  [TISSUE, '71616004', 'Muscle'],
  [TISSUE, '39937001', 'Skin'],
];

const BY_NAME = new Map(
  TYPES.flatMap(([category, code, meaning, ...otherNames]) =>
    [meaning.toLowerCase(), ...otherNames].map((name) => [name, { category, type: sct(code, meaning) }] as const),
  ),
);

/**
 * The coded terms of a structure by its name: `lungs`, `kidney_left`, `Left Kidney`. Nothing is guessed: a name that is not
 * in the table, or only in part, gets a private code and a category that says no more than that it is a region.
 */
export function termsOf(name: string): SegmentTerms {
  const words = name
    .replace(/(\p{Ll})(\p{Lu})/gu, '$1 $2')
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '');
  const sides = words.flatMap((word) => SIDES.get(word) ?? []);
  const bare = words.filter((word) => !SIDES.has(word)).join(' ');
  const known = BY_NAME.get(bare) ?? BY_NAME.get(bare.replace(/s$/, '')) ?? BY_NAME.get(bare.replace(/es$/, ''));
  if (known && sides.length <= 1) return { ...known, laterality: sides[0] ?? null };
  return { category: CONCEPT, type: privateTerm(name), laterality: null };
}

/** A code of samflow's own: the same name has the same code. Codes have at most 16 characters, meanings 64. */
function privateTerm(name: string): Term {
  const value = createHash('sha256').update(name).digest('hex').slice(0, 12);
  return { value, scheme: '99SAMFLOW', meaning: longString(name) };
}

/** Text as an LO holds it (PS3.5 6.2): 64 characters, no backslash, no control characters. */
export const longString = (text: string): string =>
  text
    .replace(/[\\\p{Cc}]+/gu, ' ')
    .trim()
    .slice(0, 64);
