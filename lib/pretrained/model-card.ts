/** Scores on the test patients, with boxes drawn round the truth. */
interface Scores {
  readonly dice: number;
  readonly iou: number;
}

/** What a reader of the model must know. No patient, not even under a pseudonym. */
export interface ModelCard {
  readonly name: string;
  readonly target: string;
  readonly run: string;
  /** SHA-256 (hex) by which the source of the data is known. */
  readonly dataDigest: string;
  /** What was fine-tuned: the reference where it leads anywhere, otherwise a name. */
  readonly base: string;
  readonly baseSha256: string;
  readonly zeroShot: Scores;
  readonly fineTuned: Scores;
  readonly patients: { readonly train: number; readonly val: number; readonly test: number };
  /** Side of the square input, pixels. */
  readonly inputSize: number;
  /** The intensity window, in words. */
  readonly window: string;
  readonly axis: string;
  /** What a training box was. */
  readonly boxes: string;
}

/** README.md of an exported model, as the Hugging Face hub shows it. The same run gives the same text. */
export function modelCard(card: ModelCard): string {
  const { name, target, patients, zeroShot, fineTuned } = card;
  const [, hub] = /^hf:([^@]+)@/.exec(card.base) ?? [];
  const score = (value: number): string => value.toFixed(4);
  return `---
library_name: transformers
pipeline_tag: mask-generation
tags: [sam, segment-anything, medical-imaging, samflow]
${hub ? `base_model: ${hub}\n` : ''}---

# ${name}: Segment Anything, fine-tuned for ${target}

| | |
| --- | --- |
| target | ${target} |
| base model | \`${card.base}\` |
| base weights, SHA-256 | \`${card.baseSha256}\` |
| run | \`${card.run}\` |
| data, digest | \`${card.dataDigest}\` |
| patients | ${patients.train} train, ${patients.val} validation, ${patients.test} test |

## What the model expects

Slices of a volume, as grey values of 0 to 255 in three equal channels, and a box for each object.

- Input: ${card.inputSize} × ${card.inputSize} pixels; the processor resizes the longer side and pads the other.
- Intensity window: ${card.window}. It is part of the model: on another window it is another model.
- Slice axis: ${card.axis}.
- Boxes in training: ${card.boxes}.

## Scores

Mean over the test patients, whole volumes, with boxes drawn round the truth: an upper bound of what a user's boxes give.

| | Dice | IoU |
| --- | --- | --- |
| base model | ${score(zeroShot.dice)} | ${score(zeroShot.iou)} |
| fine-tuned | ${score(fineTuned.dice)} | ${score(fineTuned.iou)} |

## Use

\`\`\`python
from transformers import SamModel, SamProcessor

model = SamModel.from_pretrained("path/to/this/folder")
processor = SamProcessor.from_pretrained("path/to/this/folder")
\`\`\`

For research. Nothing here was validated clinically.
`;
}
