"""Make everything the demo needs, on this machine and without a hub.

usage: python make_demo.py --models DIR --datasets DIR [--seed N] [--clean-steps N] [--noisy-steps N] [--right P] ...

- ``MODELS/verlpool-demo/base``: a small tokenizer (each digit one token) and an untrained Qwen2 of 0.64 M parameters;
- ``MODELS/verlpool-demo/warm``: the same model after less than a minute (two free cores) of plain-torch warm start;
- ``DATASETS/gsm8k-demo/{train,test}.parquet``: sums in words, in verl's gsm8k format (PPO, GRPO);
- ``DATASETS/gsm8k-demo-sft/{train,test}.parquet``: the same sums as ``messages`` (SFT).

The rows carry ``data_source: openai/gsm8k``, so that verl's *own* rule-based reward judges the answers. An untrained
model scores 0 with it for ever, and GRPO then reports a gradient of 0.0 and still succeeds, which would show nothing.
So the warm start ends with a NOISY teacher, of whose answers only the share P is right: the model then knows the form
``a + b = c\\n#### c`` and is unsure of the sum. Its reward starts near P, strictly between 0 and 1, and reinforcement
learning largely wins back what the noise hid. Say so where you show the curves.

The same seed, thread count and versions give the same bytes. A stamp holds the hash of this file and its arguments: a
second run with the same ones changes nothing, and a run that was killed leaves no stamp and is done again whole.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

STAMP = ".verlpool-demo.json"

NAMES = ["Tom", "Ann", "Bob", "Eva", "Max", "Lea", "Jim", "Sue"]
THINGS = ["apples", "pens", "books", "coins", "cards", "eggs"]
# The words of verl's gsm8k preprocessing: its reward looks for "#### <number>".
INSTRUCTION = ' Output the final answer after "####".'
TRAIN_ROWS, TEST_ROWS = 3072, 256


@dataclass(frozen=True)
class Recipe:
    """What the warm start does; part of the stamp."""

    seed: int
    clean_steps: int
    noisy_steps: int
    right: float
    lr: float
    batch: int
    threads: int


class Sum(NamedTuple):
    """One question: ``name`` has ``x`` things and gets ``y`` more."""

    name: str
    thing: str
    x: int
    y: int

    @property
    def question(self) -> str:
        return f"{self.name} has {self.x} {self.thing} and gets {self.y} more. How many {self.thing} has {self.name}?"

    @property
    def prompt(self) -> str:
        return self.question + INSTRUCTION

    def answer(self, claimed: int) -> str:
        return f"{self.x} + {self.y} = {claimed}\n#### {claimed}"

    @property
    def right_answer(self) -> str:
        return self.answer(self.x + self.y)


def make_sums(rnd: random.Random) -> tuple[list[Sum], list[Sum]]:
    """Train and test rows; no sentence is in both."""
    every = [Sum(n, t, x, y) for n in NAMES for t in THINGS for x in range(1, 10) for y in range(1, 10)]
    rnd.shuffle(every)
    return every[:TRAIN_ROWS], every[TRAIN_ROWS : TRAIN_ROWS + TEST_ROWS]


def make_tokenizer(train: Iterable[Sum]) -> Any:
    """A byte-level BPE of 512 tokens: each digit is one token, so that a sum is one decision; frequent words are one."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    bpe.decoder = decoders.ByteLevel()
    bpe.train_from_iterator(
        [f"{row.prompt}\nsystem user assistant\n{row.right_answer}" for row in train],
        trainers.BpeTrainer(
            vocab_size=512,
            special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=["<|im_start|>", "<|im_end|>"],
        model_max_length=256,
    )
    # The shape of Qwen's own template, without its default system message (tokens that a tiny model pays for).
    tokenizer.chat_template = (
        "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    )
    return tokenizer


def make_model(tokenizer: Any) -> Any:
    """An untrained Qwen2: a model class that verl knows, small enough for a CPU."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    return Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=384,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=256,
            tie_word_embeddings=True,
            bos_token_id=tokenizer.eos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def rl_row(index: int, split: str, row: Sum) -> dict[str, Any]:
    """verl's gsm8k format (examples/data_preprocess/gsm8k.py)."""
    return {
        "data_source": "openai/gsm8k",
        "prompt": [{"role": "user", "content": row.prompt}],
        "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": str(row.x + row.y)},
        "extra_info": {"split": split, "index": index, "answer": row.right_answer, "question": row.question},
    }


def sft_row(row: Sum) -> dict[str, Any]:
    """verl's multi-turn SFT format: a list of chat messages."""
    return {
        "messages": [{"role": "user", "content": row.prompt}, {"role": "assistant", "content": row.right_answer}],
        "question": row.prompt,
        "answer": row.right_answer,
    }


def write_datasets(rl: Path, sft: Path, train: list[Sum], test: list[Sum]) -> None:
    import pandas as pd

    for split, rows in (("train", train), ("test", test)):
        pd.DataFrame([rl_row(i, split, row) for i, row in enumerate(rows)]).to_parquet(rl / f"{split}.parquet")
        pd.DataFrame([sft_row(row) for row in rows]).to_parquet(sft / f"{split}.parquet")


def prompt_ids(tokenizer: Any, row: Sum) -> list[int]:
    messages = [{"role": "user", "content": row.prompt}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return tokenizer.encode(text, add_special_tokens=False)


def claimed_sum(rnd: random.Random, row: Sum, right: float) -> int:
    """What the teacher says: the sum, or one that is off by 1 to 5."""
    total = row.x + row.y
    return total if rnd.random() < right else max(0, total + rnd.choice([-5, -4, -3, -2, -1, 1, 2, 3, 4, 5]))


def warm_start(model: Any, tokenizer: Any, train: list[Sum], recipe: Recipe, rnd: random.Random) -> None:
    """Supervised training in plain torch: right answers first (the form and the sums), then the noisy teacher."""
    import torch

    prompts = {row: prompt_ids(tokenizer, row) for row in train}
    steps = recipe.clean_steps + recipe.noisy_steps
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.lr, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / 20) * max(0.1, 1 - step / steps)
    )
    model.train()
    for step in range(steps):
        right = 1.0 if step < recipe.clean_steps else recipe.right
        ids, labels = [], []
        for row in rnd.sample(train, recipe.batch):
            said = tokenizer.encode(row.answer(claimed_sum(rnd, row, right)), add_special_tokens=False)
            said.append(tokenizer.eos_token_id)
            ids.append(prompts[row] + said)
            labels.append([-100] * len(prompts[row]) + said)
        width = max(map(len, ids))
        pad = tokenizer.pad_token_id
        loss = model(
            input_ids=torch.tensor([row + [pad] * (width - len(row)) for row in ids]),
            labels=torch.tensor([row + [-100] * (width - len(row)) for row in labels]),
        ).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 0 or step == steps - 1:
            say(f"warm start: step {step} of {steps}, loss {loss.item():.3f}")


