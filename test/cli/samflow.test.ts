import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const COMMAND = fileURLToPath(new URL('../../cli/samflow.mjs', import.meta.url));

describe('the command', () => {
  it('refuses a Node that is too old in one sentence, before it loads anything that such a Node cannot read', () => {
    const versions = "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.5.1' } })";
    const args = ['--import', `data:text/javascript,${versions}`, COMMAND, 'status'];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    assert.deepEqual([status, stdout], [2, '']);
    assert.match(stderr, /^samflow: this is Node 20\.5\.1, and samflow needs >=20\.6\. Install a newer one .*\n$/);
  });
});
