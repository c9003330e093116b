"""Rollout backend ``hf`` for verl 0.9: transformers on the CPU, in place of vLLM or SGLang.

One Ray actor a replica samples from the actor's *current* weights, which verl's ``update_weights`` pushes before every
step; verl's rollout/actor probability correlation (``training/rollout_actor_probs_pearson_corr``) is
the proof, and stays at 1.0. Requests that arrive together are generated together, as one left-padded batch: one
forward pass a new token for the whole batch, not one a request, which is what makes a step take seconds.

Tensor parallel is 1: each trainer rank is the source of one replica.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import ray
import torch
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from verl.workers.rollout.base import BaseRollout
from verl.workers.rollout.replica import RolloutReplica, TokenOutput

# A batch closes once this long has brought no new request. verl's agent loop sends the requests of a step within a few
# milliseconds of each other, so this costs 30 ms a step and catches them all.
GATHER_S = 0.03
# Rows of one batch: bounds memory, and is above what the demo's step asks for (32 prompts x 8 samples).
MAX_BATCH = int(os.environ.get("VERLPOOL_ROLLOUT_BATCH", "256"))
# Far above the requests of one step: a request that waits in Ray's queue could not join its batch.
MAX_REQUESTS = 4096


@dataclass
class _Request:
    prompt_ids: list[int]
    params: dict[str, Any]
    answer: asyncio.Future[TokenOutput]


def _server_name(replica_rank: int) -> str:
    # Named actors live in the job's own anonymous namespace, so two jobs never meet under this name.
    return f"hf_server_{replica_rank}"


class HFServer:
    """The generation server of one replica (a Ray actor)."""

    def __init__(self, config: Any, model_path: str) -> None:
        from transformers import AutoModelForCausalLM

        torch.set_num_threads(int(os.environ.get("VERLPOOL_ROLLOUT_THREADS", "0")) or os.cpu_count() or 1)
        torch.manual_seed(config.seed)
        self.config = config
        self.step: int | None = None
        self.pending: list[_Request] = []
        self.serving: asyncio.Task[None] | None = None
        # Weights must not change under a batch that is being generated.
        self.lock = asyncio.Lock()
        self.model = AutoModelForCausalLM.from_pretrained(model_path, dtype=torch.float32).eval()

    async def generate(
        self, request_id: str, *, prompt_ids: list[int], sampling_params: dict[str, Any], **_: Any
    ) -> TokenOutput:
        """Sample one response; waits for the batch that holds it."""
        answer: asyncio.Future[TokenOutput] = asyncio.get_running_loop().create_future()
        self.pending.append(_Request(list(prompt_ids), dict(sampling_params), answer))
        if self.serving is None or self.serving.done():
            self.serving = asyncio.ensure_future(self._serve())
        return await answer

    async def _serve(self) -> None:
        while self.pending:
            seen = 0
            while seen < len(self.pending) < MAX_BATCH:
                seen = len(self.pending)
                await asyncio.sleep(GATHER_S)
            batch, self.pending = self.pending[:MAX_BATCH], self.pending[MAX_BATCH:]
            try:
                async with self.lock:
                    # In a thread, so that requests of the next batch are taken meanwhile.
                    outputs = await asyncio.to_thread(self._sample, batch)
            except Exception as error:
                for request in batch:
                    request.answer.set_exception(error)
                continue
            for request, output in zip(batch, outputs, strict=True):
                request.answer.set_result(output)

    @torch.no_grad()
    def _sample(self, batch: list[_Request]) -> list[TokenOutput]:
        eos = self.model.generation_config.eos_token_id
        width = max(len(request.prompt_ids) for request in batch)
        padding = torch.tensor([width - len(request.prompt_ids) for request in batch])
        room = torch.tensor([self._room(request) for request in batch])
        temperature = torch.tensor([[float(request.params.get("temperature", 1.0))] for request in batch])
        # Left padding: the last column is every row's newest token.
        ids = torch.tensor([[eos] * (width - len(request.prompt_ids)) + request.prompt_ids for request in batch])
        mask = (torch.arange(width)[None] >= padding[:, None]).long()
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        cache = None
        length = torch.zeros(len(batch), dtype=torch.long)  # 0 while the row still runs
        tokens: list[torch.Tensor] = []
        log_probs: list[torch.Tensor] = []
        for n in range(1, int(room.max()) + 1):
            result = self.model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            cache = result.past_key_values
            token, log_prob = _pick(result.logits[:, -1].float(), temperature)
            tokens.append(token)
            log_probs.append(log_prob)
            length[(length == 0) & ((token == eos) | (n >= room))] = n
            if bool((length > 0).all()):
                break
            ids = token[:, None]
            positions = positions[:, -1:] + 1
            mask = torch.cat([mask, torch.ones(len(batch), 1, dtype=torch.long)], 1)
        return self._outputs(batch, length.tolist(), torch.stack(tokens, 1).tolist(), torch.stack(log_probs, 1).tolist())

    def _room(self, request: _Request) -> int:
        """How many tokens this response may have: verl's limit, within what fits behind the prompt."""
        config = self.config
        wanted = request.params.get("max_tokens") or config.response_length
        return max(1, min(wanted, config.prompt_length + config.response_length - len(request.prompt_ids)))

    def _outputs(
        self, batch: list[_Request], lengths: list[int], tokens: list[list[int]], log_probs: list[list[float]]
    ) -> list[TokenOutput]:
        return [
            TokenOutput(
                token_ids=tokens[row][:length],
                log_probs=log_probs[row][:length] if batch[row].params.get("logprobs") else None,
                stop_reason="completed",
                # verl's replay buffer reads from this which weights wrote the sample.
                extra_fields={"global_steps": self.step},
            )
            for row, length in enumerate(lengths)
        ]

    async def update_weights(self, state: dict[str, torch.Tensor], step: int | None) -> None:
        """Take the trainer's weights. Every tensor must be the model's; only a tied head may be missing."""
        async with self.lock:
            missing, unexpected = self.model.load_state_dict(state, strict=False)
            # A tied lm_head is not sent. Anything else missing would sample from stale weights without a word.
            stale = [name for name in missing if name != "lm_head.weight"]
            if stale or unexpected:
                raise RuntimeError(f"rollout weights do not match the actor's: missing {stale}, unexpected {unexpected}")
            self.step = step

    async def _nothing(self, *_args: Any, **_kwargs: Any) -> None:
        """A call that frees or claims GPU memory, or profiles a GPU."""

    wake_up = sleep = abort_all_requests = resume_generation = clear_kv_cache = _nothing
    release_kv_cache = resume_kv_cache = start_profile = stop_profile = _nothing


