import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PutBucketPolicyCommand, S3Client } from '@aws-sdk/client-s3';
import { freePort } from '../../infra/dev/ports.ts';
import { findTool } from '../../infra/dev/tools.ts';
import { INSTALLED } from './dev-servers.ts';
import { until } from './until.ts';

export interface Account {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** An S3 server with accounts, and policies for each: versitygw beside its IAM service, whose API is that of AWS. */
export class StoreWithRoles {
  readonly endpoint: string;
  readonly root: Account = { accessKeyId: 'root', secretAccessKey: randomBytes(18).toString('hex') };
  readonly #folder: string;
  readonly #iam: string;
  readonly #children: ChildProcess[] = [];

  private constructor(folder: string, s3Port: number, iamPort: number) {
    this.#folder = folder;
    this.endpoint = `http://127.0.0.1:${s3Port}`;
    this.#iam = `127.0.0.1:${iamPort}`;
  }

  static async open(bucket: string): Promise<StoreWithRoles> {
    const folder = await mkdtemp(join(tmpdir(), 'samflow-roles-'));
    const [s3Port, iamPort] = [await freePort(), await freePort()];
    const store = new StoreWithRoles(folder, s3Port, iamPort);
    await Promise.all(['iam', join('s3', bucket)].map((name) => mkdir(join(folder, name), { recursive: true })));
    const socket = join(folder, 'iam.sock');
    const listening = (port: number): string[] => ['--quiet', '--health', '/health', '--port', `127.0.0.1:${port}`];
    await store.#start(iamPort, [
      ...listening(iamPort),
      'iam',
      '--dir',
      join(folder, 'iam'),
      '--private-ports',
      socket,
    ]);
    const s3 = [...listening(s3Port), '--iam-standalone-endpoint', socket, 'posix', join(folder, 's3')];
    await store.#start(s3Port, s3);
    return store;
  }

  async #start(port: number, args: readonly string[]): Promise<void> {
    const command = await findTool('versitygw', { stateDir: INSTALLED });
    const { accessKeyId: ROOT_ACCESS_KEY, secretAccessKey: ROOT_SECRET_KEY } = this.root;
    this.#children.push(spawn(command!, args, { stdio: 'ignore', env: { ROOT_ACCESS_KEY, ROOT_SECRET_KEY } }));
    const url = `http://127.0.0.1:${port}/health`;
    const answers = (): Promise<boolean> =>
      fetch(url).then(
        ({ ok }) => ok,
        () => false,
      );
    await until(answers, 30);
  }

  /** An account that has one policy, in the language of AWS. */
  async account(name: string, policy: object): Promise<Account> {
    await this.#ask({ Action: 'CreateUser', UserName: name });
    await this.allow(name, policy);
    const answer = await this.#ask({ Action: 'CreateAccessKey', UserName: name });
    const [accessKeyId, secretAccessKey] = ['AccessKeyId', 'SecretAccessKey'].map(
      (tag) => new RegExp(`<${tag}>([^<]+)</${tag}>`).exec(answer)![1]!,
    );
    return { accessKeyId: accessKeyId!, secretAccessKey: secretAccessKey! };
  }

  /** Replaces the account's policy. */
  async allow(name: string, policy: object): Promise<void> {
    const document = { PolicyName: 'role', PolicyDocument: JSON.stringify(policy) };
    await this.#ask({ Action: 'PutUserPolicy', UserName: name, ...document });
  }

  /** As whoever owns the bucket does; only the owner may. */
  async setBucketPolicy(bucket: string, policy: object): Promise<void> {
    const { endpoint, root: credentials } = this;
    const client = new S3Client({ endpoint, region: 'us-east-1', credentials, forcePathStyle: true });
    await client.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy: JSON.stringify(policy) }));
    client.destroy();
  }

  async #ask(parameters: Record<string, string>): Promise<string> {
    const body = new URLSearchParams({ ...parameters, Version: '2010-05-08' }).toString();
    const headers = signed(this.#iam, body, this.root);
    const answer = await fetch(`http://${this.#iam}/`, { method: 'POST', headers, body });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${parameters.Action}: ${answer.status} ${text}`);
    return text;
  }

  async close(): Promise<void> {
    for (const child of this.#children.reverse()) {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    }
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Signature version 4 of a form that is posted to IAM. */
function signed(host: string, body: string, { accessKeyId, secretAccessKey }: Account): Record<string, string> {
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  const scope = [time.slice(0, 8), 'us-east-1', 'iam', 'aws4_request'];
  const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
  const type = 'application/x-www-form-urlencoded';
  const named = `content-type:${type}\nhost:${host}\nx-amz-content-sha256:${sha256(body)}\nx-amz-date:${time}\n`;
  const names = 'content-type;host;x-amz-content-sha256;x-amz-date';
  const request = ['POST', '/', '', named, names, sha256(body)].join('\n');
  const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
  const key = scope.reduce<string | Buffer>(hmac, `AWS4${secretAccessKey}`);
  const text = ['AWS4-HMAC-SHA256', time, scope.join('/'), sha256(request)].join('\n');
  const signature = hmac(key, text).toString('hex');
  return {
    'content-type': type,
    'x-amz-content-sha256': sha256(body),
    'x-amz-date': time,
    authorization: `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope.join('/')}, SignedHeaders=${names}, Signature=${signature}`,
  };
}
