import { bytes, count, duration, plural, shortHash } from './format.ts';
import { type Html, html, type Part } from './html.ts';
import type { LineageEntry, ReportData } from './report-data.ts';
import { bar, table } from './table.ts';

/** The settings, one table for every group. */
export function settingsSection({ settings }: Pick<ReportData, 'settings'>): Html {
  const groups = settingGroups(settings).map(
    ([name, entries]) =>
      html`<table class="settings"><caption>${name}</caption><tbody>${entries.map(
        ([key, value]) => html`<tr><th scope="row">${key}</th><td>${value}</td></tr>`,
      )}</tbody></table>`,
  );
  return html`<section id="settings"><h2>Settings</h2><div class="columns">${groups}</div></section>`;
}

/** A nested record as groups of key and value: plain values of the top level first, then one group for each nested record. */
export function settingGroups(settings: Readonly<Record<string, unknown>>): [string, [string, string][]][] {
  const plain: [string, string][] = [];
  const groups: [string, [string, string][]][] = [];
  for (const [name, value] of Object.entries(settings)) {
    const entries = flatten(value, '');
    if (entries.length === 1 && entries[0]?.[0] === '') plain.push([name, entries[0][1]]);
    else if (entries.length > 0) groups.push([name, entries]);
  }
  return plain.length > 0 ? [['run', plain], ...groups] : groups;
}

/** Leaves with their dotted paths, e.g. `patients[0].id`. A list of plain values is one leaf. */
function flatten(value: unknown, path: string): [string, string][] {
  if (value === undefined) return [];
  if (value === null) return [[path, 'none']];
  if (typeof value !== 'object') return [[path, String(value)]];
  if (Array.isArray(value)) {
    if (value.every((item) => typeof item !== 'object' || item === null)) return [[path, value.join(', ') || 'none']];
    return value.flatMap((item, i) => flatten(item, `${path}[${i}]`));
  }
  return Object.entries(value).flatMap(([key, item]) => flatten(item, path ? `${path}.${key}` : key));
}

/**
 * What was made in which stage and how long the work took when it was done; then every artifact. Whether a run made it or
 * found it in the store is not told: that differs from run to run, and the report of the same results is the same.
 */
export function lineageSection({ lineage, createdFrom }: ReportData): Html {
  const columns = [
    { name: 'Stage' },
    { name: 'Kind', word: true },
    { name: 'SHA-256', word: true },
    { name: 'Size' },
    { name: 'Time' },
  ];
  const artifacts = lineage.map(({ stage, artifact, seconds }) => [
    stage,
    artifact.kind,
    hash(artifact.sha256),
    bytes(artifact.bytes),
    duration(seconds),
  ]);
  const sources = createdFrom.map(({ name, sha256 }, i) => [i > 0 && ', ', `${name} `, hash(sha256)]);
  return html`<section id="lineage"><h2>Lineage</h2>
<p class="note">${plural(lineage.length, 'artifact')}, ${bytes(total(lineage))}, each stored under the SHA-256 of its bytes. The work took ${duration(seconds(lineage))}; what is in the store already is not made again.</p>
${stageTable(lineage)}
<details><summary>All artifacts</summary>${table(columns, artifacts)}</details>
<p class="note">This report was made from ${sources}.</p></section>
`;
}

/** One row a stage, with a bar for its time. */
function stageTable(lineage: readonly LineageEntry[]): Html {
  const stages = [...new Set(lineage.map(({ stage }) => stage))];
  const entries = stages.map((stage) => lineage.filter((entry) => entry.stage === stage));
  const longest = Math.max(...entries.map(seconds), 0) || 1;
  const rows = entries.map((of, i) => [
    stages[i]!,
    count(of.length),
    bytes(total(of)),
    duration(seconds(of)),
    bar(seconds(of) / longest, 'time'),
  ]);
  const columns = ['Stage', 'Artifacts', 'Size', 'Time', ''].map((name) => ({ name }));
  return html`<div class="stages">${table(columns, rows)}</div>`;
}

function seconds(entries: readonly LineageEntry[]): number {
  return entries.reduce((sum, entry) => sum + entry.seconds, 0);
}

function total(entries: readonly LineageEntry[]): number {
  return entries.reduce((sum, entry) => sum + entry.artifact.bytes, 0);
}

export function hash(sha256: string): Part {
  return html`<code title="${sha256}">${shortHash(sha256)}</code>`;
}
