import { bytes } from './format.ts';
import { type Html, html } from './html.ts';
import type { ReportData } from './report-data.ts';

/** How to run the model here, and how to load its tensors elsewhere. */
export function weightsSection({ run, weights, model }: ReportData): Html | null {
  if (!weights) return null;
  return html`<section id="weights"><h2>Use the weights</h2>
<p>On a new scan, as a durable workflow; the mask comes back on the scan’s own grid:</p>
<pre><code>samflow infer scan.nii.gz --run ${shellWord(run)} -o out/</code></pre>
<p>The trained tensors are one safetensors file (${bytes(weights.bytes)}) under their Hugging Face names, in the artifact store at</p>
<pre><code>${weights.key}</code></pre>
<p>Saved as <code>weights.safetensors</code>, they go on top of the checkpoint they were trained from (${model}), here with PyTorch:</p>
<pre><code>from safetensors.torch import load_file
from transformers import SamModel

model = SamModel.from_pretrained("path/to/checkpoint")
result = model.load_state_dict(load_file("weights.safetensors"), strict=False)
assert not result.unexpected_keys</code></pre>
<p class="note">Give slices with the intensity window of the settings above: the window is part of the model.</p></section>`;
}

/** Quotes a word for a POSIX shell where it needs it. */
export function shellWord(word: string): string {
  return /^[\w./:@-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
