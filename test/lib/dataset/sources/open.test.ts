import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, symlink, truncate, unlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { phantomFiles } from '../../../../lib/dataset/phantom.ts';
import { fingerprintSource, openSource } from '../../../../lib/dataset/sources/open.ts';
import { writePhantomZip } from '../../../../lib/dataset/sources/phantom.ts';
import { scratchFolder, writeArchive } from '../../../helpers/archives.ts';
import { assertRejectsWithFault } from '../../../helpers/faults.ts';

const scratch = await scratchFolder();
const options = { cacheDir: join(scratch, 'cache') };
const local = (path: string) => ({ kind: 'local', path }) as const;

async function dataFolder(name: string): Promise<string> {
  const folder = join(scratch, name);
  await mkdir(join(folder, 'ct-1', '.git'), { recursive: true });
  await writeFile(join(folder, 'ct-1', 'image.nii'), 'image');
  await writeFile(join(folder, 'ct-1', 'mask.nii'), 'mask');
  await writeFile(join(folder, 'ct-1', '.git', 'config'), 'hidden');
  await writeFile(join(folder, 'a.txt'), '');
  return folder;
}

describe('folder source', () => {
  it('lists files of all depths by path, without hidden ones, and reads them', async () => {
    const source = await openSource(local(await dataFolder('plain')), options);
    assert.deepEqual(source.files, [
      { path: 'a.txt', bytes: 0 },
      { path: 'ct-1/image.nii', bytes: 5 },
      { path: 'ct-1/mask.nii', bytes: 4 },
    ]);
    assert.equal(Buffer.from(await source.read('ct-1/mask.nii')).toString(), 'mask');
    await source.close();
  });

  it('follows links, but not round in circles', async () => {
    const folder = await dataFolder('linked');
    const elsewhere = await dataFolder('elsewhere');
    await symlink(join(elsewhere, 'ct-1'), join(folder, 'ct-2'));
    await symlink(folder, join(folder, 'ct-1', 'loop'));
    await symlink(join(folder, 'nowhere'), join(folder, 'broken'));
    const source = await openSource(local(folder), options);
    const paths = source.files.map(({ path }) => path);
    assert.deepEqual(paths, ['a.txt', 'ct-1/image.nii', 'ct-1/mask.nii', 'ct-2/image.nii', 'ct-2/mask.nii']);
  });

  it('reads nothing but what it lists', async () => {
    const source = await openSource(local(await dataFolder('closed')), options);
    await assertRejectsWithFault(source.read('../plain/a.txt'), 'SOURCE_FILE_MISSING');
    await assertRejectsWithFault(source.read('ct-1/.git/config'), 'SOURCE_FILE_MISSING');
  });

  it('has the fingerprint of its names, sizes and times', async () => {
    const folder = await dataFolder('watched');
    const fingerprint = () => fingerprintSource(local(folder), options);
    const seen = [await fingerprint()];
    assert.equal((await openSource(local(folder), options)).fingerprint, seen[0]);
    const changes = [
      () => writeFile(join(folder, 'ct-1', 'mask.nii'), 'other'),
      () => writeFile(join(folder, 'b.txt'), ''),
      () => utimes(join(folder, 'a.txt'), new Date(2001, 0, 1), new Date(2001, 0, 1)),
    ];
    for (const change of changes) {
      await change();
      seen.push(await fingerprint());
    }
    assert.equal(new Set(seen).size, changes.length + 1);
    assert.match(seen[0]!, /^[0-9a-f]{64}$/);
  });

  it('says that nothing is at the path, by its last part only', async () => {
    const missing = local(join(scratch, 'secret-hospital', 'none'));
    const message = /^none: found nothing at this path \(ENOENT\), .* Check `source.path`/;
    await assertRejectsWithFault(openSource(missing, options), 'SOURCE_MISSING', message);
    await assertRejectsWithFault(fingerprintSource(missing, options), 'SOURCE_MISSING', message);
  });

  it('refuses a file larger than a buffer, before it reads any of it', async () => {
    const folder = await dataFolder('large');
    // Without a block on the disk.
    await truncate(join(folder, 'ct-1', 'image.nii'), 5 * 2 ** 30);
    const source = await openSource(local(folder), options);
    const large = source.read('ct-1/image.nii');
    await assertRejectsWithFault(large, 'SOURCE_TOO_LARGE', /^image\.nii: found a file of 5368709120 bytes/);
  });

  it('says that a file is gone which it listed', async () => {
    const folder = await dataFolder('gone');
    const source = await openSource(local(folder), options);
    await unlink(join(folder, 'ct-1', 'image.nii'));
    await assertRejectsWithFault(source.read('ct-1/image.nii'), 'SOURCE_FILE_MISSING');
  });

  it('takes a file that is no archive for a mistake', async () => {
    const folder = await dataFolder('file');
    await assertRejectsWithFault(openSource(local(join(folder, 'ct-1', 'image.nii')), options), 'ZIP_INVALID');
  });

  it('opens a .zip file under the same name of source', async () => {
    const file = join(scratch, 'set.zip');
    await writeArchive(file, [{ path: 'a/image.nii', content: 'x' }]);
    const source = await openSource(local(file), options);
    assert.deepEqual(source.files, [{ path: 'a/image.nii', bytes: 1 }]);
    assert.equal(source.fingerprint, await fingerprintSource(local(file), options));
    await source.close();
  });
});

