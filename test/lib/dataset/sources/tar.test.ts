import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { openArchive } from '../../../../lib/dataset/sources/archive.ts';
import { fingerprintSource, openSource } from '../../../../lib/dataset/sources/open.ts';
import { scratchFolder, sealed, type TarEntry, tarOf } from '../../../helpers/archives.ts';
import { assertRejectsWithFault } from '../../../helpers/faults.ts';

const scratch = await scratchFolder();
const cacheDir = join(scratch, 'cache');
let count = 0;

async function fileOf(bytes: Uint8Array, extension = '.tar'): Promise<string> {
  const file = join(scratch, `${count++}${extension}`);
  await writeFile(file, bytes);
  return file;
}
const openBytes = async (bytes: Uint8Array, extension = '.tar') =>
  openArchive(await fileOf(bytes, extension), { cacheDir });
const openEntries = (entries: readonly TarEntry[]) => openBytes(tarOf(entries));
const unpackedIn = async (): Promise<string[]> => readdir(join(cacheDir, 'tar')).catch(() => []);

const FILES = [
  { path: 'set/b/scan.nii', content: 'x'.repeat(1000) },
  { path: 'set/a.txt', content: 'stored' },
  { path: 'set/b/leer.txt', content: '' },
];
const LISTED = [
  { path: 'set/a.txt', bytes: 6 },
  { path: 'set/b/leer.txt', bytes: 0 },
  { path: 'set/b/scan.nii', bytes: 1000 },
];

