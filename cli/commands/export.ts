import { mkdir } from 'node:fs/promises';
import pc from 'picocolors';
import { Fault } from '../../lib/fault.ts';
import { EXIT } from '../exit-codes.ts';
import { exportModel, type Format } from '../export-model.ts';
import { exportSlices } from '../export-slices.ts';
import { requireResult } from '../find-run.ts';
import { withSession } from '../session.ts';

export interface ExportOptions {
  readonly format?: Format;
  readonly out?: string;
  readonly slices?: string;
  readonly json?: boolean;
}

/** `samflow export RUN [--format hf|onnx --out DIR] [--slices DIR]`: the fine-tuned model and the slices as files for others. */
export async function exportCommand(run: string, { format, out, slices, json }: ExportOptions): Promise<number> {
  const isWhole = (format === undefined) === (out === undefined);
  if (!isWhole || (out === undefined && slices === undefined)) {
    const found = isWhole ? 'nothing to write' : `${format ? '--format' : '--out'} alone`;
    const details = { at: 'samflow export', found, expected: '--format with --out, or --slices, or all of them' };
    throw new Fault('USAGE', { ...details, fix: 'Say what is to be written, and where' });
  }
  return withSession({ json, workers: false }, async ({ platform, say }) => {
    const result = await requireResult({ run }, platform);
    const done: Record<string, unknown> = { run };
    if (format && out) {
      const files = await writing('--out', out, () => exportModel(format, result, platform.artifacts, out));
      for (const { path, bytes } of files) say(`${pc.bold(path)}  ${bytes} bytes`);
      Object.assign(done, { format, out, files });
    }
    if (slices) {
      const counts = await writing('--slices', slices, () => exportSlices(result, platform.artifacts, slices));
      say(
        `${pc.bold(slices)}  ${counts.train} slices to train on, ${counts.val} for validation, ${counts.test} for the test`,
      );
      Object.assign(done, { slices: { folder: slices, ...counts } });
    }
    if (json) process.stdout.write(`${JSON.stringify(done)}\n`);
    return EXIT.ok;
  });
}

/** What the file system says to a place that cannot be written, as a sentence. */
async function writing<T>(option: string, folder: string, write: () => Promise<T>): Promise<T> {
  try {
    await mkdir(folder, { recursive: true });
    return await write();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (!['EEXIST', 'ENOTDIR', 'EACCES', 'EPERM', 'EROFS', 'ENOSPC'].includes(code)) throw error;
    const details = { at: `${option} ${folder}`, found: code, expected: 'a folder that can be written' };
    throw new Fault('USAGE', { ...details, fix: `Choose another ${option}, or make room there` }, { cause: error });
  }
}
