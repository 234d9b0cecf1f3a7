import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { REPOSITORY, readRepositoryFile } from './helpers/source-tree.ts';

interface Component {
  readonly 'bom-ref': string;
  readonly purl: string;
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
}
interface Locked {
  readonly version: string;
  readonly integrity?: string;
}

describe('the bill of materials', () => {
  it('names every package of the lockfile by version and digest, without a network', () => {
    const env = { ...process.env, npm_config_offline: 'true', npm_config_registry: 'http://127.0.0.1:1' };
    const { stdout, stderr } = spawnSync('npm', ['run', '-s', 'sbom'], { cwd: REPOSITORY, env, encoding: 'utf8' });
    const { bomFormat, metadata, components } = JSON.parse(stdout || `"${stderr}"`);
    assert.deepEqual(
      [bomFormat, metadata.component.type, metadata.component.purl.split('@')[0]],
      [...['CycloneDX', 'application', 'pkg:npm/samflow']],
    );
    const packages: Record<string, Locked> = JSON.parse(readRepositoryFile('package-lock.json')).packages;
    const locked = new Map(
      Object.entries(packages)
        .filter(([path]) => path !== '')
        .map(([path, entry]) => [`${path.split('node_modules/').at(-1)}@${entry.version}`, entry]),
    );
    assert.ok(locked.size > 400);
    const listed = new Map((components as Component[]).map((component) => [component['bom-ref'], component]));
    assert.deepEqual([...listed.keys()].sort(), [...locked.keys()].sort());
    for (const [name, { integrity }] of locked) {
      const [{ alg, content } = { alg: '', content: '' }] = listed.get(name)!.hashes ?? [];
      const digest = integrity && Buffer.from(integrity.replace(/^sha\d+-/, ''), 'base64').toString('hex');
      assert.equal(digest ?? '', content, `${name}: ${alg}`);
    }
  });
});
