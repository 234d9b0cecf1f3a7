import { LAYOUT, type NiftiVersion } from './nifti-layout.ts';

/**
 * The numbers by which a header says where its grid lies, bit by bit as they stand there. A mask that carries them is laid
 * by every program where that program lays the scan: by the sform or by the qform where the two disagree, and by a guess
 * of its own where there is neither. Rounded, or made anew from one affine, they would be other numbers.
 */
export interface NiftiPlace {
  readonly version: NiftiVersion;
  /** xyzt_units. */
  readonly units: number;
  /** Base64, little-endian: pixdim (8 reals), quatern_b c d, qoffset_x y z, srow_x y z (12). */
  readonly reals: string;
}

/** First byte and number of reals of each field, in the order of `NiftiPlace.reals`. */
const fieldsOf = (version: NiftiVersion): [start: number, count: number][] => {
  const { pixdim, quaternion, srow } = LAYOUT[version];
  return [
    [pixdim, 8],
    [quaternion, 6],
    [srow, 12],
  ];
};

export function readPlace(version: NiftiVersion, header: DataView, littleEndian: boolean): NiftiPlace {
  const { realBytes, units } = LAYOUT[version];
  const reals = fieldsOf(version).flatMap(([start, count]) =>
    Array.from({ length: count * realBytes }, (_, index) => {
      const [real, byte] = [Math.floor(index / realBytes), index % realBytes];
      return header.getUint8(start + real * realBytes + (littleEndian ? byte : realBytes - 1 - byte));
    }),
  );
  return {
    version,
    units: version === 1 ? header.getUint8(units) : header.getInt32(units, littleEndian),
    reals: Buffer.from(reals).toString('base64'),
  };
}

/** Into a little-endian header of the place's own version. */
export function writePlace(header: DataView, { version, units, reals }: NiftiPlace): void {
  if (version === 1) header.setUint8(LAYOUT[1].units, units);
  else header.setInt32(LAYOUT[2].units, units, true);
  const bytes = Buffer.from(reals, 'base64');
  let at = 0;
  for (const [start, count] of fieldsOf(version)) {
    const end = start + count * LAYOUT[version].realBytes;
    for (let to = start; to < end; to += 1, at += 1) header.setUint8(to, bytes[at]!);
  }
}
