import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { gzipSync } from 'node:zlib';
import { parse } from 'yaml';
import { inspectCommand } from '../../cli/commands/inspect.ts';
import { renderDataset } from '../../cli/inspect-text.ts';
import { RunConfig } from '../../contracts/config.ts';
import { phantomFiles } from '../../lib/dataset/phantom.ts';
import { tarOf } from '../helpers/archives.ts';
import { Home } from '../helpers/cli.ts';
import { DICOM_IDENTITY } from '../helpers/dicom-fixtures.ts';
import { GOLDEN } from '../helpers/nifti-fixtures.ts';
import { sharedPath, withoutShared } from '../helpers/shared-data.ts';
import { assertFactsAgree } from '../helpers/volume-facts.ts';

const FIXTURES = fileURLToPath(new URL('../fixtures/nifti/', import.meta.url));
const DICOM = fileURLToPath(new URL('../fixtures/dicom/', import.meta.url));

/** Calls the command in this process and gives what it has printed. */
async function inspect(context: TestContext, ...args: Parameters<typeof inspectCommand>) {
  const lines: string[] = [];
  const print = context.mock.method(console, 'log', (line: string) => void lines.push(line));
  try {
    const code = await inspectCommand(...args);
    return { code, text: lines.join('\n') };
  } finally {
    print.mock.restore();
  }
}

describe('samflow inspect FILE --json', () => {
  for (const [name, golden] of Object.entries(GOLDEN)) {
    it(`says of ${name} what nibabel says`, async (context) => {
      const { code, text } = await inspect(context, join(FIXTURES, name), { json: true });
      assert.equal(code, 0);
      assertFactsAgree(JSON.parse(text), golden);
    });
  }
});

describe('samflow inspect FOLDER', () => {
  let folder: string;
  const files = phantomFiles(3, 5);
  /** The phantom's files in a folder of their own, under names that `place` gives. */
  const lay = async (name: string, place: (path: string) => string): Promise<string> => {
    for (const { path, bytes } of files) {
      const file = join(folder, name, place(path));
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, bytes);
    }
    return join(folder, name);
  };
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'samflow-inspect-'));
  });
  after(() => rm(folder, { recursive: true }));

  it('finds the axial slices of each patient, on whichever array axis they lie', async (context) => {
    const data = await lay('kaggle', (path) => path);
    const axial = async (file: string): Promise<number> =>
      JSON.parse((await inspect(context, join(data, '3d_images', file), { json: true })).text).sliceAxis.axial;
    // The phantom stores every third patient, from the second, as the Kaggle set does.
    assert.equal(await axial('IMG_0001.nii.gz'), 2);
    assert.equal(await axial('IMG_0002.nii.gz'), 0);
  });

  it('counts the labels of a mask', async (context) => {
    const data = await lay('kaggle', (path) => path);
    const { text } = await inspect(context, join(data, '3d_images/MASK_0001.nii.gz'), { json: true });
    assert.deepEqual(
      JSON.parse(text).labels.map(({ value }: { value: number }) => value),
      [0, 1, 2],
    );
  });

  it('names patients, pairs and the split that a run would make', async (context) => {
    const data = await lay('kaggle', (path) => path);
    const { code, text } = await inspect(context, data, { json: true });
    const { patients, split, dataset } = JSON.parse(text);
    assert.equal(code, 0);
    assert.deepEqual(
      patients.map(({ id, fault }: { id: string; fault: unknown }) => [id, fault]),
      ['0001', '0002', '0003'].map((id) => [id, null]),
    );
    assert.equal(dataset.pattern.mask, '3d_images/MASK_{patient}.nii.gz');
    assert.deepEqual([split.train.length, split.val.length, split.test.length], [1, 1, 1]);
  });

  it('prints a configuration that parses and is accepted, though its patterns begin with a brace', async (context) => {
    const data = await lay('by-patient', (path) => {
      const [, kind, patient] = /(IMG|MASK)_(\d+)/.exec(path)!;
      return `${patient}/${kind === 'IMG' ? 'ct' : 'mask'}.nii.gz`;
    });
    const { text } = await inspect(context, data, {});
    const { dataset } = parse(text.split(/For the configuration.*:\n/)[1]!);
    assert.deepEqual(dataset, { pattern: { image: '{patient}/ct.nii.gz', mask: '{patient}/mask.nii.gz' } });
    const config = { name: 'a', source: { kind: 'local', path: data }, dataset: { target: 'lungs', ...dataset } };
    assert.ok(RunConfig.safeParse(config).success);
  });

  it('names the fold that tests each patient, where there are folds', () => {
    const volume = { shape: [1, 1, 1], axisCodes: 'RAS', spacingMm: [1, 1, 1], foregroundVoxels: 5, repairs: [] };
    const patient = { image: ['a.nii'], mask: 'b.nii', volume, fault: null };
    const none = { layout: 'a', doubt: null, others: [], dataset: null, leftOver: [], split: null, splitFault: null };
    const patients = ['x', 'y'].map((id) => ({ ...patient, id }));
    const text = stripVTControlCharacters(renderDataset('data', { ...none, patients, folds: [['y'], ['x']] }));
    assert.match(text, /│ x .*│ fold 2 │/);
    assert.match(text, /│ y .*│ fold 1 │/);
  });

  it('prints a pattern with signs of YAML in it as it is', () => {
    const pattern = { image: "it's: {patient} #1.nii", mask: `${'long '.repeat(40)}{patient}.nii` };
    const none = { doubt: null, others: [], patients: [], leftOver: [], split: null, folds: null, splitFault: null };
    const facts = { ...none, layout: 'a', dataset: { pattern } };
    const text = renderDataset('data', facts).split(/For the configuration.*:\n/)[1]!;
    assert.deepEqual(parse(text), { dataset: { pattern } });
  });

  it('reads an archive as the folder in it', async (context) => {
    const archive = join(folder, 'set.tar.gz');
    const tar = tarOf(files.map(({ path, bytes }) => ({ path: `set/${path}`, content: bytes })));
    await writeFile(archive, gzipSync(tar));
    const home = process.env.SAMFLOW_HOME;
    process.env.SAMFLOW_HOME = folder;
    context.after(() => {
      if (home === undefined) delete process.env.SAMFLOW_HOME;
      else process.env.SAMFLOW_HOME = home;
    });
    const { code, text } = await inspect(context, archive, { json: true });
    const { layout, doubt, patients } = JSON.parse(text);
    assert.deepEqual([code, layout, doubt, patients.length], [0, 'Kaggle finding-lungs', null, 3]);
  });

  it('names the files of no pair and why, the slices of a folder in one line, and what a run would not decide', async (context) => {
    const data = await lay('odd', (path) => path);
    await writeFile(join(data, '3d_images', 'IMG_0009.nii.gz'), files[0]!.bytes);
    await mkdir(join(data, 'series'));
    for (const name of ['1.dcm', '2.dcm', '3.dcm', '4.dcm']) await writeFile(join(data, 'series', name), '');
    const { code, text } = await inspect(context, data, {});
    assert.equal(code, 0);
    assert.match(text, /not used: 3d_images\/IMG_0009\.nii\.gz \(an image without its mask\)/);
    assert.match(text, /not used: series\/, 4 files \(a DICOM file of no pair\)/);
    assert.match(
      text,
      /! A run needs to be told what is meant: 3 pairs by the layout “Kaggle finding-lungs”, but also/,
    );
  });

  it('ends with exit code 2 where a patient cannot be used, and says why', async (context) => {
    const data = await lay('broken', (path) => path);
    await writeFile(join(data, files[0]!.path), files[0]!.bytes.subarray(0, 5000));
    const { code, text } = await inspect(context, data, {});
    assert.equal(code, 2);
    assert.match(text, /✗ 0001: IMG_0001\.nii\.gz: found .* \[NIFTI_TRUNCATED\]/);
  });
});

