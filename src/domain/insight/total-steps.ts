/** How many steps a run has in all: verl says it on the console only, as a number or as the end of its progress bar. */

/** Lines that may tell it, as a pattern for the log. */
export const TOTAL_STEPS_PATTERN = String.raw`Total training steps: \d|Training Progress:.*\d/\d|Epoch \d+/\d+:.*\d/\d`;

const SAID = /Total training steps: (\d{1,9})(?!\d)/;
/** RL: all steps in one bar (verl/trainer/ppo/ray_trainer.py). */
const BAR = /Training Progress:.{0,300}?\| *\d{1,9}\/(\d{1,9}) \[/;
/** SFT: a bar an epoch (verl/trainer/sft_trainer_ray.py). */
const EPOCH = /Epoch \d{1,6}\/(\d{1,6}):.{0,300}?\| *\d{1,9}\/(\d{1,9}) \[/;

/** `cap` is the task's own total_training_steps: the epochs bind too. Null = nothing tells it. */
export function totalSteps(lines: readonly string[], cap: number | null): number | null {
  for (const line of lines) {
    const text = line.slice(0, 2_000);
    const said = SAID.exec(text) ?? BAR.exec(text);
    const epoch = said === null ? EPOCH.exec(text) : null;
    const found = said !== null ? Number(said[1]) : epoch !== null ? Number(epoch[1]) * Number(epoch[2]) : 0;
    if (found > 0) return cap === null ? found : Math.min(cap, found);
  }
  return cap;
}
