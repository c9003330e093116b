"""The device "cpu" for verl 0.9, for machines without a GPU: tests, CI and the demo.

Everything that makes it training stays verl's: losses, advantages, FSDP2, optimizer, TransferQueue, agent and reward
loops, checkpoints, resume. Through verl's own plug-in points this adds only what a machine without GPU lacks:

1. a platform ``cpu`` in verl's registry. Ray's resource stays ``GPU``: a node's *logical* GPUs are what gets scheduled;
2. gloo where verl asks for ``cpu:gloo,cpu:gloo``;
3. a rollout backend ``hf`` (``verlpool_cpu_rollout``), since vLLM and SGLang need a GPU here;
4. sdpa where verl hard-codes ``flash_attention_2``.

Use::

    PYTHONPATH=<this directory> VERL_USE_EXTERNAL_MODULES=verlpool_isolation,verlpool_cpu VERL_PLATFORM=cpu

Never load it on a GPU machine: profiles for real GPUs do not name it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch
import torch.distributed as dist
from transformers.modeling_utils import PreTrainedModel
from verl.plugin.platform.platform_base import PlatformBase
from verl.plugin.platform.platform_manager import PlatformRegistry
from verl.workers.rollout import base as rollout_base
from verl.workers.rollout.replica import RolloutReplica, RolloutReplicaRegistry

# verl registers its FSDP engine classes for "cuda" and "npu" only (workers/engine/base.py); this variable, verl's own,
# picks the ones of "cuda", which are plain torch and run on any device.
os.environ.setdefault("VERL_ENGINE_DEVICE", "cuda")

CPU = torch.device("cpu")


def _nothing(*_args: Any, **_kwargs: Any) -> None:
    """A device operation that has no meaning on the CPU (caches, streams, profilers)."""


def _zero(*_args: Any, **_kwargs: Any) -> int:
    """A figure of device memory: there is none."""
    return 0


def _device_module() -> ModuleType:
    """A stand-in for ``torch.cuda``: what verl calls on ``get_torch_device()`` and ``torch.cpu`` does not offer."""
    module = ModuleType("torch_cpu_device")
    for name in ("memory_allocated", "memory_reserved", "max_memory_allocated", "max_memory_reserved"):
        setattr(module, name, _zero)
    for name in (
        "empty_cache",
        "ipc_collect",
        "manual_seed",
        "manual_seed_all",
        "reset_peak_memory_stats",
        "set_device",
        "set_per_process_memory_fraction",
        "synchronize",
    ):
        setattr(module, name, _nothing)
    # "Not available" is the truth, and keeps verl from pinning memory and from moving tensors without blocking.
    setattr(module, "is_available", lambda: False)
    setattr(module, "device_count", lambda: 1)
    setattr(module, "current_device", lambda: CPU)
    setattr(module, "mem_get_info", lambda *_: (0, 0))
    setattr(module, "get_device_name", lambda *_: "cpu")
    # Checkpoints save and restore the device's random state; here it is torch's only one.
    setattr(module, "get_rng_state", torch.get_rng_state)
    setattr(module, "set_rng_state", torch.set_rng_state)
    for name in ("Event", "Stream", "stream", "current_stream"):
        setattr(module, name, getattr(torch.cpu, name))
    return module


_DEVICE_MODULE = _device_module()


@PlatformRegistry.register(platform="cpu")
class PlatformCPU(PlatformBase):
    """One CPU "device" a process; see ``PlatformBase`` for what each method promises."""

    @property
    def device_name(self) -> str:
        return "cpu"

    @property
    def vendor_name(self) -> str:
        return "cpu"

    @property
    def device_module(self) -> ModuleType:
        return _DEVICE_MODULE

    def is_available(self) -> bool:
        return True

    def current_device(self) -> Any:
        # verl passes this on as a device, and torch has no CPU of index 0.
        return CPU

    def device_count(self) -> int:
        return 1

    def set_device(self, device_index: int) -> None:
        pass

    def synchronize(self, device_index: int | None = None) -> None:
        pass

    def manual_seed(self, seed: int) -> None:
        torch.manual_seed(seed)

    def manual_seed_all(self, seed: int) -> None:
        torch.manual_seed(seed)

    def set_allocator_settings(self, settings: str) -> None:
        pass

    def empty_cache(self) -> None:
        pass

    def get_device_capability(self, device_index: int = 0) -> tuple[int | None, int | None]:
        return None, None

    def communication_backend_name(self) -> str:
        return "gloo"

    def visible_devices_envvar(self) -> str:
        # Ray sets this one for logical GPUs; verl reads the rank's device from it.
        return "CUDA_VISIBLE_DEVICES"

    @contextmanager
    def nvtx_range(self, msg: str) -> Iterator[None]:
        yield

    def profiler_start(self) -> None:
        pass

    def profiler_stop(self) -> None:
        pass

    def ray_resource_name(self) -> str:
        # Not "CPU": the logical GPUs of a node are the scarce thing, exactly as in a real pool.
        return "GPU"

    def ray_noset_envvars(self) -> list[str]:
        return ["RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES"]

    def is_ipc_supported(self) -> bool:
        return False

    def cudart(self) -> Any:
        return None


def _use_gloo_once() -> None:
    """Let verl's backend string through: it asks for ``cpu:gloo,<device>:<backend>``, torch refuses ``cpu`` twice."""
    init_process_group = dist.init_process_group

    def init_with_one_gloo(backend: str | None = None, *args: Any, **kwargs: Any) -> Any:
        return init_process_group("gloo" if backend == "cpu:gloo,cpu:gloo" else backend, *args, **kwargs)

    dist.init_process_group = init_with_one_gloo
    dist.distributed_c10d.init_process_group = init_with_one_gloo


def _load_replica() -> type[RolloutReplica]:
    # Imported late: most processes of a job never start a rollout.
    from verlpool_cpu_rollout import HFReplica

    return HFReplica


def _register_rollout() -> None:
    """Offer ``actor_rollout_ref.rollout.name=hf``: the replica (server side) and its adapter (trainer side)."""
    rollout_base._ROLLOUT_REGISTRY[("hf", "async")] = "verlpool_cpu_rollout.HFServerAdapter"
    RolloutReplicaRegistry.register("hf", _load_replica)


def _use_sdpa() -> None:
    """Replace ``flash_attention_2`` by sdpa: verl 0.9 hard-codes it for the critic, and it needs CUDA.

    The method is private to transformers, so its absence is an error here and not a crash in the critic later.
    """
    name = "_check_and_adjust_attn_implementation"
    original = getattr(PreTrainedModel, name, None)
    if original is None:
        raise ImportError(f"verlpool_cpu: transformers' PreTrainedModel has no {name}; use transformers==5.10.4.")

    def without_flash(self: PreTrainedModel, implementation: str | None, *args: Any, **kwargs: Any) -> Any:
        wants_flash = implementation is not None and "flash_attention" in implementation
        return original(self, "sdpa" if wants_flash else implementation, *args, **kwargs)

    setattr(PreTrainedModel, name, without_flash)


_use_gloo_once()
_register_rollout()
_use_sdpa()