describe('tar source', () => {
  for (const [name, extension, pack] of [
    ['.tar', '.tar', (tar: Buffer) => tar],
    ['.tar.gz', '.tar.gz', (tar: Buffer) => gzipSync(tar)],
    [
      '.tar.gz of two gzip members',
      '.tgz',
      (tar: Buffer) => Buffer.concat([gzipSync(tar.subarray(0, 700)), gzipSync(tar.subarray(700))]),
    ],
    ['.tar under the name of a .zip', '.zip', (tar: Buffer) => tar],
  ] as const) {
    it(`lists the files of a ${name} by path with their sizes, and reads them`, async () => {
      const source = await openBytes(pack(tarOf([{ path: 'set/b/', type: '5' }, ...FILES])), extension);
      assert.deepEqual(source.files, LISTED);
      const read = await Promise.all(
        source.files.map(async ({ path }) => Buffer.from(await source.read(path)).toString()),
      );
      assert.deepEqual(read, ['stored', '', 'x'.repeat(1000)]);
      await assertRejectsWithFault(source.read('set/b/none.nii'), 'SOURCE_FILE_MISSING');
      await source.close();
    });
  }

  it('unpacks a .tar.gz once, and leaves nothing else behind', async () => {
    const file = await fileOf(gzipSync(tarOf(FILES)), '.tar.gz');
    const before = (await unpackedIn()).length;
    const local = { kind: 'local', path: file } as const;
    const first = await openSource(local, { cacheDir });
    await first.close();
    assert.equal(first.fingerprint, await fingerprintSource(local, { cacheDir }));
    const names = await unpackedIn();
    assert.equal(names.length, before + 1);
    const again = await openSource(local, { cacheDir });
    assert.deepEqual(again.files, LISTED);
    await again.close();
    assert.deepEqual(await unpackedIn(), names);
  });

  it('does not take one archive for another of the same name, size and date', async () => {
    const read = async (folder: string, content: string) => {
      const file = join(scratch, folder, 'set.tar.gz');
      await mkdir(join(scratch, folder), { recursive: true });
      await writeFile(file, gzipSync(tarOf([{ path: 'a', content }]), { level: 0 }));
      await utimes(file, new Date(2001, 0, 1), new Date(2001, 0, 1));
      const source = await openArchive(file, { cacheDir });
      const bytes = Buffer.from(await source.read('a')).toString();
      await source.close();
      return [source.fingerprint, bytes] as const;
    };
    const [[one, first], [other, second]] = [await read('one', 'abc'), await read('other', 'xyz')];
    assert.deepEqual([one === other, first, second], [true, 'abc', 'xyz']);
  });

  it('leaves out hidden files, and gives one file one name', async () => {
    const source = await openEntries([
      { path: './', type: '5' },
      { path: './._scan.nii', content: 'x' },
      { path: '__MACOSX/a', content: 'x' },
      { path: './a//./scan.nii', content: 'x' },
    ]);
    assert.deepEqual(source.files, [{ path: 'a/scan.nii', bytes: 1 }]);
    await source.close();
  });

  it('opens an archive without entries', async () => {
    // Without a header there is no mark of a tar: only a packed one is known by its name.
    const source = await openEntries([{ path: 'empty/', type: '5' }]);
    assert.deepEqual(source.files, []);
    await source.close();
  });

  const pax = (records: string): TarEntry => ({ path: 'PaxHeader', type: 'x', content: records });
  for (const [what, entries, path] of [
    ['a pax path', [pax('20 path=\u00e9/scan.nii\n')], '\u00e9/scan.nii'],
    [
      'a GNU long name',
      [{ path: '././@LongLink', type: 'L', content: `${'d/'.repeat(80)}s.nii\0` }],
      `${'d/'.repeat(80)}s.nii`,
    ],
    ['a pax header of the whole archive', [{ path: 'g', type: 'g', content: '18 comment=abcdef\n' }], 'short.nii'],
  ] as const) {
    it(`knows ${what}`, async () => {
      const source = await openEntries([...entries, { path: 'short.nii', content: 'abc' }]);
      assert.deepEqual(source.files, [{ path, bytes: 3 }]);
      await source.close();
    });
  }

  it('knows a size that is written in binary, as GNU does above 8 GiB', async () => {
    const tar = tarOf([{ path: 'a', content: 'abc' }]);
    tar.set([0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3], 124);
    sealed(tar.subarray(0, 512));
    const source = await openBytes(tar);
    assert.deepEqual(source.files, [{ path: 'a', bytes: 3 }]);
    await source.close();
  });

  for (const [what, entries, code, message] of [
    ['an absolute path', [{ path: '/etc/cron.d/scan' }], 'TAR_ABSOLUTE', /entry 1, whose path is absolute/],
    ['a way out at the beginning', [{ path: 'a' }, { path: '../scan.nii' }], 'TAR_SLIP', /entry 2, which climbs out/],
    ['a way out in the middle', [{ path: 'a/../../scan.nii' }], 'TAR_SLIP', /entry 1/],
    [
      'a way out in a pax path',
      [pax('21 path=../etc/passwd\n'.replace('21', '22')), { path: 'a' }],
      'TAR_SLIP',
      /entry 1/,
    ],
    ['a backslash', [{ path: 'a\\..\\b' }], 'TAR_PATH', /entry 1/],
    ['a line break in a name', [{ path: 'a\nb.nii' }], 'TAR_PATH', /entry 1/],
    [
      'a symbolic link',
      [
        { path: 'link', type: '2', link: '/etc' },
        { path: 'link/passwd', content: 'x' },
      ],
      'TAR_LINK',
      /entry 1/,
    ],
    [
      'a hard link',
      [
        { path: 'a', content: 'x' },
        { path: 'b', type: '1', link: 'a' },
      ],
      'TAR_LINK',
      /entry 2/,
    ],
    ['a device', [{ path: 'null', type: '3' }], 'TAR_SPECIAL', /entry 1/],
    ['a sparse file of GNU', [{ path: 's', type: 'S', content: 'x' }], 'TAR_SPECIAL', /entry 1/],
    ['a sparse file in pax', [pax('22 GNU.sparse.major=1\n'), { path: 's', content: 'x' }], 'TAR_SPECIAL', /entry 1/],
    ['one name twice', [{ path: 'a/b' }, { path: 'c' }, { path: 'a/./b' }], 'TAR_DUPLICATE', /entries 1 and 3/],
    ['a file that is also a folder', [{ path: 'a' }, { path: 'a/b' }], 'TAR_DUPLICATE', /entry 1, a file/],
    ['an extended header that makes no sense', [pax('99 path=a\n'), { path: 'a' }], 'TAR_DAMAGED', /extended header/],
    [
      'a size of more than there is',
      [{ path: 'a', content: 'x', bytes: 4096 }],
      'TAR_DAMAGED',
      /in the middle of an entry/,
    ],
  ] as const) {
    it(`refuses ${what}, and names no entry`, async () => {
      await assertRejectsWithFault(openEntries(entries), code, message);
      await assertRejectsWithFault(openEntries(entries), code, /^(?!.*(scan|passwd|cron))\d+\.tar: /);
    });
  }

  it('refuses an archive that is cut off, wherever the cut is', async () => {
    const tar = tarOf(FILES);
    for (const length of [400, 512, 900, 1536, 2048, tar.length - 1024]) {
      await assertRejectsWithFault(openBytes(tar.subarray(0, length)), 'TAR_DAMAGED');
    }
    const packed = gzipSync(tar);
    for (const length of [30, 60, packed.length - 9, packed.length - 1]) {
      await assertRejectsWithFault(
        openBytes(packed.subarray(0, length), '.tar.gz'),
        'TAR_DAMAGED',
        /gzip stream that is cut off/,
      );
    }
    assert.ok((await unpackedIn()).every((name) => !name.endsWith('.part')));
  });

  it('refuses bytes that changed on the way', async () => {
    const tar = tarOf(FILES);
    tar[3]! ^= 1;
    await assertRejectsWithFault(openBytes(tar), 'TAR_DAMAGED', /checksum/);
    const packed = gzipSync(tarOf(FILES));
    packed[packed.length - 6]! ^= 1;
    await assertRejectsWithFault(openBytes(packed, '.tar.gz'), 'TAR_DAMAGED', /gzip stream that is damaged/);
  });

  it('refuses a bomb before it has unpacked much of it', async () => {
    const zeros = Buffer.alloc(272 * 2 ** 20);
    const bomb = gzipSync(Buffer.concat([tarOf([{ path: 'zeros', bytes: zeros.length }], 0), zeros]));
    await assertRejectsWithFault(openBytes(bomb, '.tar.gz'), 'TAR_BOMB', /at most 200 times/);
    assert.ok((await unpackedIn()).every((name) => !name.endsWith('.part')));
  });

  it('refuses a scan under the name of an archive', async () => {
    for (const content of ['', 'not a tar'.repeat(200)]) {
      await assertRejectsWithFault(
        openBytes(gzipSync(content), '.nii.gz'),
        'TAR_INVALID',
        /\.nii\.gz\) is no data set/,
      );
    }
  });

  it('says that the cache cannot be written to', async () => {
    const file = await fileOf(gzipSync(tarOf(FILES)), '.tar.gz');
    const noFolder = await fileOf(Buffer.from('a file'), '.txt');
    await assertRejectsWithFault(
      openArchive(file, { cacheDir: noFolder }),
      'SOURCE_CACHE',
      /\(ENOTDIR\).*SAMFLOW_CACHE/,
    );
  });

  const noTar = spawnSync('tar', ['--version'], { encoding: 'utf8' }).stdout?.includes('GNU tar')
    ? false
    : 'no GNU tar here';
  for (const format of ['ustar', 'pax', 'gnu', 'oldgnu']) {
    it(`reads what GNU tar writes in its format ${format}`, { skip: noTar }, async () => {
      const folder = join(scratch, `packed-${format}`);
      const long = format === 'ustar' ? 'short' : 'l\u00f6ng '.repeat(30);
      const paths = ['plain.txt', `${'deep/'.repeat(30)}scan.nii`, `${long}/b.nii`];
      for (const [at, path] of paths.entries()) {
        await mkdir(join(folder, path, '..'), { recursive: true });
        await writeFile(join(folder, path), `content ${at}`.repeat(100 * at));
      }
      const file = join(scratch, `${format}.tar.gz`);
      const made = spawnSync('tar', ['-czf', file, `--format=${format}`, '-C', folder, '.'], { encoding: 'utf8' });
      assert.equal(made.status, 0, made.stderr);
      const source = await openArchive(file, { cacheDir });
      assert.deepEqual(
        source.files.map(({ path }) => path),
        [...paths].sort(),
      );
      for (const [at, path] of paths.entries()) {
        assert.equal(Buffer.from(await source.read(path)).toString(), `content ${at}`.repeat(100 * at));
      }
      await source.close();
      await rm(file);
    });
  }
});
