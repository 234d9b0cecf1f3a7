import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { workerEnvironment } from '../../cli/dev/worker-environment.ts';
import { POOLS } from '../../contracts/queues.ts';
import { readRepositoryFile } from '../helpers/source-tree.ts';

describe('the environment of a worker that the command line starts', () => {
  const namesIn = (env: NodeJS.ProcessEnv, pool: (typeof POOLS)[number]) => Object.keys(workerEnvironment(env, pool));

  it('has nothing of other programs, whatever the terminal holds', () => {
    const others = [
      ...['GITHUB_TOKEN', 'NPM_TOKEN', 'SSH_AUTH_SOCK', 'PGPASSWORD', 'OPENAI_API_KEY', 'DISPLAY', 'PATIENT'],
      ...['TEMPORAL_API_KEY', 'TEMPORAL_PROFILE', 'TEMPORAL_TLS_CLIENT_KEY_PATH', 'SAMFLOW_CODEC_TOKEN'],
    ];
    const env = Object.fromEntries(
      [...others, 'PATH', 'SAMFLOW_THREADS', 'TEMPORAL_ADDRESS'].map((name) => [name, 'x']),
    );
    for (const pool of POOLS) assert.deepEqual(namesIn(env, pool), ['PATH', 'SAMFLOW_THREADS', 'TEMPORAL_ADDRESS']);
  });

  it('has what a worker reads, accounts of sources and the key of the pseudonyms in the io pool alone', () => {
    const schema = readRepositoryFile('contracts/environment.ts');
    const read = [...schema.matchAll(/^ {4}([A-Z][A-Z0-9_]+): /gm)].map((match) => match[1]!);
    assert.ok(read.length > 30);
    const env = Object.fromEntries(read.map((name) => [name, '1']));
    const ofNobody = ['SAMFLOW_SIGNING_KEY_FILE', 'SAMFLOW_TRUSTED_KEYS_FILE', 'SAMFLOW_CODEC_TOKEN'];
    const left = (pool: (typeof POOLS)[number]) => read.filter((name) => !namesIn(env, pool).includes(name));
    assert.deepEqual(left('io'), ofNobody);
    const ofIo =
      /^(HF_(ENDPOINT|TOKEN)|KAGGLE_\w+|SAMFLOW_SOURCE_\w+|SAMFLOW_PATIENT_KEY|SAMFLOW_(CODEC_TOKEN|SIGNING_KEY_FILE|TRUSTED_KEYS_FILE))$/;
    for (const pool of ['cpu', 'gpu'] as const) {
      assert.deepEqual(
        left(pool),
        read.filter((name) => ofIo.test(name)),
      );
    }
  });
});
