import { basename } from 'node:path';
import pc from 'picocolors';
import type { VolumeFacts } from '../lib/volume/inspect.ts';

const number = (value: number): string => String(Number(value.toPrecision(6)));

export function renderVolume(path: string, facts: VolumeFacts): string {
  const {
    kind,
    shape,
    datatype,
    byteOrder,
    zooms,
    axcodes,
    affine,
    min,
    max,
    mean,
    sliceAxis,
    labels,
    segments,
    notes,
  } = facts;
  const axis = (at: number): string => `array axis ${at} (${shape[at]} slices)`;
  const rows: [string, string][] = [
    ['kind', kind],
    ['shape', shape.join(' x ')],
    ['voxels', `${datatype}, ${byteOrder}-endian`],
    ['spacing', `${zooms.map(number).join(' x ')} mm`],
    ['axes', `${axcodes} (directions in which they grow)`],
    [
      'affine',
      affine
        .slice(0, 3)
        .map((row) => `[${row.map(number).join(', ')}]`)
        .join(' '),
    ],
    ['intensity', `${number(min)} to ${number(max)}, mean ${number(mean)}`],
    ['axial', axis(sliceAxis.axial)],
    ['coronal', axis(sliceAxis.coronal)],
    ['sagittal', axis(sliceAxis.sagittal)],
  ];
  if (labels) rows.push(['labels', labels.map(({ value, voxels }) => `${value} (${voxels})`).join(', ')]);
  if (segments) rows.push(['segments', segments.map(({ number, label }) => `${number} ${label}`.trim()).join(', ')]);
  return [
    pc.bold(basename(path)),
    ...rows.map(([name, value]) => `  ${name.padEnd(10)}  ${value}`),
    ...notes.map((note) => pc.yellow(`  ! ${note}`)),
  ].join('\n');
}
