import { readdir, readFile } from 'node:fs/promises';
import { ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3';
import type { ProofBucket, ProofInstallation } from '../../cli/resume-proof/installation.ts';

/** I6: what workers have left behind that should be gone: processes, temporary files, uploads that nobody completes. */
export async function leftovers(installation: ProofInstallation, bucket: ProofBucket): Promise<string[]> {
  const [files, uploads, processes] = await Promise.all([
    installation.leftFiles(),
    uploadsIn(installation, bucket),
    processesWith(installation.temporaryFiles),
  ]);
  const alive = new Set([...installation.survivors(), ...processes]);
  return [
    ...[...alive].map((pid) => `process ${pid} of a worker is still alive`),
    ...files.map((name) => `${name} was left among the temporary files`),
    ...uploads.map((key) => `${key}: an upload in parts was left`),
  ];
}

async function uploadsIn({ s3 }: ProofInstallation, { name }: ProofBucket): Promise<string[]> {
  const { endpoint, region, accessKeyId = '', secretAccessKey = '' } = s3;
  const credentials = { accessKeyId, secretAccessKey };
  const client = new S3Client({ ...(endpoint && { endpoint }), region, credentials, forcePathStyle: true });
  try {
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: name }));
    return Uploads.map(({ Key }) => Key ?? '');
  } finally {
    client.destroy();
  }
}

/** Children of workers that outlived them, too: a worker's environment names this folder. Only where the system shows it. */
async function processesWith(folder: string): Promise<number[]> {
  const names = await readdir('/proc').catch(() => []);
  const found = names
    .filter((name) => /^\d+$/.test(name))
    .map(async (name) => {
      const text = await readFile(`/proc/${name}/environ`, 'utf8').catch(() => '');
      return text.includes(`PROOF_FOLDER=${folder}\0`) ? [Number(name)] : [];
    });
  return (await Promise.all(found)).flat();
}
