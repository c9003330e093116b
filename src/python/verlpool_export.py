"""Merge the FSDP shards of one checkpoint into a Hugging Face folder, with verl's own merger (ADR 6).

    python -m verlpool_export SOURCE TARGET

SOURCE is what verl's trainer saved (``.../global_step_N/actor``; of SFT ``.../global_step_N``). TARGET appears whole or not
at all: the merger writes beside it, into a hidden folder, which is flushed and then renamed. A TARGET that is there already
is left as it is. Runs on a worker as its user's own job, since the shards are pickles that only he vouches for
(``torch.load(weights_only=False)`` in verl/model_merger/fsdp_model_merger.py, verl 0.5 to 0.9).

Exit code: the merger's own; 128+n after signal n; 2 for a SOURCE that can't be merged.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NEEDED = ("fsdp_config.json", "huggingface/config.json")


def say(text: str) -> None:
    print(f"verlpool export: {text}", flush=True)


def sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: str) -> None:
    for where, _, names in os.walk(folder):
        for name in names:
            sync(os.path.join(where, name))
        sync(where)


def merged(source: str, folder: str) -> int:
    words = [sys.executable, "-m", "verl.model_merger", "merge", "--backend", "fsdp"]
    code = subprocess.run([*words, "--local_dir", source, "--target_dir", folder], check=False).returncode
    if code < 0:
        say(f"the merger was ended by signal {-code}; signal 9 without a cancel is most often a lack of memory")
        return 128 - code
    if code == 0 and not os.path.isfile(os.path.join(folder, "config.json")):
        say("the merger ended well, but wrote no config.json")
        return 1
    return code


def main(source: str, target: str) -> int:
    if os.path.isdir(target):
        say(f"{target} is there already")
        return 0
    missing = [name for name in NEEDED if not os.path.isfile(os.path.join(source, name))]
    if missing:
        say(f"{source} has no {' and no '.join(missing)}, without which verl can't merge it")
        return 2
    above, name = os.path.split(target)
    os.makedirs(above, mode=0o700, exist_ok=True)
    # What runs here trains: a merge gives way to it.
    os.nice(10)
    # Left by an attempt that was killed. Only one export of a pool runs at a time.
    for left in os.listdir(above):
        if left.startswith(f".{name}."):
            shutil.rmtree(os.path.join(above, left))
    folder = os.path.join(above, f".{name}.{os.getpid()}")
    os.mkdir(folder, 0o700)
    try:
        code = merged(source, folder)
        if code == 0:
            sync_tree(folder)
            os.rename(folder, target)
            sync(above)
            say(f"wrote {target}")
        return code
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
