/** Where the fields of the two NIfTI headers lie (nifti1.h, nifti2.h), in bytes. Reals have 4 bytes in version 1, 8 in version 2. */
export const LAYOUT = {
  1: {
    headerBytes: 348,
    realBytes: 4,
    dim: 40,
    datatype: 70,
    bitpix: 72,
    pixdim: 76,
    voxOffset: 108,
    slope: 112,
    units: 123,
    qformCode: 252,
    sformCode: 254,
    /** quatern_b c d, qoffset_x y z. */
    quaternion: 256,
    /** srow_x y z, four each. */
    srow: 280,
    magic: 344,
  },
  2: {
    headerBytes: 540,
    realBytes: 8,
    magic: 4,
    datatype: 12,
    bitpix: 14,
    dim: 16,
    pixdim: 104,
    voxOffset: 168,
    slope: 176,
    qformCode: 344,
    sformCode: 348,
    quaternion: 352,
    srow: 400,
    units: 500,
  },
} as const;

export type NiftiVersion = keyof typeof LAYOUT;

/** What follows a header in a file without extensions. */
export const NO_EXTENSIONS_BYTES = 4;
