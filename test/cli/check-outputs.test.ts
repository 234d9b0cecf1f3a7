import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { link, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { checkOutputs } from '../../cli/check-outputs.ts';
import { findScan } from '../../cli/scan-files.ts';
import { toFault } from '../../cli/to-fault.ts';

let folder: string;
const at = (...names: string[]): string => join(folder, ...names);
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'samflow-outputs-'));
  for (const name of ['ct.nii.gz', 'other.nii.gz', 'odd.nii.gz.part', 'file']) await writeFile(at(name), name);
  await mkdir(at('series'));
  await mkdir(at('taken.nii.gz'));
  for (const name of ['1.dcm', '2.dcm']) await writeFile(at('series', name), name);
  await symlink(at('ct.nii.gz'), at('symbolic.nii.gz'));
  await link(at('ct.nii.gz'), at('hard.nii.gz'));
  await symlink(at('series'), at('linked-series'));
});
after(() => rm(folder, { recursive: true }));

const check = async (scans: string[], outputs: string[]): Promise<void> =>
  checkOutputs(outputs, await Promise.all(scans.map(findScan)));

const REFUSED: [claim: string, scans: string[], output: string, message: RegExp][] = [
  [
    'the scan',
    ['ct.nii.gz'],
    'ct.nii.gz',
    /^--output \S+ct\.nii\.gz: found the scan \S+ct\.nii\.gz itself, .*\[USAGE\]$/,
  ],
  ['the scan by another way', ['ct.nii.gz'], 'series/../ct.nii.gz', /found the scan/],
  ['the scan by a symbolic link', ['ct.nii.gz'], 'symbolic.nii.gz', /found the scan/],
  ['what a scan that is a link points to', ['symbolic.nii.gz'], 'ct.nii.gz', /found the scan/],
  ['the scan by a hard link', ['ct.nii.gz'], 'hard.nii.gz', /found the scan/],
  ['another of the scans', ['ct.nii.gz', 'other.nii.gz'], 'other.nii.gz', /found the scan \S+other/],
  ['a scan whose name is that of a half-written file', ['odd.nii.gz.part'], 'odd.nii.gz', /found the scan \S+odd/],
  [
    'a place in a DICOM folder',
    ['series'],
    'series/mask.nii.gz',
    /found a place among the files of \S+series, .*\[USAGE\]$/,
  ],
  ['the same by a link', ['series'], 'linked-series/mask.nii.gz', /found a place among/],
  ['a folder', ['ct.nii.gz'], 'taken.nii.gz', /found a folder, expected a file to write/],
  [
    'a place below a file',
    ['ct.nii.gz'],
    'file/mask.nii.gz',
    /found a file where a folder should be .*\[FILE_ACCESS\]$/,
  ],
];

describe('outputs of samflow infer', () => {
  for (const [claim, scans, output, message] of REFUSED) {
    it(`are refused before any work where they are ${claim}`, async () => {
      const paths = scans.map((scan) => at(scan));
      const error = await check(paths, [at(output)]).catch((reason) => reason);
      assert.match(toFault(error).message, message);
      assert.equal(await readFile(at('ct.nii.gz'), 'utf8'), 'ct.nii.gz');
    });
  }

  it('are refused by a relative path too', async () => {
    const path = relative(process.cwd(), at('ct.nii.gz'));
    await assert.rejects(check([at('ct.nii.gz')], [path]), /found the scan/);
  });

  const noProc = existsSync('/proc/self') ? false : 'this system has no /proc';
  it('are refused where nobody may write, whatever the system says of it', { skip: noProc }, () =>
    assert.rejects(check([at('ct.nii.gz')], ['/proc/none/mask.nii.gz']), { code: 'ENOENT' }),
  );

  it('get the folders that they lie in, and nothing else', async () => {
    await check([at('ct.nii.gz')], [at('new', 'deep', 'mask.nii.gz'), at('beside.nii.gz')]);
    assert.deepEqual(await readdir(at('new', 'deep')), []);
    assert.ok(!existsSync(at('beside.nii.gz')) && !existsSync(at('beside.nii.gz.part')));
  });
});
