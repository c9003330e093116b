"""A replay buffer that looks for finished rollouts each 0.1 s.

verl's own looks each 2 s (``poll_interval``, which has no config key). A tiny model answers in less than that, so the
wait is most of its step; on real GPUs a rollout takes minutes and the default is right.

Use, through verl's own options::

    trainer.v1.sampler.custom_sampler.path=pkg://verlpool_cpu_sampler
    trainer.v1.sampler.custom_sampler.name=FastPoll
"""

from __future__ import annotations

from typing import Any

from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer

POLL_INTERVAL_S = 0.1


class FastPoll(ReplayBuffer):
    """verl's replay buffer with a shorter poll; nothing else differs."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.poll_interval = POLL_INTERVAL_S