describe('samflow inspect as a command', () => {
  let home: Home;
  before(async () => {
    home = await Home.make();
  });
  after(() => rm(home.dir, { recursive: true }));

  it('prints one JSON object with the names of the reference, in a process of its own', async () => {
    for (const name of ['bigendian_float32.nii.gz', 'nifti2_int16.nii.gz', 'two_d.nii.gz', 'four_d.nii.gz']) {
      const { code, stdout, stderr } = await home.run('inspect', join(FIXTURES, name), '--json');
      assert.deepEqual([code, stderr], [0, '']);
      if (GOLDEN[name]) assertFactsAgree(JSON.parse(stdout), GOLDEN[name]);
    }
  });

  it('says nothing but that object, whatever the decoder of DICOM pixels has to say', async () => {
    // GDCM complains of 12 bits four times before it reads them.
    const { code, stdout, stderr } = await home.run('inspect', join(DICOM, 'jpeg-extended-u12.dcm'), '--json');
    assert.deepEqual([code, stderr], [0, '']);
    assert.equal(JSON.parse(stdout).kind, 'dicom');
    assert.doesNotMatch(stdout, DICOM_IDENTITY);
  });

  const REAL = ['data/ct-thorax/ct.nii.gz', 'data/ct-dicom/series'];
  it('agrees with the reference on real scans', { skip: withoutShared(REAL[0]!) }, async () => {
    const volumes = JSON.parse(await readFile(sharedPath('golden/imaging/volumes.json'), 'utf8'));
    for (const path of REAL) {
      const { code, stdout, stderr } = await home.run('inspect', sharedPath(path), '--json');
      assert.deepEqual([code, stderr], [0, '']);
      assertFactsAgree(JSON.parse(stdout), volumes[path]);
    }
  });

  it('refuses what is no volume in one sentence, with exit code 2, and starts nothing', async () => {
    const file = join(home.dir, 'notes.nii');
    await writeFile(file, 'not a volume');
    const { code, stdout, stderr } = await home.run('inspect', file);
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(stderr, /^✗ notes\.nii: found .* \[NIFTI_[A-Z_]+\]\n$/);
    assert.deepEqual(await readdir(home.dir), ['notes.nii']);
  });
});
