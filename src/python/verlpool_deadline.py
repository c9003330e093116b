"""Let verl 0.9's trainer save before a time limit, as its older one does.

verl <= 0.8 saves shortly before the instant in ``MLP_CURRENT_CAPACITY_BLOCK_EXPIRATION_TIMESTAMP`` (epoch seconds; its
``should_save_ckpt_esi``). The trainer that 0.9 uses by default (``trainer.use_v1``) has no such look (read in 0.9.1's
source). This module adds it: after a step from which no further one is sure to be saved in time, ``trainer.save_freq``
becomes 1, so that verl's own loop saves this step and each one after it.

Use: on ``PYTHONPATH``, named in ``VERL_USE_EXTERNAL_MODULES`` (verl imports it in every process that imports verl). It
acts when the trainer is imported, which only one process does. A verl that looks different trains on without it.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.util
import os
import sys
import time
from types import ModuleType
from typing import Any

VARIABLE = "MLP_CURRENT_CAPACITY_BLOCK_EXPIRATION_TIMESTAMP"
TRAINER = "verl.trainer.ppo.v1.trainer_base"


def _is_due(longest: float, redundant: float) -> bool:
    from verl.utils.checkpoint.checkpoint_manager import should_save_ckpt_esi

    return bool(should_save_ckpt_esi(max_steps_duration=longest, redundant_time=redundant))


def watch(trainer_class: Any) -> None:
    """Wrap ``step`` of the trainer: its durations are taken, and near the time limit every step is saved."""
    step = trainer_class.step

    @functools.wraps(step)
    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        began = time.monotonic()
        # From one step to the next: with validation, saving and all else that lies between them.
        before = getattr(self, "_verlpool_began", None)
        longest = max(getattr(self, "_verlpool_longest", 0.0), 0.0 if before is None else began - before)
        result = step(self, *args, **kwargs)
        self._verlpool_began = began
        self._verlpool_longest = max(longest, time.monotonic() - began)
        trainer = self.config.trainer
        if trainer.save_freq > 1 and _is_due(self._verlpool_longest, trainer.get("esi_redundant_time", 0)):
            print("verlpool_deadline: the time limit is near; every step is saved from here on", flush=True)
            trainer.save_freq = 1
        return result

    trainer_class.step = watched


class _Loader(importlib.abc.Loader):
    """The trainer's own loader, and a look at what it loaded."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: Any) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        trainer_class = getattr(module, "PPOTrainer", None)
        if hasattr(trainer_class, "step"):
            watch(trainer_class)
        else:
            print("verlpool_deadline: this verl's trainer has no step; nothing is saved for the time limit", flush=True)


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        if fullname != TRAINER:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


if os.environ.get(VARIABLE):
    sys.meta_path.insert(0, _Finder())
