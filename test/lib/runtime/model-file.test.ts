import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { withModelFile, writeParts } from '../../../lib/runtime/model-file.ts';
import { assertRejectsWithFault } from '../../helpers/faults.ts';

const MODULE = new URL('../../../lib/runtime/model-file.ts', import.meta.url);

describe('the files of a session', () => {
  it('hold model and weights, part after part, while they are used, and are gone afterwards', async () => {
    const weights = [new Uint8Array(3).fill(1), new Uint8Array(0), new Uint8Array(700_000).fill(2)];
    const folder = await withModelFile({ model: Uint8Array.of(9), weights }, async (path) => {
      assert.deepEqual([...(await readFile(path))], [9]);
      const written = await readFile(join(dirname(path), 'weights.bin'));
      assert.ok(written.equals(Buffer.concat(weights)));
      return dirname(path);
    });
    assert.ok(!existsSync(folder));
  });

  it('are whole or an error: a part that is written only to the half is not passed over', () => {
    // A bound of 200 KiB on files: the first write into it ends there without an error, as on a disk that is filling up.
    const use = `import { withModelFile } from '${MODULE}';
      const source = { model: new Uint8Array(1), weights: [new Uint8Array(2 ** 20)] };
      await withModelFile(source, async () => console.log('used')).catch(({ code }) => console.log(code));`;
    const command = `ulimit -f 400; exec "$0" --import tsx --input-type=module -e "$1"`;
    const { stdout } = spawnSync('sh', ['-c', command, process.execPath, use], { encoding: 'utf8' });
    assert.equal(stdout, 'EFBIG\n');
  });

  const noFullDevice = existsSync('/dev/full') ? false : 'this system has no /dev/full';
  it('that have no room end with a fault that names the place and the size', { skip: noFullDevice }, () =>
    assertRejectsWithFault(
      writeParts('/dev/full', [new Uint8Array(2 ** 20), new Uint8Array(1)]),
      'DISK_FULL',
      /^TMPDIR of the worker: found no space left for a session's weights of 2 MiB, .*TMPDIR name one on a larger disk/,
    ),
  );
});
