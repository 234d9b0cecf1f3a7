import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { phantomFiles } from '../../lib/dataset/phantom.ts';
import { Home, lastJson } from '../helpers/cli.ts';
import { openHistories } from './save.ts';

/**
 * Records the histories that replay.test.ts replays:  node --import tsx test/histories/record.ts
 * Run it when a workflow's flow has changed on purpose; the files beside it are then those of the new flow.
 * What only very large runs start is recorded by record-children.ts.
 */
const SETTINGS = ['--set', 'source.patients=3', '--set', 'training.epochs=2'];

const home = await Home.make();
const dev = home.start('dev');
try {
  await dev.until(/S3 +http/);
  const save = await openHistories(await home.temporalAddress(), home.env);
  const trained = await home.run('run', 'examples/phantom.yaml', ...SETTINGS, '--json');
  const { run } = lastJson(trained);
  await save('pipeline', run);
  await save('encode', `${run}/encode`);

  const scan = join(home.dir, 'scan.nii.gz');
  await writeFile(scan, phantomFiles(1, 99)[0]!.bytes);
  const mask = join(home.dir, 'mask.nii.gz');
  await save('infer', lastJson(await home.run('infer', scan, '--run', run, '-o', mask, '--json')).run);

  const folds = ['--set', 'split.folds=leave-one-out'];
  const validated = await home.run('run', 'examples/phantom.yaml', ...SETTINGS, ...folds, '--json');
  await save('cross-validate', lastJson(validated).run);
  const broken = ['--set', 'split.val=5'];
  const invalid = await home.run('run', 'examples/phantom.yaml', ...SETTINGS, ...folds, ...broken, '--json');
  await save('cross-validate-failed', lastJson(invalid).run);

  const tooFew = ['--set', 'split.test=5'];
  const failed = await home.run('run', 'examples/phantom.yaml', ...SETTINGS, ...tooFew, '--json');
  await save('pipeline-failed', lastJson(failed).run);

  await home.run('schedule', 'create', 'examples/phantom.yaml', '--every', '1d', ...SETTINGS);
  const first = lastJson(await home.run('schedule', 'trigger', 'phantom-lungs', '--json'));
  await save('retrain-first', first.run.replace(/\/pipeline$/, ''));
  await home.run('schedule', 'delete', 'phantom-lungs');
  const more = ['--set', 'source.patients=3', '--set', 'training.epochs=3'];
  await home.run('schedule', 'create', 'examples/phantom.yaml', '--every', '1d', ...more);
  const second = lastJson(await home.run('schedule', 'trigger', 'phantom-lungs', '--json'));
  await save('retrain-compared', second.run.replace(/\/pipeline$/, ''));
} finally {
  dev.child.kill('SIGINT');
  await dev.finished;
  await home.remove();
}
