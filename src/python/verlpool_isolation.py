"""Give each attempt its own TransferQueue, so that several RL tasks can share one Ray cluster.

Needed on GPUs as well as on the CPU: it has nothing to do with the device. TransferQueue 0.1.x (verl >= 0.9) keeps its
controller as a Ray actor of a fixed name in a fixed namespace, and ``transfer_queue.init()`` attaches to any that
exists. A second RL job on the cluster therefore joins the queue of the first: seen with verl 0.9.1, PPO died with
``keys or partition were not found!`` and GRPO trained on with wrong samples. This module replaces the namespace
``transfer_queue`` by ``transfer_queue-<attempt>``.

Use: on ``PYTHONPATH``, named in ``VERL_USE_EXTERNAL_MODULES`` (verl imports it in every process that imports verl),
with ``VERLPOOL_ATTEMPT`` set in the job's ``runtime_env``, so that Ray hands it to every actor.

It never half works: where TransferQueue is present but does not look as expected (another version, a new fixed
namespace), the import raises, and with it ``import verl``, so the attempt fails at its start instead of training on
another task's samples. Where TransferQueue is not installed (verl < 0.9) there is nothing to isolate.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
from pathlib import Path
from types import ModuleType
from typing import Any

SHARED_NAMESPACE = "transfer_queue"

# Every place of TransferQueue that names the shared namespace, and the actor class each of them creates in it.
# The count of places is checked against the installed source: one that is not listed here would stay shared.
PATCHED: dict[str, tuple[str, int]] = {
    "transfer_queue.interface": ("TransferQueueController", 2),
    "transfer_queue.storage.clients.ray_storage_client": ("RayObjectRefStorage", 2),
}

_NAMED = re.compile(r"namespace\s*=\s*[\"']" + SHARED_NAMESPACE + r"[\"']")
_ANY = re.compile(r"\bnamespace\s*=")


class IsolationError(ImportError):
    """TransferQueue can't be given a namespace of its own; training would mix the samples of two tasks."""


class _Ray:
    """The module ``ray`` as one TransferQueue module sees it: ``get_actor`` looks in the attempt's namespace."""

    def __init__(self, ray: ModuleType, own: str) -> None:
        self._ray = ray
        self._own = own

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ray, name)

    def get_actor(self, name: str, namespace: str | None = None) -> Any:
        return self._ray.get_actor(name, namespace=self._own if namespace == SHARED_NAMESPACE else namespace)


class _ActorClass:
    """A Ray actor class whose ``options(namespace="transfer_queue")`` becomes the attempt's namespace."""

    def __init__(self, actor_class: Any, own: str) -> None:
        self._actor_class = actor_class
        self._own = own

    def __getattr__(self, name: str) -> Any:
        return getattr(self._actor_class, name)

    def options(self, **options: Any) -> Any:
        if options.get("namespace") == SHARED_NAMESPACE:
            options["namespace"] = self._own
        return self._actor_class.options(**options)


def own_namespace() -> str:
    """The namespace of this attempt. Raises where the attempt is not known: a default would be shared again."""
    attempt = os.environ.get("VERLPOOL_ATTEMPT", "")
    if not attempt:
        raise IsolationError(
            "verlpool_isolation: VERLPOOL_ATTEMPT is not set, so this process cannot tell its TransferQueue from "
            "another task's. Set it in the job's runtime_env.env_vars (verlpool does), or take verlpool_isolation "
            "out of VERL_USE_EXTERNAL_MODULES and run one RL job at a time."
        )
    return f"{SHARED_NAMESPACE}-{attempt}"


def check_source(package: Path) -> None:
    """Refuse a TransferQueue whose fixed namespaces are not exactly those in ``PATCHED``.

    The source is read rather than the version, so that a patched or newer release is accepted if, and only if,
    it still keeps its shared actors where this module redirects them.
    """
    found: dict[str, int] = {}
    for file in package.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        module = ".".join((package.name, *file.relative_to(package).with_suffix("").parts))
        named = len(_NAMED.findall(text))
        # A namespace that is given by anything but the literal cannot be followed: count it as unknown.
        if named or _ANY.search(text):
            found[module] = named
    expected = {module: count for module, (_, count) in PATCHED.items()}
    if found != expected:
        raise IsolationError(
            "verlpool_isolation: this TransferQueue keeps shared actors in other places than the one that was "
            f"checked (0.1.11): found {found}, expected {expected}. Two RL tasks could read each other's samples, "
            "so nothing is started. Use TransferQueue==0.1.11, or run this profile alone (exclusive) without "
            "verlpool_isolation."
        )


def isolate(own: str) -> None:
    """Redirect every shared actor of TransferQueue in this process to the namespace ``own``."""
    for name, (actor_class, _) in PATCHED.items():
        module = importlib.import_module(name)
        if not hasattr(module, "ray") or not hasattr(getattr(module, actor_class, None), "options"):
            raise IsolationError(f"verlpool_isolation: {name} has no 'ray' or no actor class '{actor_class}' any more.")
        setattr(module, "ray", _Ray(module.ray, own))
        setattr(module, actor_class, _ActorClass(getattr(module, actor_class), own))


def _load() -> None:
    # find_spec first: an ImportError from inside an installed TransferQueue must not pass for "not installed".
    spec = importlib.util.find_spec("transfer_queue")
    if spec is None or spec.origin is None:
        return
    own = own_namespace()
    check_source(Path(spec.origin).parent)
    isolate(own)


_load()
