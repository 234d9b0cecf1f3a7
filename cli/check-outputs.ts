import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { Fault } from '../lib/fault.ts';
import type { Scan } from './scan-files.ts';

/**
 * Refuses outputs that would replace an input or that cannot be written, before any work is done for them. Makes their
 * folders. @throws Fault USAGE, and what the file system says of a place that cannot be written
 */
export async function checkOutputs(paths: readonly string[], scans: readonly Scan[]): Promise<void> {
  const inputs = new Map<string | null, string>();
  for (const { path, files } of scans) for (const file of [path, ...files]) inputs.set(await identityOf(file), path);
  inputs.delete(null);
  for (const path of paths) {
    const replaced = inputs.get(await identityOf(path)) ?? inputs.get(await identityOf(partOf(path)));
    if (replaced !== undefined) throw refusal(path, `the scan ${replaced} itself`, 'another file than an input');
    const among = inputs.get(await identityOf(dirname(resolve(path))));
    if (among !== undefined) throw refusal(path, `a place among the files of ${among}`, 'a folder that is no scan');
    if ((await stat(path).catch(() => null))?.isDirectory()) throw refusal(path, 'a folder', 'a file to write');
    await tryWriting(path);
  }
}

/** Where `writeOutput` puts a file before it is moved into place. */
const partOf = (path: string): string => `${path}.part`;

/** What names a file or folder whichever way leads to it: links, `./`, letters that this disk takes for the same. */
async function identityOf(path: string): Promise<string | null> {
  const info = await stat(path, { bigint: true }).catch(() => null);
  return info && `${info.dev}:${info.ino}`;
}

async function tryWriting(path: string): Promise<void> {
  await makeFolder(dirname(resolve(path)));
  await writeFile(partOf(path), '');
  await rm(partOf(path));
}

/** One by one: `recursive` of Node 20 does not end where the system says that the parent is missing and it is not (/proc). */
async function makeFolder(folder: string): Promise<void> {
  const parent = dirname(folder);
  if (parent === folder || (await identityOf(folder))) return;
  await makeFolder(parent);
  await mkdir(folder);
}

const refusal = (at: string, found: string, expected: string): Fault =>
  new Fault('USAGE', { at: `--output ${at}`, found, expected, fix: 'Choose another --output' });
