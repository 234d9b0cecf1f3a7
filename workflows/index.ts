/** The bundle's entry: every workflow by name. */
export { crossValidateWorkflow } from './cross-validate.ts';
export { encodeWorkflow } from './encode.ts';
export { inferWorkflow } from './infer.ts';
export { pipelineWorkflow } from './pipeline.ts';
export { prepareWorkflow } from './prepare.ts';
export { retrainWorkflow } from './retrain.ts';
