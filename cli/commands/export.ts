import { mkdir } from 'node:fs/promises';
import pc from 'picocolors';
import { Fault } from '../../lib/fault.ts';
import { EXIT } from '../exit-codes.ts';
import { type ExportedFile, exportModel, type Format } from '../export-model.ts';
import { requireResult } from '../find-run.ts';
import { withSession } from '../session.ts';

export interface ExportOptions {
  readonly format: Format;
  readonly out: string;
  readonly json?: boolean;
}

/** `samflow export RUN --format hf|onnx --out DIR`: the fine-tuned model as files that other programs read. */
export const exportCommand = (run: string, { format, out, json }: ExportOptions): Promise<number> =>
  withSession({ json, workers: false }, async ({ platform, say }) => {
    const result = await requireResult({ run }, platform);
    const files = await writing(out, async () => {
      await mkdir(out, { recursive: true });
      return exportModel(format, result, platform.artifacts, out);
    });
    for (const { path, bytes } of files) say(`${pc.bold(path)}  ${bytes} bytes`);
    if (json) process.stdout.write(`${JSON.stringify({ run, format, out, files })}\n`);
    return EXIT.ok;
  });

/** What the file system says to a place that cannot be written, as a sentence. */
async function writing(out: string, write: () => Promise<ExportedFile[]>): Promise<ExportedFile[]> {
  try {
    return await write();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (!['EEXIST', 'ENOTDIR', 'EACCES', 'EPERM', 'EROFS', 'ENOSPC'].includes(code)) throw error;
    const details = { at: `--out ${out}`, found: code, expected: 'a folder that can be written' };
    throw new Fault('USAGE', { ...details, fix: 'Choose another --out, or make room there' }, { cause: error });
  }
}
