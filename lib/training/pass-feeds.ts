import type { Tensor } from '../runtime/tensor.ts';
import { Ahead } from './ahead.ts';
import type { Batches, PromptDrawing } from './samples.ts';

/** The feeds of a training's passes in their order; while a pass runs, those of the next one in its epoch are made. */
export class PassFeeds {
  private readonly batches: Batches;
  private readonly drawing: PromptDrawing;
  private readonly onWait: ((seconds: number) => void) | undefined;
  private present: { readonly epoch: number; readonly ahead: Ahead<Record<string, Tensor>> } | undefined;

  /** @param onWait is told after each pass how long it was waited for */
  constructor(batches: Batches, drawing: PromptDrawing, onWait?: (seconds: number) => void) {
    this.batches = batches;
    this.drawing = drawing;
    this.onWait = onWait;
  }

  /** Begins with the first pass of a step, counted from 0 through all epochs. */
  begin(step: number): Ahead<Record<string, Tensor>> {
    const { perEpoch, passes } = this.batches;
    const epoch = Math.floor(step / perEpoch);
    const make = (at: number) => this.batches.training(epoch, Math.floor(at / passes), at % passes, this.drawing);
    const ahead = new Ahead(make, (step % perEpoch) * passes, perEpoch * passes, this.onWait);
    this.present = { epoch, ahead };
    return ahead;
  }

  /** Of the next pass, which is one of this step. Rejects with the signal's reason when it aborts meanwhile. */
  next(step: number, signal?: AbortSignal): Promise<Record<string, Tensor>> {
    const epoch = Math.floor(step / this.batches.perEpoch);
    const ahead = this.present?.epoch === epoch ? this.present.ahead : this.begin(step);
    return ahead.next(signal);
  }
}