def _pick(logits: torch.Tensor, temperature: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """One token a row and its log probability; temperature 0 (verl's validation) is greedy."""
    sampled = temperature > 0
    log_probs = torch.log_softmax(logits / torch.where(sampled, temperature, torch.ones_like(temperature)), -1)
    token = torch.where(sampled[:, 0], torch.multinomial(log_probs.exp(), 1)[:, 0], logits.argmax(-1))
    return token, log_probs.gather(1, token[:, None])[:, 0]


class HFReplica(RolloutReplica):
    """Starts the server of a replica beside its trainer rank."""

    async def launch_servers(self) -> None:
        node_id = await self.workers[0].__ray_call__.remote(lambda _: ray.get_runtime_context().get_node_id())
        model_path = getattr(self.model_config, "local_path", None) or self.model_config.path
        server = (
            ray.remote(HFServer)
            .options(
                name=_server_name(self.replica_rank),
                # Its CPU belongs to the trainer's bundle; asking for more would wait for ever in a full pool.
                num_cpus=0,
                max_concurrency=MAX_REQUESTS,
                scheduling_strategy=NodeAffinitySchedulingStrategy(node_id=node_id, soft=False),
            )
            .remote(self.config, model_path)
        )
        self.servers = [server]
        self._server_handle = server
        self._server_address = _server_name(self.replica_rank)


class HFServerAdapter(BaseRollout):
    """The trainer's side: pushes its weights into the replica's server."""

    def __init__(self, config: Any, model_config: Any, device_mesh: Any, replica_rank: int = -1) -> None:
        super().__init__(config, model_config, device_mesh)
        # verl passes -1 in hybrid mode; with tensor parallel 1 a rank is its own replica.
        self.replica_rank = int(os.environ["RANK"]) if replica_rank == -1 else replica_rank

    async def resume(self, tags: list[str]) -> None:
        """Nothing was released."""

    async def release(self) -> None:
        """There is no GPU memory to give back."""

    async def update_weights(
        self,
        weights: Iterator[tuple[str, torch.Tensor]],
        wire_format: str = "named_tensors",
        global_steps: int | None = None,
        **_: Any,
    ) -> None:
        """Copy the named tensors to the server; the server refuses a set that is not the whole model."""
        if wire_format != "named_tensors":
            raise NotImplementedError(f"rollout 'hf' takes whole weights, not wire format {wire_format!r}")
        state = {name: tensor.detach().cpu().clone() for name, tensor in weights}
        await ray.get_actor(_server_name(self.replica_rank)).update_weights.remote(state, global_steps)
