import assert from 'node:assert/strict';
import { copyFile, mkdir, mkdtemp, open, readdir, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { REFUSED_SCANS } from '../helpers/malformed-codes.ts';
import { measureCommand } from '../helpers/measured-command.ts';
import { readFixture } from '../helpers/nifti-fixtures.ts';
import { sharedPath, withoutShared } from '../helpers/shared-data.ts';

/** What `samflow inspect` says of each file of the collection: a fault's code, or what is reported of a usable one. */
const REFUSED: Record<string, string> = {
  ...REFUSED_SCANS,
  'slip.zip': 'ZIP_SLIP',
  'absolute.zip': 'ZIP_ABSOLUTE',
  'symlink.zip': 'ZIP_SYMLINK',
  'bomb.zip': 'ZIP_BOMB',
  'truncated.zip': 'ZIP_TRUNCATED',
  'duplicate.zip': 'ZIP_DUPLICATE',
};
const USABLE: Record<string, RegExp> = {
  'pixdim_zero.nii': /voxel size 0 x .* was replaced by 1\.50333 x .* mm from the affine/,
  'nan_voxels.nii.gz': /161 voxels are NaN or infinite/,
  'mask_empty.nii.gz': /every voxel is 0: as a mask it is empty/,
  'mask_wrong_shape.nii.gz': /^every voxel is 1: as a mask it is empty or full/,
  dicom_rle_ok: /^$/,
};

const LIMIT_MS = 2000;
const LIMIT_MB = 300;
/** A place, what was found, what was expected, the way out, the code: on one line, and nothing else. */
const sentence = (code: string) =>
  new RegExp(`^✗ [^\\n]+: found [^\\n]+, expected [^\\n]+\\. [^\\n]+\\. \\[${code}\\]\\n$`);

const skip = withoutShared('malformed/README.json');
const GOOD = fileURLToPath(new URL('../fixtures/nifti/int16.nii.gz', import.meta.url));

describe('samflow inspect on bad input', { concurrency: 2 }, () => {
  let home: string;
  before(async () => {
    home = await mkdtemp(join(tmpdir(), 'samflow-malformed-'));
  });
  after(() => rm(home, { recursive: true }));

  /** Exit code 2, one sentence with the code, in time and in bounds. */
  async function refuses(path: string, code: string): Promise<string> {
    const { code: exit, stdout, stderr, ms, cpuMs, peakMb } = await measureCommand(['inspect', path], home);
    assert.deepEqual([exit, stdout], [2, ''], stderr);
    assert.match(stderr, sentence(code));
    // By the clock on a machine that does nothing else; a busy one shows in the clock, but not in the processor's time.
    assert.ok(Math.min(ms, cpuMs) < LIMIT_MS, `${Math.round(ms)} ms, ${Math.round(cpuMs)} ms of processor`);
    assert.ok(peakMb < LIMIT_MB, `${Math.round(peakMb)} MB`);
    return stderr;
  }

  it('knows every file of the collection', { skip }, async () => {
    const names = (await readdir(sharedPath('malformed'))).filter((name) => name !== 'README.json');
    assert.deepEqual(names.sort(), [...Object.keys(REFUSED), ...Object.keys(USABLE)].sort());
  });

  for (const [name, code] of Object.entries(REFUSED)) {
    it(`refuses ${name} as ${code}, naming the file, in time and in bounds`, { skip }, async () => {
      const said = await refuses(sharedPath(`malformed/${name}`), code);
      assert.match(said, name.includes('.') ? new RegExp(`^✗ ${name}: `) : /^✗ \d{3}\.dcm: /);
    });
  }

  for (const [name, note] of Object.entries(USABLE)) {
    it(`uses ${name} and reports ${note}`, { skip }, async () => {
      const { code, stdout, peakMb } = await measureCommand(
        ['inspect', sharedPath(`malformed/${name}`), '--json'],
        home,
      );
      assert.equal(code, 0);
      const { notes, zooms } = JSON.parse(stdout);
      assert.match(notes.join(), note);
      assert.ok(zooms.every((mm: number) => mm > 0));
      assert.ok(peakMb < LIMIT_MB, `${Math.round(peakMb)} MB`);
    });
  }

  it('refuses a mask of another shape, and an empty one, beside their scan', { skip }, async () => {
    const masks = { MASK_SHAPE: 'mask_wrong_shape.nii.gz', MASK_EMPTY: 'mask_empty.nii.gz' };
    for (const [code, name] of Object.entries(masks)) {
      const folder = join(home, code);
      await mkdir(folder);
      const scan = code === 'MASK_SHAPE' ? GOOD : sharedPath(`malformed/${name}`);
      await copyFile(scan, join(folder, 'IMG_1.nii.gz'));
      await copyFile(sharedPath(`malformed/${name}`), join(folder, 'MASK_1.nii.gz'));
      const { code: exit, stdout } = await measureCommand(['inspect', folder, '--json'], home);
      assert.equal(exit, 2);
      assert.equal(JSON.parse(stdout).patients[0].fault.code, code);
    }
  });

  it('refuses a file of 3 GiB before it reads it', async () => {
    const path = join(home, 'whole-body.nii');
    const file = await open(path, 'w');
    await file.write(readFixture('int16.nii'));
    await file.close();
    // Sparse: it takes no room on the disk.
    await truncate(path, 3 * 2 ** 30);
    const said = await refuses(path, 'VOLUME_TOO_LARGE');
    await rm(path);
    assert.match(said, /whole-body\.nii: found a file of 3\.0 GiB, expected less than 2 GiB/);
  });

  it('refuses a folder in which one slice lost its beginning, by name', { skip }, async () => {
    const folder = join(home, 'series');
    await mkdir(folder);
    for (const name of await readdir(sharedPath('malformed/dicom_rle_ok'))) {
      await copyFile(sharedPath(`malformed/dicom_rle_ok/${name}`), join(folder, name));
    }
    const file = await open(join(folder, '000.dcm'), 'w');
    await file.write('lost');
    await file.close();
    assert.match(await refuses(folder, 'DICOM_FORMAT'), /^✗ 000\.dcm: found a file without the DICOM mark/);
  });
});
