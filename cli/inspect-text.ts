import { basename, dirname } from 'node:path';
import Table from 'cli-table3';
import pc from 'picocolors';
import { stringify } from 'yaml';
import type { DatasetFacts } from '../lib/dataset/inspect.ts';
import { tableStyle } from './table-style.ts';

export function renderDataset(
  path: string,
  { layout, doubt, others, dataset, patients, leftOver, split, folds, splitFault }: DatasetFacts,
): string {
  const foldOf = (id: string): string => {
    const fold = folds?.findIndex((tested) => tested.includes(id)) ?? -1;
    return fold < 0 ? '' : `fold ${fold + 1}`;
  };
  const partOf = (id: string): string =>
    (['train', 'val', 'test'] as const).find((part) => split?.[part].includes(id)) ?? foldOf(id);
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
  const unused = leftOverLines(leftOver);
  lines.push(...unused.slice(0, 20).map((line) => pc.dim(line)));
  if (unused.length > 20) lines.push(pc.dim(`  and ${unused.length - 20} more lines like these`));
  if (doubt !== null && layout !== null) {
    lines.push(pc.yellow(`! A run needs to be told what is meant: ${doubt}`));
    for (const { pattern, pairs } of others.slice(0, 5)) {
      if (pattern) lines.push(pc.dim(`  may be meant: ${pattern.image} with ${pattern.mask} (pairs: ${pairs})`));
    }
  }
  if (dataset?.pattern) {
    const head = doubt === null ? 'For the configuration, or found again without it:' : 'For the configuration:';
    lines.push('', head, configurationText({ pattern: dataset.pattern }));
  }
  return lines.join('\n');
}

/** A line for each file; the slices of a folder share one. */
function leftOverLines(leftOver: DatasetFacts['leftOver']): string[] {
  const groups = new Map<string, string[]>();
  for (const { path, why } of leftOver) {
    const group = JSON.stringify([dirname(path), why]);
    groups.set(group, [...(groups.get(group) ?? []), path]);
  }
  return [...groups].flatMap(([group, paths]) => {
    const [folder, why] = JSON.parse(group) as [string, string];
    if (paths.length > 3) return [`  not used: ${folder}/, ${paths.length} files (${why})`];
    return paths.map((path) => `  not used: ${path} (${why})`);
  });
}

/** To be copied into a configuration. Values go through the YAML library: a pattern may begin with `{`, which YAML reads as a map. */
const configurationText = (dataset: NonNullable<DatasetFacts['dataset']>): string =>
  stringify({ dataset }, { lineWidth: 0 }).trimEnd().replace(/^/gm, '  ');
