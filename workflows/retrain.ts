import {
  ActivityFailure,
  ApplicationFailure,
  ChildWorkflowCancellationType,
  startChild,
  workflowInfo,
} from '@temporalio/workflow';
import type { PromptsConfig } from '../contracts/config.ts';
import { FAILURES } from '../contracts/failure-codes.ts';
import type { RunLineage } from '../contracts/lineage.ts';
import { WORKFLOWS } from '../contracts/messages.ts';
import type { PipelineResult, RetrainInput, RetrainResult } from '../contracts/pipeline.ts';
import { priorityOf } from '../contracts/priority.ts';
import type { Champion, ModelPackage, Overlap, ProposeInput, ReadChampionResult } from '../contracts/stages.ts';
import { withAccount } from './account.ts';
import { type Board, openBoard } from './board.ts';
import type { encodeWorkflow } from './encode.ts';
import { type Lineage, openLineage } from './lineage.ts';
import { mapBounded, together } from './map-bounded.ts';
import {
  evaluate,
  fingerprint,
  PATIENTS_AT_ONCE,
  promote,
  propose,
  readChampion,
  recordRun,
  SHARDS_AT_ONCE,
  slice,
} from './options.ts';
import { openRelay, type Relay } from './relay.ts';
import { announce } from './search-attributes.ts';
import { SHARDS_IN_PLACE, shardSlices, shardsOf } from './shards.ts';
import { withFailureSurfaced } from './surface-failure.ts';

type HeldOut = PipelineResult['test'];

/** Each time that another retraining is faster, the new model is measured against that one's champion: so often, and then it fails. */
const COMPARISONS = 5;

/**
 * What a schedule starts: looks whether the data, their description or the settings have changed, and if so trains a challenger and keeps the
 * better model, both measured on the same patients that neither has learned from.
 */
export async function retrainWorkflow(input: RetrainInput): Promise<RetrainResult> {
  const board = openBoard(`retrain ${input.name}`, ['look', 'train', 'compare', 'promote']);
  announce({ ...input, model: input.settings.model.checkpoint });
  const relay = openRelay(input.settings.training.epochs, board);
  relay.expect(1);
  const lineage = openLineage();
  const runs = [`${workflowInfo().workflowId}/pipeline`];
  return withFailureSurfaced(board, () =>
    withAccount(input, lineage, () => retrain(input, board, relay, lineage), runs),
  );
}

async function retrain(input: RetrainInput, board: Board, relay: Relay, lineage: Lineage): Promise<RetrainResult> {
  const { approval, ...training } = input;
  const { name, spec, settings } = training;
  const asked = { name, settings, ...(approval && { candidate: true }) };
  board.begin('look', 2);
  const [source, current] = await together(
    () => board.unit('look', fingerprint({ spec })),
    () => board.unit('look', readChampion(asked)),
  );
  const { seen } = current.candidate?.value ?? current.champion ?? {};
  const isSeen = seen?.fingerprint === source.fingerprint && seen.spec === spec.sha256;
  if (isSeen && seen.settings === current.settings && !isOvertaken(current)) {
    const reason = 'Data and settings are those of the last training.';
    return { outcome: 'unchanged', reason, champion: null, challenger: null, run: null };
  }

  await relay.gate();
  board.begin('train', 1);
  const run = `${workflowInfo().workflowId}/pipeline`;
  board.child(run);
  const trained = await board.unit(
    'train',
    relay.run(run, training, {
      // Nobody waits for it.
      priority: priorityOf(name, 'low'),
      cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
    }),
  );
  board.child(null);

  let against = current;
  for (let comparison = 1; ; comparison++) {
    await relay.gate();
    const verdict = await compare(trained, settings.prompts, against, board, relay, lineage);
    const looked = { fingerprint: trained.fingerprint, settings: current.settings, spec: spec.sha256 };
    await relay.gate();
    board.begin('promote', 1);
    try {
      if (approval) {
        const candidate = {
          seen: looked,
          proposal: proposalOf(verdict, against, { package: trained.package, run, ...approval }),
        };
        await board.unit('promote', propose({ name, candidate, etag: against.candidate?.etag ?? null }));
      } else {
        const stays = verdict.outcome === 'kept' && against.champion;
        const champion: Champion = { ...(stays || { package: trained.package, run }), seen: looked };
        await board.unit('promote', promote({ name, champion, etag: against.etag }));
      }
    } catch (error) {
      if (!isChampionChanged(error) || comparison === COMPARISONS) throw error;
      against = await readChampion(asked);
      continue;
    }
    const account = { input: training, uses: lineage.uses, runs: [run] } satisfies RunLineage;
    await recordRun({ run: workflowInfo().workflowId, lineage: account });
    return { ...(approval ? awaiting(verdict, name) : verdict), run };
  }
}

