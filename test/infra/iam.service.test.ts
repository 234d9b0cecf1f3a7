import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type FaultProxy, type FaultyRequest, startFaultProxy } from '../../bench/faults/fault-proxy.ts';
import { Champion } from '../../contracts/stages.ts';
import { ArtifactStore } from '../../lib/artifacts/artifact-store.ts';
import { planGc } from '../../lib/artifacts/gc.ts';
import { approve, modelNames, requireProposal } from '../../lib/artifacts/promotion.ts';
import { S3Store } from '../../lib/artifacts/s3-store.ts';
import { phantomFiles } from '../../lib/dataset/phantom.ts';
import { isFault } from '../../lib/fault.ts';
import { withoutTools } from '../helpers/dev-servers.ts';
import { type Bucket, Installation, signingIn, smallRun } from '../helpers/installation.ts';
import { type Asked, applies, grantsOf, matches, type Policy } from '../helpers/policy.ts';
import { readRepositoryFile } from '../helpers/source-tree.ts';
import { type Account, StoreWithRoles } from '../helpers/store-with-roles.ts';

const ROLES = ['io', 'cpu', 'gpu', 'gpu-infer', 'cli-read', 'cli-start', 'cli-promote', 'cli-delete'] as const;
type Role = (typeof ROLES)[number];
const policyOf = (file: string): Policy => JSON.parse(readRepositoryFile(`infra/iam/${file}.json`));
const BUCKET_POLICY = policyOf('bucket');
/** The name that the files have for it. */
const BUCKET = 'samflow';

/** What a run of seconds has no need of; each is a right that a larger one does not do without. */
const UNUSED: readonly RegExp[] = [
  // An upload in parts that fails.
  / s3:AbortMultipartUpload /,
  // A schedule that promotes by scores; this one waits for a yes.
  /^io s3:PutObject .*\/champion\.json$/,
  // A run that fails.
  /^io .*\/failure\.json$/,
  // A cross-validation.
  /^cpu .*\/memo\/pool\/\*$/,
  // A training that goes on from a checkpoint.
  /^gpu s3:GetObject .*\/runs\/\*\/steps\/\*$/,
  // The record of a champion that was there before.
  /^cli-promote s3:PutObject .*\/cas\/\*$/,
  // Without it AWS says of what is missing that it is forbidden.
  /^cli-start s3:ListBucket /,
];

/** A request as policies see it, from what goes over the wire. */
function askedBy({ method, path, headers }: FaultyRequest): Asked {
  const { pathname, searchParams } = new URL(path, 'http://store');
  const resource = `arn:aws:s3:::${decodeURIComponent(pathname.slice(1))}`;
  const isObject = /^\/[^/]+\/./.test(pathname);
  const header = (name: string): string | undefined => headers[name]?.toString();
  const action = (): string => {
    if (!isObject) return searchParams.has('delete') ? 's3:DeleteObject' : 's3:ListBucket';
    if (method === 'DELETE') return searchParams.has('uploadId') ? 's3:AbortMultipartUpload' : 's3:DeleteObject';
    return method === 'PUT' || method === 'POST' ? 's3:PutObject' : 's3:GetObject';
  };
  return {
    ...{ action: action(), resource: resource.replace(/\/$/, '') },
    keys: {
      'aws:SecureTransport': 'true',
      's3:if-match': header('if-match'),
      's3:if-none-match': header('if-none-match'),
      's3:x-amz-server-side-encryption': header('x-amz-server-side-encryption'),
    },
  };
}

