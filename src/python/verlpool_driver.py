"""Keep ``trainer.device`` of an SFT driver as verlpool set it.

verl 0.9.1's SFT driver makes tensors on ``trainer.device`` and is started without a GPU, so that must be ``cpu``. But
``verl.utils.device.auto_set_device`` overwrites it with ``cuda`` wherever ``nvidia-smi`` shows a GPU, also in a process
that may use none (read in its source; the probe asks the machine, not the process). verl's workers are not touched: they
find their own device.

Use: on ``PYTHONPATH``, named in ``VERL_USE_EXTERNAL_MODULES``; acts only where ``VERLPOOL_DRIVER_DEVICE`` is ``cpu``.
"""

from __future__ import annotations

import os
from typing import Any


def _keep(config: Any) -> None:
    """Stands in for ``auto_set_device``: the device is what the configuration says."""


def _load() -> None:
    if os.environ.get("VERLPOOL_DRIVER_DEVICE") != "cpu":
        return
    import verl.utils.device as device

    # A verl without this function overwrites nothing, so there is nothing to keep.
    if hasattr(device, "auto_set_device"):
        device.auto_set_device = _keep


_load()
