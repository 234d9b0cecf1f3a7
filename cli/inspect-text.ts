import { basename } from 'node:path';
import Table from 'cli-table3';
import pc from 'picocolors';
import { stringify } from 'yaml';
import type { DatasetFacts } from '../lib/dataset/inspect.ts';
import { tableStyle } from './table-style.ts';

export function renderDataset(
  path: string,
  { layout, dataset, patients, leftOver, split, splitFault }: DatasetFacts,
): string {
  const partOf = (id: string): string =>
    (['train', 'val', 'test'] as const).find((part) => split?.[part].includes(id)) ?? '';
  const table = new Table({ head: ['patient', 'image', 'shape', 'axes', 'target voxels', 'split'], ...tableStyle() });
  for (const { id, image, volume } of patients) {
    const name = image.length === 1 ? basename(image[0]!) : `${image.length} DICOM files`;
    const facts = volume ? [volume.shape.join(' x '), volume.axisCodes, volume.foregroundVoxels] : ['', '', ''];
    table.push([id, name, ...facts, partOf(id)]);
  }
  const lines = [
    `${pc.bold(basename(path))}  ${layout === null ? 'no layout that samflow knows' : `layout: ${layout}`}`,
  ];
  if (patients.length > 0) lines.push(table.toString());
  for (const { id, fault } of patients) if (fault) lines.push(pc.red(`✗ ${id}: ${fault.message}`));
  for (const { id, volume } of patients) {
    for (const repair of volume?.repairs ?? []) lines.push(pc.yellow(`! ${id}: ${repair}`));
  }
  if (patients.length === 0) lines.push('Say which files belong together: samflow inspect PATH --config CONFIG');
  else if (splitFault) lines.push(pc.red(`✗ ${splitFault.message}`));
  for (const { path: file, why } of leftOver.slice(0, 20)) lines.push(pc.dim(`  not used: ${file} (${why})`));
  if (leftOver.length > 20) lines.push(pc.dim(`  and ${leftOver.length - 20} more files`));
  if (dataset?.pattern) {
    lines.push('', 'For the configuration:', configurationText({ pattern: dataset.pattern }));
  }
  return lines.join('\n');
}

/** To be copied into a configuration. Values go through the YAML library: a pattern may begin with `{`, which YAML reads as a map. */
const configurationText = (dataset: NonNullable<DatasetFacts['dataset']>): string =>
  stringify({ dataset }, { lineWidth: 0 }).trimEnd().replace(/^/gm, '  ');
