"""A trainer that trains nothing, for the fault suite: it is started as verl is, prints verl's step lines, and shows the world that it lives.

What it does stands in `behaviour.json` of the model directory that its command line names; there it also appends one line to `world` at its
start and every BEAT_S seconds, from each of its processes. So a test sees who lived when, whatever any database or Ray says of it.
Fields: steps, step_s (s) · gate: the last step waits for a file `go` · ray: "none", "actors" (a placement group a node and an actor in each, as
verl has them) or "hang" (a placement group that no node can give) · fail_fast: while a file `short` is there, it ends as verl does when
GPUs are missing.
"""

import json
import os
import sys
import threading
import time

BEAT_S = 0.2
ATTEMPT = os.environ["VERLPOOL_ATTEMPT"]


def setting(name, default=None):
    """The last `name=value` of the command line, as Hydra would take it; strings come single-quoted."""
    found = [word.partition("=")[2] for word in sys.argv[1:] if word.partition("=")[0] == name]
    return found[-1].strip("'") if found else default


def tell(model, role, what):
    line = {"at": time.clock_gettime(time.CLOCK_BOOTTIME), "attempt": ATTEMPT, "role": role, "what": what, "pid": os.readlink("/proc/self")}
    # One short append is atomic, also among processes that do not know of one another.
    fd = os.open(f"{model}/world", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(fd, (json.dumps(line) + "\n").encode())
    os.close(fd)


def beat_for_ever(model, role):
    def beat():
        while True:
            tell(model, role, "beat")
            time.sleep(BEAT_S)

    tell(model, role, "start")
    threading.Thread(target=beat, daemon=True).start()


def make_actors(model, nnodes, gpus, cpus_per_gpu, hang):
    import ray

    ray.init(logging_level="warning")
    gpus_asked = 10_000 if hang else gpus
    bundles = [{"GPU": gpus_asked, "CPU": cpus_per_gpu * gpus}]
    groups = [ray.util.placement_group(bundles, strategy="STRICT_PACK") for _ in range(nnodes)]
    ray.get([group.ready() for group in groups])

    class Worker:
        def __init__(self, rank):
            beat_for_ever(model, f"actor-{rank}")

        def step(self):
            return os.getpid()

    remote = ray.remote(num_gpus=gpus, num_cpus=1)(Worker)
    strategy = ray.util.scheduling_strategies.PlacementGroupSchedulingStrategy
    actors = [remote.options(scheduling_strategy=strategy(placement_group=group)).remote(rank) for rank, group in enumerate(groups)]
    return lambda: ray.get([actor.step.remote() for actor in actors])


def main():
    is_sft = setting("algorithm.adv_estimator") is None
    model = setting("model.path" if is_sft else "actor_rollout_ref.model.path")
    with open(f"{model}/behaviour.json", encoding="utf-8") as file:
        behaviour = json.load(file)
    beat_for_ever(model, "driver")
    nnodes, gpus = int(setting("trainer.nnodes")), int(setting("trainer.n_gpus_per_node"))
    if behaviour["fail_fast"] and os.path.exists(f"{model}/short"):
        raise ValueError(f"Total available GPUs 1.0 is less than total desired GPUs {nnodes * gpus}")
    step = lambda: None
    if behaviour["ray"] != "none":
        step = make_actors(model, nnodes, gpus, 10 if is_sft else 3, behaviour["ray"] == "hang")
    with open(os.environ["VERL_FILE_LOGGER_PATH"], "wb", buffering=0) as metrics:
        for number in range(1, behaviour["steps"] + 1):
            while number == behaviour["steps"] and behaviour["gate"] and not os.path.exists(f"{model}/go"):
                step()
                time.sleep(BEAT_S)
            step()
            time.sleep(behaviour["step_s"])
            data = {"train/loss": 1 / number} if is_sft else {"critic/rewards/mean": number / 10}
            metrics.write((json.dumps({"step": number, "data": data}) + "\n").encode())
            print(f"step:{number} - " + " - ".join(f"{key}:{value}" for key, value in data.items()), flush=True)


main()