def sampled_reward(model: Any, tokenizer: Any, rows: list[Sum]) -> float:
    """The share of sampled answers (temperature 1) that verl's gsm8k reward would call right."""
    import torch

    by_length: dict[int, list[Sum]] = {}
    for row in rows:
        by_length.setdefault(len(prompt_ids(tokenizer, row)), []).append(row)
    right = 0
    model.eval()
    with torch.no_grad():
        for group in by_length.values():
            ids = torch.tensor([prompt_ids(tokenizer, row) for row in group])
            made = model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                do_sample=True,
                temperature=1.0,
                top_k=0,
                max_new_tokens=16,
                pad_token_id=tokenizer.pad_token_id,
            )
            texts = tokenizer.batch_decode(made[:, ids.shape[1] :], skip_special_tokens=True)
            right += sum(t.strip().split("\n")[-1] == f"#### {r.x + r.y}" for r, t in zip(group, texts, strict=True))
    return right / len(rows)


def fingerprint(recipe: Recipe) -> str:
    source = Path(__file__).read_bytes()
    return hashlib.sha256(source + json.dumps(asdict(recipe), sort_keys=True).encode()).hexdigest()


def replace_directory(fresh: Path, target: Path) -> None:
    """Put ``fresh`` in place of ``target``; a reader sees the old one or the new one, whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        old = target.with_name(f".{target.name}.old-{os.getpid()}")
        target.rename(old)
        fresh.rename(target)
        shutil.rmtree(old)
    else:
        fresh.rename(target)


def say(text: str) -> None:
    print(text, flush=True)


def make(models: Path, datasets: Path, recipe: Recipe) -> None:
    model_dir, rl_dir, sft_dir = models / "verlpool-demo", datasets / "gsm8k-demo", datasets / "gsm8k-demo-sft"
    stamp, wanted = model_dir / STAMP, fingerprint(recipe)
    complete = all((d / f"{s}.parquet").is_file() for d in (rl_dir, sft_dir) for s in ("train", "test"))
    if complete and stamp.is_file() and json.loads(stamp.read_text()).get("fingerprint") == wanted:
        say(f"demo model and data are already there: {model_dir}")
        return

    started = time.monotonic()
    # Without it the threads of OpenMP spin while they wait: with other work on the machine the same training then took four
    # times as long and four times the CPU (measured; 10 steps on two shared cores: 82 s against 20 s). Read at the import.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import torch

    rnd = random.Random(recipe.seed)
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(recipe.threads)
    torch.use_deterministic_algorithms(True)

    train, test = make_sums(rnd)
    tokenizer = make_tokenizer(train)
    model = make_model(tokenizer)

    # Beside their targets, so that a rename within one file system puts them in place.
    parts = {target: target.with_name(f".{target.name}.making-{os.getpid()}") for target in (rl_dir, sft_dir, model_dir)}
    try:
        for part in parts.values():
            part.mkdir(parents=True)
        write_datasets(parts[rl_dir], parts[sft_dir], train, test)
        tokenizer.save_pretrained(parts[model_dir] / "base")
        model.save_pretrained(parts[model_dir] / "base")
        say(f"made {len(train)} + {len(test)} rows and a model of {sum(p.numel() for p in model.parameters())} parameters")
        warm_start(model, tokenizer, train, recipe, rnd)
        reward = sampled_reward(model, tokenizer, test)
        if not 0.02 < reward < 0.9:
            raise SystemExit(
                f"make_demo: the warm model's sampled reward is {reward:.3f}; reinforcement learning needs a start "
                "between 0.02 and 0.9. Use other --clean-steps, --noisy-steps or --right."
            )
        tokenizer.save_pretrained(parts[model_dir] / "warm")
        model.save_pretrained(parts[model_dir] / "warm")
        (parts[model_dir] / STAMP).write_text(
            json.dumps({"fingerprint": wanted, "sampled_reward": reward, **asdict(recipe)}, indent=2) + "\n"
        )
        # The model last: it carries the stamp, so a run killed between two renames is done again.
        for target, part in parts.items():
            replace_directory(part, target)
    finally:
        for part in parts.values():
            shutil.rmtree(part, ignore_errors=True)
    say(f"warm model: sampled reward {reward:.3f}; all made in {time.monotonic() - started:.0f} s")


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description="Make the demo's tokenizer, models and data sets.")
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--datasets", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clean-steps", type=int, default=200)
    parser.add_argument("--noisy-steps", type=int, default=60)
    parser.add_argument("--right", type=float, default=0.35, help="share of the noisy teacher's answers that are right")
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--threads", type=int, default=2, help="torch threads; another count gives other last digits")
    args = parser.parse_args(argv)
    recipe = Recipe(args.seed, args.clean_steps, args.noisy_steps, args.right, args.lr, args.batch, args.threads)
    make(args.models, args.datasets, recipe)


if __name__ == "__main__":
    main(sys.argv[1:])
