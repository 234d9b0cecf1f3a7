import { input } from '../graph/index.ts';
import type { Session, SessionOptions } from '../runtime/session.ts';
import { float32 } from '../runtime/tensor.ts';
import type { SamModel } from '../sam/model.ts';
import { flatParameters, flatSize, frozenParameters } from '../sam/parameters.ts';
import { Ahead } from './ahead.ts';
import { LOSSES, overlapEach } from './losses.ts';
import { maskGraph } from './mask-graph.ts';
import { imageInput, type StepSettings } from './mask-training.ts';
import { openSession } from './open-session.ts';
import type { Batches } from './samples.ts';
import type { Learner } from './trainable.ts';

/** Scores weights on the validation patients' own masks: mean loss and Dice per object, at the decoder's resolution. */
export class Validator {
  private readonly session: Session;
  private readonly batches: Batches;
  private readonly onWait: ((seconds: number) => void) | undefined;

  private constructor(session: Session, batches: Batches, onWait?: (seconds: number) => void) {
    this.session = session;
    this.batches = batches;
    this.onWait = onWait;
  }

  static async open(
    model: SamModel,
    { layout, adapt }: Learner,
    batches: Batches,
    { train, loss }: Pick<StepSettings, 'train' | 'loss'>,
    options: SessionOptions,
    onWait?: (seconds: number) => void,
  ): Promise<Validator> {
    const weights = input('weights', 'float32', [flatSize(layout)]);
    const parameters = adapt(flatParameters(weights, layout, frozenParameters(model.tensors)));
    const { logits, target, iou } = maskGraph(parameters, model, batches.shape, imageInput(train));
    const outputs = { losses: LOSSES[loss](logits, target, iou), dices: overlapEach(logits, target).dice };
    return new Validator(await openSession(outputs, options), batches, onWait);
  }

  async score(weights: Float32Array, signal: AbortSignal | undefined): Promise<{ loss: number; dice: number }> {
    let [loss, dice, count] = [0, 0, 0];
    await this.session.write({ weights: float32(weights, [weights.length]) });
    const { validationPasses } = this.batches;
    const ahead = new Ahead((pass) => this.batches.validation(pass), 0, validationPasses, this.onWait);
    for (let i = 0; i < validationPasses; i++) {
      signal?.throwIfAborted();
      const { feeds, counts } = await ahead.next(signal);
      const { losses, dices } = await this.session.run(feeds);
      for (const [row, isReal] of counts.entries()) {
        if (!isReal) continue;
        loss += Number(losses!.data[row]);
        dice += Number(dices!.data[row]);
        count++;
      }
    }
    return { loss: loss / count, dice: dice / count };
  }

  close(): Promise<void> {
    return this.session.close();
  }
}
