import { readFileSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import { PRIORITIES } from '../contracts/priority.ts';
import { POOLS, STAGES } from '../contracts/queues.ts';
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
    .command('codec-server')
    .description('decrypt payloads for Temporal’s Web UI and command, for who has the token')
    .option('--port <port>', 'on the loopback address', '8234')
    .option('--origin <origin>', 'a Web UI that may ask, e.g. http://127.0.0.1:8233 (repeatable)', collect)
    .option('--encode', 'encrypt as well, for what is sent from there')
    .action(async (options) => done(await (await import('./commands/codec-server.ts')).codecServerCommand(options)));
  program
    .command('run')
    .description('run the pipeline that a configuration describes; started again, it goes on where it stopped')
    .argument('<config>', 'YAML or JSON file')
    .option('--set <key=value>', 'change a setting, e.g. training.epochs=2 (repeatable)', collect)
    .addOption(new Option('--from <stage>', 'do this stage and those after it again').choices(STAGES))
    .option('--force', 'do every stage again')
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
    .command('rerun')
    .description('start a new run of a finished one, from a stage or from a checkpoint on')
    .argument('<run>', 'id that `run` has printed')
    .addOption(new Option('--from <stage>', 'do this stage and those after it again').choices(STAGES))
    .option('--at-epoch <number>', 'train on from the checkpoint at the end of this epoch')
    .option('--set <key=value>', 'change a setting, e.g. training.learningRate=1e-4 (repeatable)', collect)
    .option('--detach', 'start it and leave it to itself')
    .option('--keep', 'leave servers and workers running')
    .option('--json', 'end with one JSON object on stdout')
    .action(async (run, options) => done(await (await import('./commands/rerun.ts')).rerunCommand(run, options)));
  program
    .command('explain')
    .description('say of each stage of a run why it worked, or whose work it reused')
    .argument('<run>', 'id that `run` has printed')
    .option('--json', 'end with one JSON object on stdout')
    .action(async (run, options) => done(await (await import('./commands/explain.ts')).explainCommand(run, options)));
  program
    .command('why')
    .description('name what differs first between two runs')
    .argument('<a>', 'id that `run` has printed')
    .argument('<b>', 'id of the other run')
    .option('--json', 'end with one JSON object on stdout')
    .action(async (a, b, options) => done(await (await import('./commands/why.ts')).whyCommand(a, b, options)));
  program
    .command('audit')
    .description('say who started, cancelled or told which run what, as JSON lines')
    .action(async () => done(await (await import('./commands/audit.ts')).auditCommand()));
  program
    .command('cancel')
    .description('end a run; what it has made is kept')
    .argument('<run>', 'id that `run` has printed')
    .action(async (run) => done(await (await import('./commands/cancel.ts')).cancelCommand(run)));
  addControl(program, done);
  program
    .command('verify-resume')
    .description('prove that a killed run ends as one that nobody touched, on servers of its own')
    .argument('<config>', 'YAML or JSON file')
    .option('--kills <number>', 'how often the gpu worker is killed', '3')
    .option('--seed <number>', 'decides when; drawn and told where none is given')
    .option('--set <key=value>', 'change a setting, e.g. training.epochs=2 (repeatable)', collect)
    .option('--json', 'end with one JSON object on stdout')
    .action(async (file, options) =>
      done(await (await import('./commands/verify-resume.ts')).verifyResumeCommand(file, options)),
    );
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
    .description('write the model of a run, or its slices, as files that other programs read')
    .argument('<run>', 'id that `run` has printed')
    .addOption(
      new Option('--format <format>', 'the model: Hugging Face folder, or decoder as ONNX').choices(['hf', 'onnx']),
    )
    .option('--out <folder>', 'where the files of the model go')
    .option('--slices <folder>', 'where the slices go, as NIfTI files by part of the split')
    .option('--json', 'end with one JSON object on stdout')
    .action(async (run, options) => done(await (await import('./commands/export.ts')).exportCommand(run, options)));
  program
    .command('gc')
    .description('say what no run, model, schedule or open work refers to; with --yes, delete it')
    .option('--keep <time>', 'keep runs that ended less than so long ago, e.g. 30d')
    .option('--keep-last <number>', 'or that are among the newest so many of their name')
    .option('--grace <time>', 'touch nothing that is younger', '24h')
    .option('--yes', 'delete it')
    .option('--json', 'end with one JSON object on stdout')
    .action(async (options) => done(await (await import('./commands/gc.ts')).gcCommand(options)));
  program
    .command('models')
    .description('show the models that schedules keep, and those that wait for a yes')
    .option('--json', 'end with one JSON object on stdout')
    .action(async (options) => done(await (await import('./commands/models.ts')).modelsCommand(options)));
  program
    .command('promote')
    .description('let the model serve that waits under a name; not for who has made its schedule')
    .argument('<name>', 'of `samflow models`')
    .option('--unverified', 'also where nothing says what its data must hash to')
    .option('--json', 'end with one JSON object on stdout')
    .action(async (name, options) => done(await (await import('./commands/promote.ts')).promoteCommand(name, options)));
  program
    .command('delete')
    .description('say what there is of a run or of a patient; with --yes, delete it')
    .argument('[run]', 'id that `run`, `infer` or `schedule trigger` has given')
    .option('--patient <id>', 'or: a patient, by the id of the configuration or by pseudonym; - reads it')
    .option('--runs', 'with --patient: delete the runs too that have learned from it')
    .option('--models', 'delete the models too that one of the runs has made')
    .option('--yes', 'delete it')
    .option('--json', 'end with one JSON object on stdout')
    .action(async (run, options) => done(await (await import('./commands/delete.ts')).deleteCommand(run, options)));
  addSchedule(program, done);
  return program;
}

function addControl(program: Command, done: (code: number) => void): void {
  const load = () => import('./commands/control.ts');
  const RUN = ['<run>', 'id that `run` has printed'] as const;
  program
    .command('pause')
    .description('hold a run: nothing new is begun, and the training leaves the gpu')
    .argument(...RUN)
    .action(async (run) => done(await (await load()).pauseCommand(run)));
  program
    .command('resume')
    .description('let a paused run go on')
    .argument(...RUN)
    .action(async (run) => done(await (await load()).resumeCommand(run)));
  program
    .command('stop')
    .description('end the training of a run now; the best weights are kept, and evaluated')
    .argument(...RUN)
    .action(async (run) => done(await (await load()).stopCommand(run)));
  program
    .command('extend')
    .description('let the training of a run go on for longer than planned')
    .argument(...RUN)
    .requiredOption('--epochs <number>', 'how many there are to be in all')
    .action(async (run, options) => done(await (await load()).extendCommand(run, options)));
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
    .addOption(
      new Option('--promotion <how>', 'a better model serves by its scores, or when a second person says yes')
        .choices(['automatic', 'approval'])
        .default('automatic'),
    )
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
