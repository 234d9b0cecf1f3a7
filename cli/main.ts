import { readFileSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import { PRIORITIES } from '../contracts/priority.ts';
import { POOLS } from '../contracts/queues.ts';
import { EXIT } from './exit-codes.ts';
import { MASK_FORMATS } from './infer-outputs.ts';
import { Interrupted } from './interrupt.ts';
import { tellError, tellUsage } from './tell-error.ts';

const START = `
Start with \`samflow demo\`; data of your own begin with \`samflow inspect PATH\`.
What commands take, print and end with: docs/reference/cli.md`;

/** Runs one command line; returns the process's exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const json = argv.includes('--json');
  // Thrown where nobody waits for it, in a timer or a stream: the same sentence, and an end.
  process.once('uncaughtException', (error) => process.exit(tellError(error, json)));
  let code: number = EXIT.ok;
  const program = createProgram((exit) => {
    code = exit;
  });
  try {
    await program.parseAsync([...argv]);
    return code;
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help and version were asked for; a missing subcommand shows help as well.
      if (!error.message.startsWith('error: ')) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
      return tellUsage(error.message, called(program, argv), json);
    }
    if (error instanceof Interrupted) {
      process.stderr.write('\nStopped.\n');
      return EXIT.interrupted;
    }
    return tellError(error, json);
  }
}

/** `samflow schedule create`, as far as the words are commands. */
function called(program: Command, argv: readonly string[]): string {
  let [command, name] = [program, program.name()];
  for (const word of argv.slice(2)) {
    const next = command.commands.find((candidate) => candidate.name() === word);
    if (!next) break;
    [command, name] = [next, `${name} ${word}`];
  }
  return name;
}

/** For options that may be given more than once. */
const collect = (value: string, before: string[] = []): string[] => [...before, value];

const versionOf = (packageJson: URL): string => JSON.parse(readFileSync(packageJson, 'utf8')).version;

/** Commands are loaded when they are called: `--help` needs none of them. */
function createProgram(done: (code: number) => void): Command {
  const program = new Command('samflow')
    .description('Fine-tune Segment Anything on medical scans, as a durable Temporal workflow')
    .version(versionOf(new URL('../package.json', import.meta.url)))
    .addHelpText('after', START)
    .showSuggestionAfterError()
    .configureOutput({ outputError: () => undefined })
    .exitOverride();

  program
    .command('demo')
    .description('run the whole pipeline on a generated chest phantom')
    .option('--set <key=value>', 'change a setting, e.g. training.epochs=2 (repeatable)', collect)
    .option('--keep', 'leave servers and workers running')
    .option('--json', 'end with one JSON object on stdout')
    .action(async (options) => done(await (await import('./commands/demo.ts')).demoCommand(options)));
  program
    .command('dev')
    .description('run servers and workers until Ctrl-C')
    .option('--stop', 'end those that `--keep` or `--detach` left running')
    .action(async (options) => done(await (await import('./commands/dev.ts')).devCommand(options)));
  program
    .command('worker')
    .description('serve task queues until told to stop')
    .option('--pool <pools>', 'which ones, separated by commas', POOLS.join(','))
    .action(async (options) => done(await (await import('./commands/worker.ts')).workerCommand(options)));
  program
    .command('run')
    .description('run the pipeline that a configuration describes; started again, it goes on where it stopped')
    .argument('<config>', 'YAML or JSON file')
    .option('--set <key=value>', 'change a setting, e.g. training.epochs=2 (repeatable)', collect)
    .addOption(
      new Option('--priority <priority>', 'before or after other runs that wait for the same workers')
        .choices(PRIORITIES)
        .default('normal'),
    )
    .option('--detach', 'start it and leave it to itself')
    .option('--keep', 'leave servers and workers running')
    .option('--json', 'end with one JSON object on stdout')
    .action(async (file, options) => done(await (await import('./commands/run.ts')).runCommand(file, options)));
  program
    .command('plan')
    .description('say what a run would do and cost; nothing is started')
    .argument('<config>', 'YAML or JSON file')
    .option('--set <key=value>', 'change a setting, e.g. training.epochs=2 (repeatable)', collect)
    .option('--json', 'print one JSON object')
    .action(async (file, options) => done(await (await import('./commands/plan.ts')).planCommand(file, options)));
  program
    .command('status')
    .description('show a run, or list all')
    .argument('[run]', 'id that `run`, `infer` or `schedule trigger` has given')
    .option('--json', 'end with one JSON object on stdout')
    .action(async (run, options) => done(await (await import('./commands/status.ts')).statusCommand(run, options)));
  program
    .command('cancel')
    .description('end a run; what it has made is kept')
    .argument('<run>', 'id that `run` has printed')
    .action(async (run) => done(await (await import('./commands/cancel.ts')).cancelCommand(run)));
  program
    .command('inspect')
    .description('say what a volume is, or what patients a folder holds')
    .argument('<path>', 'NIfTI file, DICOM folder, data set folder or .zip')
    .option('--config <file>', 'configuration whose `dataset` and `split` say how a data set is paired and divided')
    .option('--json', 'print one JSON object')
    .action(async (path, options) => done(await (await import('./commands/inspect.ts')).inspectCommand(path, options)));
  program
    .command('infer')
    .description('segment scans with the model of a run')
    .argument('<scan...>', 'NIfTI files or DICOM folders')
    .option('--run <run>', 'the run whose model is used')
    .option('--model <name>', 'or: the champion that a schedule keeps under this name')
    .requiredOption('-o, --output <path>', 'OUT.nii.gz (OUT.dcm), or a folder for several scans')
    .addOption(
      new Option('--format <format>', 'what the masks are written as; dicom-seg for DICOM folders')
        .choices(MASK_FORMATS)
        .default('nifti'),
    )
    .option('--probability', 'write the probabilities too, beside each mask')
    .option('--json', 'end with one JSON object on stdout')
    .action(async (scans, options) => done(await (await import('./commands/infer.ts')).inferCommand(scans, options)));
  program
    .command('export')
    .description('write the model of a run as files that other programs read')
    .argument('<run>', 'id that `run` has printed')
    .addOption(
      new Option('--format <format>', 'Hugging Face folder, or decoder as ONNX')
        .choices(['hf', 'onnx'])
        .makeOptionMandatory(),
    )
    .requiredOption('--out <folder>', 'where the files go')
    .option('--json', 'end with one JSON object on stdout')
    .action(async (run, options) => done(await (await import('./commands/export.ts')).exportCommand(run, options)));
  addSchedule(program, done);
  return program;
}

function addSchedule(program: Command, done: (code: number) => void): void {
  const load = () => import('./commands/schedule.ts');
  const schedule = program.command('schedule').description('retrain when the data change');
  schedule
    .command('create')
    .description('look at the data at these times, and retrain when they have changed')
    .argument('<config>', 'YAML or JSON file')
    .option('--every <time>', 'how often the data are looked at, e.g. 6h or 1d')
    .option('--cron <expression>', 'or: at these times (UTC)')
    .option('--set <key=value>', 'change a setting, e.g. training.epochs=2 (repeatable)', collect)
    .action(async (file, options) => done(await (await load()).createScheduleCommand(file, options)));
  schedule
    .command('list')
    .description('show the schedules, their last time and their next')
    .option('--json', 'end with one JSON object on stdout')
    .action(async (options) => done(await (await load()).listSchedulesCommand(options)));
  schedule
    .command('trigger')
    .description('look at the data now, and follow what comes of it')
    .argument('<name>', '`name` of the configuration')
    .option('--json', 'end with one JSON object on stdout')
    .action(async (name, options) => done(await (await load()).triggerScheduleCommand(name, options)));
  schedule
    .command('delete')
    .description('look no more; models and runs stay')
    .argument('<name>', '`name` of the configuration')
    .action(async (name) => done(await (await load()).deleteScheduleCommand(name)));
}
