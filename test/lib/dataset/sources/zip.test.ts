import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openArchive } from '../../../../lib/dataset/sources/archive.ts';
import { crc32, tableCrc32 } from '../../../../lib/dataset/sources/crc32.ts';
import { type ArchiveEntry, damageArchive, scratchFolder, writeArchive } from '../../../helpers/archives.ts';
import { assertRejectsWithFault } from '../../../helpers/faults.ts';
import { sharedPath, withoutShared } from '../../../helpers/shared-data.ts';

const folder = await scratchFolder();
const openZip = (file: string) => openArchive(file, { cacheDir: folder });
let count = 0;
async function archive(entries: readonly ArchiveEntry[]): Promise<string> {
  const file = join(folder, `${count++}.zip`);
  await writeArchive(file, entries);
  return file;
}
/** Of the central directory entry: offsets of the fields that the tests change. */
const FIELD = { flags: 8, method: 10, crc: 16, packed: 20, unpacked: 24, name: 46 };

/** A hostile archive must not hold a worker; ample on a busy machine. */
const REFUSED_WITHIN_MS = 20_000;

describe('zip source', () => {
  it('lists files by path with their sizes, and reads them', async () => {
    const zip = await openZip(
      await archive([
        { path: 'b/scan.nii', content: 'x'.repeat(1000) },
        { path: 'a.txt', content: 'stored', compress: false },
        { path: 'b/leer.txt', content: '' },
      ]),
    );
    assert.deepEqual(zip.files, [
      { path: 'a.txt', bytes: 6 },
      { path: 'b/leer.txt', bytes: 0 },
      { path: 'b/scan.nii', bytes: 1000 },
    ]);
    const read = await Promise.all(zip.files.map(async ({ path }) => Buffer.from(await zip.read(path)).toString()));
    assert.deepEqual(read, ['stored', '', 'x'.repeat(1000)]);
    await zip.close();
  });

  it('leaves out what macOS and other systems add', async () => {
    const hidden = ['__MACOSX/._scan.nii', '.DS_Store', 'a/.hidden/scan.nii'];
    const zip = await openZip(await archive([...hidden, 'a/scan.nii'].map((path) => ({ path, content: 'x' }))));
    assert.deepEqual(
      zip.files.map(({ path }) => path),
      ['a/scan.nii'],
    );
    await zip.close();
  });

  it('gives one file one name: no `./`, no doubled slashes, no backslashes', async () => {
    const file = await archive([{ path: 'a__b/x.nii', content: 'x' }]);
    await damageArchive(file, (bytes, [entry = 0]) => bytes.write('.\\\\b', entry + FIELD.name));
    const zip = await openZip(file);
    assert.deepEqual(zip.files, [{ path: 'b/x.nii', bytes: 1 }]);
    await zip.close();
  });

  it('says which file is not in the archive', async () => {
    const zip = await openZip(await archive([{ path: 'a.txt', content: 'x' }]));
    await assertRejectsWithFault(zip.read('sub/b.txt'), 'SOURCE_FILE_MISSING', /^the source: /);
    await zip.close();
  });

  it('opens an archive without entries', async () => {
    const zip = await openZip(await archive([]));
    assert.deepEqual(zip.files, []);
    await zip.close();
  });

  for (const [name, code] of [
    ['slip', 'ZIP_SLIP'],
    ['absolute', 'ZIP_ABSOLUTE'],
    ['symlink', 'ZIP_SYMLINK'],
    ['bomb', 'ZIP_BOMB'],
    ['truncated', 'ZIP_TRUNCATED'],
    ['duplicate', 'ZIP_DUPLICATE'],
  ] as const) {
    const options = { skip: withoutShared(`malformed/${name}.zip`), timeout: REFUSED_WITHIN_MS };
    it(`refuses ${name}.zip as ${code}, in bounded time`, options, () =>
      assertRejectsWithFault(openZip(sharedPath(`malformed/${name}.zip`)), code, new RegExp(`^${name}\\.zip: `)),
    );
  }

  for (const [what, name, code] of [
    ['an absolute path', '/etc/cron.d/scan', 'ZIP_ABSOLUTE'],
    ['a way out at the beginning', '../scan.nii', 'ZIP_SLIP'],
    ['a way out in the middle', 'a/../../scan.nii', 'ZIP_SLIP'],
    ['a drive letter', 'C:\\scan.nii', 'ZIP_ABSOLUTE'],
    ['a way out by backslashes', 'a\\..\\..\\b', 'ZIP_SLIP'],
    ['a NUL in a name', 'a\0b.nii', 'ZIP_PATH'],
    ['a line break in a name', 'a\nb.nii', 'ZIP_PATH'],
  ] as const) {
    it(`refuses ${what}`, async () => {
      const file = await archive([{ path: '_'.repeat(name.length), content: 'x' }]);
      await damageArchive(file, (bytes, [entry = 0]) => bytes.write(name, entry + FIELD.name, 'latin1'));
      await assertRejectsWithFault(openZip(file), code);
    });
  }

  for (const [what, entries, code] of [
    ['a symbolic link', [{ path: 'link', content: '/etc/passwd', mode: 0o120777 }], 'ZIP_SYMLINK'],
    ['a name of 2000 characters', [{ path: 'a'.repeat(2000), content: 'x' }], 'ZIP_PATH'],
    [
      'a file that is also a folder',
      [
        { path: 'a', content: 'x' },
        { path: 'a/b', content: 'x' },
      ],
      'ZIP_DUPLICATE',
    ],
    [
      'one name twice',
      [
        { path: 'a', content: 'x' },
        { path: 'a', content: 'y' },
      ],
      'ZIP_DUPLICATE',
    ],
    [
      'one name written in two ways',
      [
        { path: 'a/b', content: 'x' },
        { path: 'a/./b', content: 'x' },
      ],
      'ZIP_DUPLICATE',
    ],
  ] as const) {
    it(`refuses ${what}`, async () => assertRejectsWithFault(openZip(await archive(entries)), code));
  }

  for (const [what, change, code] of [
    ['an encrypted entry', (b: Buffer, at: number) => b.writeUInt16LE(1, at + FIELD.flags), 'ZIP_ENCRYPTED'],
    ['strong encryption', (b: Buffer, at: number) => b.writeUInt16LE(0x41, at + FIELD.flags), 'ZIP_ENCRYPTED'],
    ['an unknown compression', (b: Buffer, at: number) => b.writeUInt16LE(12, at + FIELD.method), 'ZIP_METHOD'],
    [
      'a declared size beyond all measure',
      (b: Buffer, at: number) => b.writeUInt32LE(0xfffffff0, at + FIELD.unpacked),
      'ZIP_BOMB',
    ],
    ['a damaged directory', (b: Buffer, at: number) => b.writeUInt32LE(0, at), 'ZIP_TRUNCATED'],
  ] as const) {
    it(`refuses ${what}`, async () => {
      const file = await archive([{ path: 'scan.nii', content: 'x'.repeat(1000) }]);
      await damageArchive(file, (bytes, [entry = 0]) => change(bytes, entry));
      await assertRejectsWithFault(openZip(file), code);
    });
  }

  it('refuses many entries that are small one by one and a bomb together', async () => {
    const file = await archive(Array.from({ length: 20 }, (_, i) => ({ path: `${i}.nii`, content: 'x'.repeat(1e5) })));
    await damageArchive(file, (bytes, entries) => {
      for (const entry of entries) bytes.writeUInt32LE(16 * 2 ** 20, entry + FIELD.unpacked);
    });
    await assertRejectsWithFault(openZip(file), 'ZIP_BOMB', /found \d+ bytes packed into/);
  });

  it('refuses an archive that is cut off, wherever the cut is', async () => {
    const file = await archive([{ path: 'scan.nii', content: 'x'.repeat(1000), compress: false }]);
    const whole = await readFile(file);
    for (const length of [4, 500, whole.length - 23, whole.length - 1]) {
      await writeFile(file, whole.subarray(0, length));
      await assertRejectsWithFault(openZip(file), 'ZIP_TRUNCATED');
    }
  });

  it('takes a large mask of zeros for what it is, and not for a bomb', async () => {
    const zip = await openZip(await archive([{ path: 'mask.nii', content: new Uint8Array(20 * 2 ** 20) }]));
    assert.equal((await zip.read('mask.nii')).length, 20 * 2 ** 20);
    await zip.close();
  });

  for (const [what, change] of [
    ['holds more than it says', (b: Buffer, at: number) => b.writeUInt32LE(10, at + FIELD.unpacked)],
    ['holds less than it says', (b: Buffer, at: number) => b.writeUInt32LE(2000, at + FIELD.unpacked)],
    ['has another CRC', (b: Buffer, at: number) => b.writeUInt32LE(1, at + FIELD.crc)],
    ['does not inflate', (b: Buffer) => b.fill(0xff, 40, 48)],
    ['lies beyond the end', (b: Buffer, at: number) => b.writeUInt32LE(0x7fffff, at + 42)],
  ] as const) {
    it(`refuses to read an entry that ${what}`, async () => {
      const file = await archive([{ path: 'scan.nii', content: 'x'.repeat(1000) }]);
      await damageArchive(file, (bytes, [entry = 0]) => change(bytes, entry));
      const zip = await openZip(file);
      await assertRejectsWithFault(zip.read('scan.nii'), 'ZIP_ENTRY_DAMAGED', /^\d+\.zip: found entry 1 with /);
      await zip.close();
    });
  }

  for (const [what, content] of [
    ['an empty file', ''],
    ['text', 'this is no archive'],
  ] as const) {
    it(`refuses ${what} under the name of an archive`, async () => {
      const file = join(folder, `${count++}.zip`);
      await writeFile(file, content, 'latin1');
      await assertRejectsWithFault(openZip(file), 'ZIP_INVALID', /pack the data as \.zip or \.tar\.gz/);
    });
  }

  it('changes its fingerprint with the file, and has none for a file that is not there', async () => {
    const file = await archive([{ path: 'a', content: 'x' }]);
    const fingerprint = async () => {
      const zip = await openZip(file);
      await zip.close();
      return zip.fingerprint;
    };
    const first = await fingerprint();
    assert.match(first, /^[0-9a-f]{64}$/);
    assert.equal(await fingerprint(), first);
    await writeArchive(file, [{ path: 'a', content: 'xy' }]);
    assert.notEqual(await fingerprint(), first);
    await assertRejectsWithFault(openZip(join(folder, 'none.zip')), 'SOURCE_MISSING', /Check `source.path`/);
  });
});

describe('CRC-32', () => {
  it('gives the check value of the standard, whole or in parts, by table as by Node', () => {
    const bytes = Buffer.from('123456789');
    for (const crc of [crc32, tableCrc32]) {
      assert.equal(crc(bytes), 0xcbf43926);
      assert.equal(crc(bytes.subarray(4), crc(bytes.subarray(0, 4))), 0xcbf43926);
    }
  });
});
