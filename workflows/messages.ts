import { defineQuery, defineSignal } from '@temporalio/workflow';
import { MESSAGES } from '../contracts/messages.ts';
import type { Progress, TrainingNews, Trouble } from '../contracts/pipeline.ts';
import type { FineTuneProgress } from '../contracts/stages.ts';

export const progressQuery = defineQuery<Progress>(MESSAGES.progress);
export const troubleSignal = defineSignal<[Trouble]>(MESSAGES.trouble);
export const fineTuneProgressSignal = defineSignal<[FineTuneProgress]>(MESSAGES.fineTuneProgress);
export const trainingSignal = defineSignal<[TrainingNews]>(MESSAGES.training);
