/** A structure of a label map: the value of its voxels, and its name. */
export interface Structure {
  readonly label: number;
  readonly name: string;
}

/**
 * The label table of Connectome Workbench (XML) under the code that TotalSegmentator writes and reads it by. Workbench's own
 * code is 30, whose content nibabel 5.4 no longer gives to programs that ask as TotalSegmentator does.
 */
const EXTENSION_CODE = 0;
/** By sizeof_hdr of the two versions: where vox_offset lies. Four bytes of flags follow the header, then extensions. */
const VOX_OFFSET_FIELD = { 348: 108, 540: 168 } as const;
/** Red, green, blue of the first structures, then again from the start; Workbench wants a colour for every label. */
const PALETTE = ['1 0.2 0.2', '0.2 0.6 1', '0.3 0.8 0.3', '1 0.8 0.2', '0.7 0.4 0.9', '0.2 0.8 0.8', '1 0.5 0.1'];

/**
 * A NIfTI file (little-endian, plain, without extensions) with the names of its structures in a header extension. Voxels and
 * the rest of the header stay; readers that know nothing of it skip it by vox_offset. Without structures, the file itself.
 */
export function withLabelTable(nifti: Uint8Array, structures: readonly Structure[]): Uint8Array {
  if (structures.length === 0) return nifti;
  const headerBytes = new DataView(nifti.buffer, nifti.byteOffset).getInt32(0, true) as keyof typeof VOX_OFFSET_FIELD;
  const extension = extensionOf(structures);
  const bytes = new Uint8Array(nifti.length + extension.length);
  const start = headerBytes + 4;
  const end = start + extension.length;
  bytes.set(nifti.subarray(0, start));
  bytes.set(extension, start);
  bytes.set(nifti.subarray(start), end);
  const header = new DataView(bytes.buffer);
  header.setUint8(headerBytes, 1);
  if (headerBytes === 348) header.setFloat32(VOX_OFFSET_FIELD[348], end, true);
  else header.setBigInt64(VOX_OFFSET_FIELD[540], BigInt(end), true);
  return bytes;
}

/** Size, code and text. nifti1.h: the size is a multiple of 16, its own 8 bytes included; spaces after the text are harmless. */
function extensionOf(structures: readonly Structure[]): Uint8Array {
  const text = new TextEncoder().encode(labelTableXml(structures));
  const bytes = new Uint8Array(16 * Math.ceil((8 + text.length) / 16)).fill(0x20);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, bytes.length, true);
  view.setInt32(4, EXTENSION_CODE, true);
  bytes.set(text, 8);
  return bytes;
}

function labelTableXml(structures: readonly Structure[]): string {
  const labels = structures.map(({ label, name }, at) => {
    const [red, green, blue] = PALETTE[at % PALETTE.length]!.split(' ');
    return `<Label Key="${label}" Red="${red}" Green="${green}" Blue="${blue}" Alpha="1">${escaped(name)}</Label>`;
  });
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<CaretExtension><VolumeInformation Index="0">',
    '<LabelTable>',
    ...labels,
    '</LabelTable><StudyMetaDataLinkSet></StudyMetaDataLinkSet><VolumeType>Label</VolumeType>',
    '</VolumeInformation></CaretExtension>',
  ].join('\n');
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