describe('the roles of infra/iam', { skip: await withoutTools('temporal', 'versitygw') }, () => {
  let roles: StoreWithRoles;
  let wire: FaultProxy;
  let installation: Installation;
  let bucket: Bucket;
  let masks: number;
  let keptRuns: readonly string[];
  const accounts = {} as Record<Role, Account>;
  const requests: { role: string; asked: Asked }[] = [];

  before(
    async () => {
      roles = await StoreWithRoles.open(BUCKET);
      for (const role of ROLES) accounts[role] = await roles.account(role, policyOf(role));
      // Listens only: nothing goes wrong here.
      wire = await startFaultProxy(roles.endpoint, (request) => {
        const key = /Credential=([^/]+)/.exec(request.headers.authorization ?? '')?.[1];
        const role = ROLES.find((name) => accounts[name].accessKeyId === key);
        requests.push({ role: role ?? 'nobody', asked: askedBy(request) });
        return null;
      });
      installation = await Installation.open({ store: { endpoint: wire.url, account: accounts['cli-start'] } });
      bucket = installation.bucket(BUCKET);
      const start = (pool: string, role: Role) => installation.startWorker(pool, bucket, signingIn(accounts[role]));
      const [, , gpu] = await Promise.all([start('io', 'io'), start('cpu', 'cpu'), start('gpu', 'gpu')]);
      const { prompts, ...config } = smallRun('roles', { epochs: 1 });
      const run = { ...config, prompts: { ...prompts, automatic: 'proposer' as const } };
      const approval = { author: 'samflow:ann@desk' };
      const retraining = await installation.startRetraining('roles', run, bucket, approval);
      assert.equal((await installation.whileWorking(retraining.result())).outcome, 'proposed');
      const promoter = storeOf('cli-promote', wire.url);
      const models = new ArtifactStore(promoter);
      const waiting = await requireProposal(models, 'roles');
      await approve(models, { name: 'roles', waiting, by: 'samflow:bob@desk', now: new Date() });
      assert.deepEqual(await modelNames(promoter), ['roles']);
      promoter.close();

      gpu.kill('SIGTERM');
      await gpu.exited;
      await start('gpu', 'gpu-infer');
      const scan = await bucket.artifacts.put('scan', phantomFiles(1, 9)[0]!.bytes);
      const image = [{ name: 'scan.nii.gz', path: 'scan.nii.gz', ref: scan }];
      const patient = 'p-000000000009';
      const files = await bucket.artifacts.putJson('patient-files', { patient, image, mask: null, labels: null });
      const { package: model } = (await bucket.artifacts.readPointer('models/roles/champion.json', Champion))!.value;
      const segmenting = await installation.startInfer('infer', { package: model, scans: [{ patient, files }] });
      masks = (await installation.whileWorking(segmenting.result())).masks.length;
      const reader = storeOf('cli-read', wire.url);
      keptRuns = (await planGc(reader, { ageMs: null, last: null, graceMs: 0 }, [])).keptRuns;
      reader.close();
    },
    { timeout: 300_000 },
  );
  after(async () => {
    await installation?.close();
    await wire?.close();
    await roles?.close();
  });

  const storeOf = (role: Role, endpoint = roles.endpoint): S3Store =>
    new S3Store({ endpoint, region: 'us-east-1', bucket: BUCKET, ...accounts[role] });

  /** The words that a request to the store ends with. */
  async function answer(role: Role, ask: (store: S3Store) => Promise<unknown>): Promise<string> {
    const store = storeOf(role);
    try {
      await ask(store);
      return 'done';
    } catch (error) {
      return isFault(error) ? error.code : String(error);
    } finally {
      store.close();
    }
  }
  const writing = (role: Role, key: string) => answer(role, (store) => store.put(key, Buffer.from('{}')));
  const deleting = (role: Role, key: string) => answer(role, (store) => store.deleteMany([key]));

  it('are wide enough: a retraining goes through with an account for each pool, a segmentation, and what looks on', () => {
    assert.equal(masks, 1);
    assert.deepEqual(keptRuns, ['roles', 'roles/pipeline']);
  });

  it('are no wider: each of their rights was used, by the process that has it', () => {
    const used = new Set(requests.map(({ role, asked: { action, resource } }) => `${role} ${action} ${resource}`));
    const unused = ROLES.filter((role) => role !== 'cli-delete').flatMap((role) =>
      grantsOf(policyOf(role))
        .map(({ action, resource }) => `${role} ${action} ${resource}`)
        .filter((grant) => ![...used].some((request) => matches(grant, request))),
    );
    assert.deepEqual(
      unused.filter((grant) => !UNUSED.some((pattern) => pattern.test(grant))),
      [],
    );
    // A control: they are told apart.
    for (const role of ROLES.slice(0, 7))
      assert.ok(requests.filter((request) => request.role === role).length > 3, role);
  });

  it('let the trainer make neither a champion nor a record of a run, and delete nothing', async () => {
    assert.equal(await writing('gpu', 'models/roles/champion.json'), 'STORE_DENIED');
    assert.equal(await writing('gpu', 'runs/roles/result.json'), 'STORE_DENIED');
    assert.equal(await writing('gpu', 'memo/download/00.json'), 'STORE_DENIED');
    assert.equal(await deleting('gpu', 'runs/ab/head.json'), 'STORE_DENIED');
    assert.equal(await writing('gpu', 'memo/fine-tune/00.json'), 'done');
  });

  it('let nobody promote but who may say yes, where the line that lets schedules do so is taken out', async () => {
    const key = 'models/other/champion.json';
    const policy = policyOf('io');
    const isNoChampion = (resource: string): boolean => !resource.endsWith('/champion.json');
    const Statement = policy.Statement.map((one) =>
      one.Sid === 'Write' ? { ...one, Resource: [one.Resource].flat().filter(isNoChampion) } : one,
    );
    await roles.allow('io', { ...policy, Statement });
    for (const role of ROLES) {
      assert.equal(await writing(role, key), role === 'cli-promote' ? 'done' : 'STORE_DENIED', role);
    }
    assert.equal(await writing('cli-promote', 'models/other/candidate.json'), 'STORE_DENIED');
  });

  it('let who only infers make no model: neither the result of a training nor a step of one', async () => {
    for (const key of ['memo/fine-tune/01.json', 'runs/ab/steps/1.json', 'models/roles/champion.json']) {
      assert.equal(await writing('gpu-infer', key), 'STORE_DENIED', key);
    }
    assert.equal(await writing('gpu-infer', 'memo/infer/00.json'), 'done');
  });

  it('let who reads write nothing, who starts write no result, and nobody who works delete', async () => {
    for (const key of ['cas/sha256/00', 'memo/infer/01.json', 'runs/x/result.json', 'models/roles/champion.json']) {
      assert.equal(await writing('cli-read', key), 'STORE_DENIED', key);
      if (!key.startsWith('cas/')) assert.equal(await writing('cli-start', key), 'STORE_DENIED', key);
    }
    for (const role of ROLES) {
      const found = await deleting(role, 'memo/infer/00.json');
      assert.equal(found, role === 'cli-delete' ? 'done' : 'STORE_DENIED', role);
    }
    assert.equal(await deleting('cli-delete', 'deletions/2026.json'), 'STORE_DENIED');
  });

  it('have a policy of the bucket beside them: without TLS nobody is answered, whatever his role', async () => {
    const known = BUCKET_POLICY.Statement.filter(({ Condition }) => Condition?.Bool);
    await roles.setBucketPolicy(BUCKET, { ...BUCKET_POLICY, Statement: known });
    for (const role of ROLES) assert.equal(await answer(role, (store) => store.get('cas/sha256/00')), 'STORE_DENIED');
    await roles.setBucketPolicy(BUCKET, {
      ...BUCKET_POLICY,
      Statement: known.map((statement) => ({ ...statement, Condition: { Bool: { 'aws:SecureTransport': 'true' } } })),
    });
    assert.equal(await answer('gpu', (store) => store.get('cas/sha256/00')), 'done');
  });

  it('ask for nothing that it refuses: whatever points is written with a condition, and encrypted as the bucket says', () => {
    const refused = (asked: Asked): string[] =>
      BUCKET_POLICY.Statement.filter((statement) => applies(statement, asked)).map(({ Sid }) => Sid);
    assert.deepEqual(
      requests.filter(({ asked }) => refused(asked).length > 0),
      [],
    );
    const put = requests.map(({ asked }) => asked).find(({ resource }) => resource.endsWith('/champion.json'))!;
    const other = (keys: Asked['keys']): string[] =>
      refused({ ...put, action: 's3:PutObject', keys: { ...put.keys, 's3:if-none-match': '*', ...keys } });
    assert.deepEqual(other({}), []);
    assert.deepEqual(other({ 's3:if-none-match': undefined }), ['NothingThatPointsIsOverwrittenUnseen']);
    assert.deepEqual(other({ 's3:x-amz-server-side-encryption': 'AES256' }), ['OnlyTheEncryptionOfTheBucket']);
    assert.deepEqual(other({ 's3:x-amz-server-side-encryption': 'aws:kms' }), []);
    assert.deepEqual(other({ 'aws:SecureTransport': 'false' }), ['OnlyEncryptedOnTheWay']);
  });
});