type Verdict = Omit<RetrainResult, 'run'>;

/** The challenger, where it is better; else whoever was waiting before, if the champion is still the one he was measured against. */
function proposalOf(
  { outcome, champion, challenger }: Verdict,
  { etag, candidate }: ReadChampionResult,
  { package: model, run, author }: Pick<PipelineResult, 'package' | 'run'> & { readonly author: string },
): ProposeInput['candidate']['proposal'] {
  if (outcome !== 'kept') return { package: model, run, author, champion, challenger: challenger ?? 0, against: etag };
  const { metrics, ...waiting } = candidate?.value.proposal ?? {};
  return 'against' in waiting && waiting.against === etag ? waiting : null;
}

/** Whoever waits was measured against another champion than the one of now, and has to be measured again. */
function isOvertaken({ candidate, champion, etag }: ReadChampionResult): boolean {
  const proposal = candidate?.value.proposal;
  if (!proposal || proposal.metrics === champion?.promotion?.metrics) return false;
  return proposal.against !== etag;
}

function awaiting(verdict: Verdict, name: string): Verdict {
  if (verdict.outcome === 'kept') return verdict;
  const reason = `${verdict.reason} It waits for a yes: samflow promote ${name}`;
  return { ...verdict, outcome: 'proposed', reason };
}

function isChampionChanged(error: unknown): boolean {
  const cause = error instanceof ActivityFailure ? error.cause : null;
  return cause instanceof ApplicationFailure && cause.type === FAILURES.championChanged;
}

async function compare(
  trained: PipelineResult,
  prompts: PromptsConfig,
  { champion, model }: ReadChampionResult,
  board: Board,
  relay: Relay,
  lineage: Lineage,
): Promise<Verdict> {
  if (!champion || !model) {
    const challenger = trained.metrics.fineTuned.dice;
    return { outcome: 'first', reason: 'There was no champion before.', champion: null, challenger };
  }
  const unseen = trained.test.filter(({ patient }) => !model.learnedFrom.includes(patient));
  if (unseen.length === 0) {
    const reason = 'The champion has learned from all patients held out now, so the two cannot be compared fairly.';
    return { outcome: 'kept', reason, champion: null, challenger: null };
  }
  const { structures } = trained;
  if (structures.map(({ name }) => name).join() !== model.structures.map(({ name }) => name).join()) {
    const reason =
      'The champion segments other structures, so the two cannot be compared; train these under another name.';
    return { outcome: 'kept', reason, champion: null, challenger: null };
  }
  board.begin('compare', 2);
  const old = await board.unit('compare', measureChampion(model, unseen, relay, lineage));
  await relay.gate();
  const { model: encoder, weights } = trained;
  const scored = await board.unit('compare', evaluate({ model: encoder, weights, test: unseen, prompts, structures }));
  lineage.use(scored);
  const fresh = scored.fineTuned;
  const better = fresh.dice > old.dice;
  const scores = `Dice ${fresh.dice.toFixed(4)} against ${old.dice.toFixed(4)} on ${unseen.length} unseen patient(s)`;
  return {
    outcome: better ? 'promoted' : 'kept',
    reason: better ? `The challenger is better: ${scores}.` : `The champion is not beaten: ${scores}.`,
    champion: old.dice,
    challenger: fresh.dice,
  };
}

/** The champion sees the patients as it was trained to: by its own window, axis and encoder. */
async function measureChampion(
  { model, weights, slices: setting, prompts, structures }: ModelPackage,
  unseen: HeldOut,
  relay: Relay,
  lineage: Lineage,
): Promise<Overlap> {
  const slices = { ...setting, everyNth: 1, negatives: 0 };
  const sliced = await mapBounded(unseen, PATIENTS_AT_ONCE, async ({ patient, volume }) => {
    await relay.gate();
    return slice.executeWithOptions({ summary: patient }, [{ patient, volume, slices }]);
  });
  const input = {
    model,
    patients: sliced.map(({ patient, slices, count }) => ({ patient, slices, count })),
    shardSlices: shardSlices(model),
  };
  const indexed = shardsOf(input).length > SHARDS_IN_PLACE;
  await relay.gate();
  const child = await startChild<typeof encodeWorkflow>(WORKFLOWS.encode, {
    workflowId: `${workflowInfo().workflowId}/champion/encode`,
    args: [{ ...input, width: SHARDS_AT_ONCE, ...(indexed && { indexed }) }],
    cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
  });
  const encoded = await relay.following(child);
  await relay.gate();
  // The child answers in the order of its input.
  const test = encoded.patients.map((patient, index) => ({ ...patient, volume: unseen[index]!.volume }));
  const scored = await evaluate({ model, weights, test, prompts, structures });
  lineage.use(...sliced, ...(encoded.uses ?? []), scored);
  return scored.fineTuned;
}
