import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { phantomScan } from '../../lib/dataset/phantom.ts';
import { type DicomSlice, dicomFile } from './dicom-file.ts';

/** A generated chest CT as a folder of DICOM slices, of a patient of this name. UIDs are made up; `more` goes into each. */
export async function writePhantomSeries(
  folder: string,
  seed: number,
  patientName: string,
  more: DicomSlice['more'] = {},
): Promise<void> {
  const { shape, image, voxelToWorld } = phantomScan(1, seed);
  const [columns, rows, slices] = shape;
  const [sx, sy, sz] = [0, 5, 10].map((at) => Math.abs(voxelToWorld[at]!)) as [number, number, number];
  await mkdir(folder, { recursive: true });
  for (let k = 0; k < slices; k += 1) {
    const hu = image.subarray(k * columns * rows, (k + 1) * columns * rows);
    const file = dicomFile({
      ...{ rows, columns, patientName, seriesUid: '1.2.3.4', thickness: sz },
      ...{ spacing: [sy, sx], position: [-voxelToWorld[3]!, -voxelToWorld[7]!, voxelToWorld[11]! + k * sz] },
      pixels: Uint16Array.from(hu, (value) => Math.max(0, value + 1024)),
      more: {
        '00080018': ['UI', `1.2.3.4.${k + 1}`],
        '0020000d': ['UI', '1.2.3.1'],
        '00200052': ['UI', '1.2.3.9'],
        ...more,
      },
    });
    await writeFile(join(folder, `${k}.dcm`), file);
  }
}