describe('a hash of a local source', () => {
  it('is that of the archive, and a folder has none', async () => {
    const file = join(scratch, 'hashed.zip');
    const sha256 = createHash('sha256')
      .update(await writeArchive(file, [{ path: 'a', content: 'x' }]))
      .digest('hex');
    const open = (path: string, hash: string) => openSource({ kind: 'local', path, sha256: hash }, options);
    await (await open(file, sha256)).close();
    await assertRejectsWithFault(open(file, '0'.repeat(64)), 'SOURCE_DIGEST', new RegExp(`^hashed\\.zip: .*${sha256}`));
    await assertRejectsWithFault(
      open(await dataFolder('unhashed'), sha256),
      'SOURCE_DIGEST',
      /^unhashed: found a folder/,
    );
  });
});

describe('phantom source', () => {
  const phantom = { kind: 'phantom', patients: 3, seed: 5 } as const;

  it('is laid out like the lung set, and holds what the generator makes', async () => {
    const source = await openSource(phantom, options);
    const expected = phantomFiles(3, 5);
    const paths = expected.map(({ path }) => path).sort();
    assert.deepEqual(
      source.files.map(({ path }) => path),
      paths,
    );
    assert.ok(paths.includes('3d_images/IMG_0001.nii.gz') && paths.includes('3d_images/MASK_0003.nii.gz'));
    const { path, bytes } = expected[1]!;
    assert.equal(Buffer.compare(await source.read(path), bytes), 0);
    await source.close();
  });

  it('is made once, and known without being made', async () => {
    const fingerprint = await fingerprintSource(phantom, { cacheDir: join(scratch, 'unused') });
    const source = await openSource(phantom, options);
    assert.equal(source.fingerprint, fingerprint);
    await source.close();
    assert.deepEqual(await readdir(join(options.cacheDir, 'phantom')), [`${fingerprint}.zip`]);
    assert.notEqual(await fingerprintSource({ ...phantom, seed: 6 }, options), fingerprint);
    assert.notEqual(await fingerprintSource({ ...phantom, patients: 4 }, options), fingerprint);
  });

  it('has the same bytes every time it is written', async () => {
    const files = [join(scratch, 'one.zip'), join(scratch, 'two.zip')];
    for (const file of files) await writePhantomZip(file, 3, 5);
    const [one, two] = await Promise.all(files.map((file) => readFile(file)));
    assert.equal(Buffer.compare(one!, two!), 0);
  });
});
