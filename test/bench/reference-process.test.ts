import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ReferenceProcess } from '../../bench/reference-process.ts';

const scratch = mkdtempSync(join(tmpdir(), 'samflow-reference-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** A program that stands in for Python; it gets the script's name and the number of threads. */
function program(name: string, ...lines: string[]): string {
  const file = join(scratch, name);
  writeFileSync(file, lines.join('\n'), { mode: 0o755 });
  return file;
}

const INSTALL = /pip install -r bench\/reference\/requirements\.txt.*\[BENCH_REFERENCE\]$/;
const refused =
  (found: RegExp, fix = INSTALL) =>
  (error: Error) => {
    assert.match(error.message, found);
    assert.match(error.message, fix);
    return true;
  };

const TWO = { threads: 2, device: 'cpu' } as const;

test('without Python, or where it ends or lacks a package, the fault says why and how to install', async () => {
  await assert.rejects(ReferenceProcess.start(TWO, join(scratch, 'nowhere')), refused(/ENOENT/));
  const failing = program('failing', '#!/bin/sh', 'echo "first line" >&2', 'echo "no module named json" >&2', 'exit 1');
  await assert.rejects(ReferenceProcess.start(TWO, failing), refused(/ended with code 1: no module named json/));
  const lacking = program('lacking', '#!/bin/sh', 'echo \'{"error": "torch is 2.1.0, not 2.13.0"}\'');
  await assert.rejects(ReferenceProcess.start(TWO, lacking), refused(/torch is 2\.1\.0, not 2\.13\.0/));
});

test('one process answers run after run, with its reason where a row fails, and ends when it is closed', async () => {
  const answering = program(
    'answering',
    '#!/bin/sh',
    'echo "{\\"ready\\": {\\"threads\\": \\"$2\\"}}"',
    'n=0',
    'while read line; do',
    '  n=$((n + 1))',
    '  case "$line" in',
    '    *adam*) echo \'{"error": "no such row"}\' ;;',
    '    *) echo "{\\"value\\": $n}" ;;',
    '  esac',
    'done',
  );
  const reference = await ReferenceProcess.start(TWO, answering);
  assert.equal(await reference.run('step'), 1);
  await assert.rejects(reference.run('adam'), refused(/no such row/, /Run bench\/reference\/reference\.py by itself/));
  assert.equal(await reference.run('step'), 3);
  await reference.close();
  await assert.rejects(reference.run('step'), refused(/ended with code 0/, /by itself/));
});

test('a row is asked for with what it works on, and each side names its own script and packages', async () => {
  const echoing = program(
    'echoing',
    '#!/bin/sh',
    'echo "{\\"ready\\": {}}"',
    'read line',
    'echo "{\\"error\\": $line}"',
    'exit 3',
  );
  const reference = await ReferenceProcess.start({ ...TWO, side: 'data' }, echoing);
  await assert.rejects(reference.run('slices', { ct: 'a.nii.gz' }), (error: Error) => {
    assert.match(error.message, /Run bench\/reference\/data\.py by itself/);
    return true;
  });
  await reference.close();
  const failing = program('lacking-scipy', '#!/bin/sh', 'echo "{\\"error\\": \\"scipy is not installed\\"}"');
  await assert.rejects(
    ReferenceProcess.start({ ...TWO, side: 'data' }, failing),
    refused(/scipy is not installed/, /pip install -r bench\/reference\/requirements-data\.txt/),
  );
});

test('the reference sides run on exact versions', () => {
  const packagesOf = (name: string) => {
    const file = new URL(`../../bench/reference/${name}`, import.meta.url);
    const lines = readFileSync(file, 'utf8').split('\n');
    const packages = lines.filter((line) => line !== '' && !line.startsWith('#'));
    for (const line of packages) assert.match(line, /^[a-z]+==\d+\.\d+\.\d+$/);
    return packages.map((line) => line.split('==')[0]);
  };
  assert.deepEqual(packagesOf('requirements.txt'), ['torch', 'transformers', 'pillow', 'numpy']);
  assert.deepEqual(packagesOf('requirements-data.txt'), ['nibabel', 'numpy', 'pillow', 'scipy', 'simpleitk']);
});
