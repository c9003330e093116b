import type { Samples } from "./samples-memory.ts";

export const JOB_SAMPLES: Samples = {
  "hydra-unknown-key": {
    from: "Hydra 1.3",
    log: `Could not override 'actor_rollout_ref.actor.nope'.
To append to your config use +actor_rollout_ref.actor.nope=1
Key 'nope' is not in struct`,
    not: `the field 'x' is not in structured form`,
  },
  "hydra-syntax": {
    from: "OmegaConf 2.3",
    log: `omegaconf.errors.MissingMandatoryValue: Missing mandatory value: actor_rollout_ref.rollout.name`,
    not: `interpolation of \${oc.env:HOME} is done by OmegaConf`,
  },
  "batch-does-not-divide": {
    from: "verl 0.9 utils/config.py",
    log: `AssertionError: real_train_batch_size (30) must be divisible by minimal possible batch size (8)`,
    not: `step:3 - we divide the loss by 8`,
  },
  "verl-value-refused": {
    from: "verl 0.7 utils/config.py",
    log: `ValueError: [actor_rollout_ref.actor] Please set at least one of 'actor.ppo_micro_batch_size' or 'actor.ppo_micro_batch_size_per_gpu' if use_dynamic_bsz is not enabled.`,
    not: `train_batch_size: 256, ppo_mini_batch_size: 64`,
  },
  "custom-function-not-found": {
    from: "verl 0.6 trainer/ppo/reward.py",
    log: `FileNotFoundError: Reward function file '/private/common/rewards/mine.py' not found.`,
    not: `using customized reward function 'compute_score' from '/private/common/rewards/mine.py'`,
  },
  "tokenizer-not-there": {
    from: "transformers 5, by verl 0.9.1 with a folder above the model's",
    log: `Error in call to target 'verl.workers.config.model.HFModelConfig':
ValueError("Couldn't instantiate the backend tokenizer from one of: \\n(1) a \`tokenizers\` library serialization file, \\n(2) a slow tokenizer instance to convert or \\n(3) an equivalent slow tokenizer class to instantiate and convert.")
full_key: model`,
    not: `the prompt asks: Couldn't instantiate the backend tokenizer from one of these?`,
  },
  "model-path-wrong": {
    from: "transformers 4.57 hub.py",
    log: `OSError: Incorrect path_or_model_id: '/private/common/models/nope'. Please provide either the path to a local folder or the repo_id of a model on the Hub.`,
    not: `model path: /private/common/models/x, config.json read`,
  },
  "verl-config-check": {
    from: "verl 0.9 workers/config",
    log: `Traceback (most recent call last):
  File "/code/verl/workers/config/rollout.py", line 301, in __post_init__
    raise ValueError("x")
ValueError: the frobnication of a rollout wants a name`,
    not: `Traceback (most recent call last):
  File "/code/mine/plot.py", line 301, in draw
ValueError: the plot of a rollout wants a name`,
  },
  "task-failed-for-a-module": {
    from: "Ray 2.60 exceptions.py, a log that was cut",
    log: `ray.exceptions.RayTaskError(ModuleNotFoundError): ray::WorkerDict.actor_rollout_init_model() (pid=1, ip=10.0.0.1)`,
    not: `ray.exceptions.RayTaskError(RuntimeError): ray::WorkerDict.actor_rollout_init_model() (pid=1, ip=10.0.0.1)`,
  },
  "task-failed-for-an-import": {
    from: "Ray 2.60 exceptions.py, a log that was cut",
    log: `ray.exceptions.RayTaskError(ImportError): ray::TaskRunner.run() (pid=1, ip=10.0.0.1)`,
    not: `ray.exceptions.RayTaskError(RuntimeError): ray::TaskRunner.run() (pid=1, ip=10.0.0.1)`,
  },
  "verl-module-missing": {
    from: "CPython, code of one verl on another",
    log: `ModuleNotFoundError: No module named 'verl.single_controller.ray.megatron'`,
    not: `/code/verl/workers/engine/__init__.py:60: UserWarning: x is not available: ModuleNotFoundError("No module named 'verl.workers.x'")`,
  },
  "module-moved": {
    from: "CPython, code for one vLLM on another",
    log: `ModuleNotFoundError: No module named 'vllm.worker.worker_base'`,
    not: `WARNING 10-28 03:24:22 [_custom_ops.py:20] Failed to import from vllm._C with ModuleNotFoundError("No module named 'vllm._C'")`,
  },
  "module-missing": {
    from: "CPython import system",
    log: `ModuleNotFoundError: No module named 'flash_attn'`,
    not: `/code/verl/workers/engine/__init__.py:32: UserWarning: megatron engine is not available: ModuleNotFoundError("No module named 'megatron'")`,
  },
  "api-moved": {
    from: "CPython import system",
    log: `ImportError: /opt/env/lib/python3.12/site-packages/flash_attn_2_cuda.cpython-312-x86_64-linux-gnu.so: undefined symbol: _ZN3c105ErrorC2ENS`,
    not: `all libraries found; the one that has no attribute docs is skipped`,
  },
  "model-unknown-to-library": {
    from: "transformers 4.50 auto classes",
    log: `  File "/opt/env/lib/python3.12/site-packages/transformers/models/auto/configuration_auto.py", line 734, in __getitem__
    raise KeyError(key)
KeyError: 'qwen9_moe'`,
    not: `  File "/code/verl/utils/dataset/rl_dataset.py", line 100, in __getitem__
KeyError: 'qwen9_moe'`,
  },
  "weight-unknown-to-engine": {
    from: "vLLM 0.11 model loader under verl's weight sync",
    log: `  File "/opt/env/lib/python3.12/site-packages/vllm/model_executor/models/qwen3_moe.py", line 361, in load_weights
KeyError: 'layers.13.mlp.experts.down_proj.weight'`,
    not: `  File "/code/verl/utils/model.py", line 361, in convert
KeyError: 'layers.13.mlp.down_proj.weight'`,
  },
  "attribute-missing": {
    from: "verl on another vLLM",
    log: `  File "/code/verl/workers/rollout/vllm_rollout/vllm_async_server.py", line 300, in launch_server
  File "/opt/env/lib/python3.12/site-packages/vllm/engine/arg_utils.py", line 12, in x
TypeError: AsyncEngineArgs.__init__() got an unexpected keyword argument 'disable_log_requests'`,
    not: `  File "/private/common/rewards/mine.py", line 3, in compute_score
AttributeError: 'NoneType' object has no attribute 'group'`,
  },
  "hub-denied": {
    from: "huggingface_hub 1.x",
    log: `Access to model meta-llama/Llama-3.1-8B is restricted and you are not in the authorized list. Visit https://huggingface.co/meta-llama/Llama-3.1-8B to ask for access.`,
    not: `access to the model folder is restricted to one process by a lock file`,
  },
  "hub-not-reached": {
    from: "transformers 4.57",
    log: `OSError: We couldn't connect to 'https://huggingface.co' to load the files, and couldn't find them in the cached files.`,
    not: `offline mode: please check your caches now and then`,
  },
  "hub-retries-to-the-end": {
    from: "huggingface_hub 0.30 http_backoff",
    log: `'(ProtocolError('Connection aborted.'), '(Request ID: 1)')' thrown while requesting HEAD https://huggingface.co/org/model/resolve/main/config.json`,
    not: `'(ProtocolError('Connection aborted.'), '(Request ID: 1)')' thrown while requesting HEAD https://huggingface.co/org/model/resolve/main/config.json
step:1 - actor/pg_loss:0.1`,
  },
  "hub-http-failure": {
    from: "huggingface_hub 1.x",
    log: `  File "/opt/env/lib/python3.12/site-packages/huggingface_hub/file_download.py", line 1400, in hf_hub_download
httpx.ConnectTimeout: timed out
requests.exceptions.ConnectionError: ('Connection aborted.', RemoteDisconnected('Remote end closed connection'))`,
    not: `  File "/private/common/rewards/mine.py", line 10, in ask_judge
requests.exceptions.ConnectionError: judge is away`,
  },
  "tracker-login": {
    from: "wandb 0.2x",
    log: `wandb.errors.errors.UsageError: api_key not configured (no-tty). call wandb.login(key=[your_api_key])`,
    not: `wandb: Tracking run with wandb version 0.21.0`,
  },
  "parquet-unreadable": {
    from: "pyarrow 20",
    log: `pyarrow.lib.ArrowInvalid: Could not open Parquet input source '<Buffer>': Parquet file size is 133 bytes, smaller than the minimum file footer (8 bytes)`,
    not: `dataset files: ['/private/common/datasets/a/train.parquet']`,
  },
  "data-permission": {
    from: "CPython open",
    log: `PermissionError: [Errno 13] Permission denied: '/private/common/datasets/a/train.parquet'`,
    not: `PermissionError: [Errno 13] Permission denied: '/private/users/a/checkpoints/x'`,
  },
  "generation-of-dataset-failed": {
    from: "datasets 4",
    log: `datasets.exceptions.DatasetGenerationError: An error occurred while generating the dataset`,
    not: `no DatasetGenerationErrors were met in the last epoch, said the generator of datasets, errno 2`,
  },
  "column-missing": {
    from: "verl RLHFDataset on a file without a prompt column",
    log: `(TaskRunner pid=7)   File "/code/verl/utils/dataset/rl_dataset.py", line 210, in __getitem__
(TaskRunner pid=7) KeyError: 'prompt'`,
    not: `the schema has the column 'prompt', found in the file`,
  },
  "row-of-wrong-form": {
    from: "verl RLHFDataset on a prompt that is a string",
    log: `  File "/code/verl/utils/dataset/rl_dataset.py", line 150, in _build_messages
TypeError: string indices must be integers, not 'str'`,
    not: `  File "/private/common/rewards/mine.py", line 3, in compute_score
TypeError: string indices must be integers, not 'str'`,
  },
  "image-tokens-do-not-match": {
    from: "transformers 4.52 modeling_qwen2_5_vl",
    log: `ValueError: Image features and image tokens do not match: tokens: 7536, features 9092`,
    not: `(TaskRunner pid=1) image features and what the model says of them`,
  },
  "no-rows": {
    from: "verl 0.9 trainer",
    log: `AssertionError: Train dataloader is empty!`,
    not: `filter dataset len: 7473, so the dataset is not emptied`,
  },
  "prompt-too-long": {
    from: "vLLM 0.10 processor",
    log: `ValueError: The decoder prompt (length 9000) is longer than the maximum model length of 8192. Make sure that \`max_model_len\` is no smaller than the number of text tokens.`,
    not: `Token indices sequence length is longer than the specified maximum sequence length for this model (40000 > 32768). Running this sequence through the model will result in indexing errors`,
  },
  "no-chat-template": {
    from: "transformers 4.57",
    log: `ValueError: Cannot use chat template functions because tokenizer.chat_template is not set and no template argument was passed!`,
    not: `chat template of the model is applied`,
  },
  "file-not-found-in-reader": {
    from: "datasets 4",
    log: `  File "/opt/env/lib/python3.12/site-packages/datasets/data_files.py", line 383, in resolve_pattern
FileNotFoundError: [Errno 2] No such file or directory: '/private/common/datasets/nope'`,
    not: `  File "/x/mine.py", line 383, in main
FileNotFoundError: [Errno 2] No such file or directory: '/x/y'`,
  },
  "reward-named": {
    from: "verl 0.9 utils/reward_score",
    log: `NotImplementedError: Reward function is not implemented for data_source='mine/data'`,
    not: `Error-free reward score of the batch: 0.5`,
  },
  "reward-raised": {
    from: "a reward of a user",
    log: `(RewardLoopWorker pid=5)   File "/private/common/rewards/mine.py", line 12, in compute_score
(RewardLoopWorker pid=5) ZeroError: could not convert string to float: 'abc'`,
    not: `  File "/private/common/plots/mine.py", line 12, in draw
ZeroError: could not convert string to float: 'abc'`,
  },
  "reward-of-one-sample-failed": {
    from: "verl 0.5 reward_manager/prime.py",
    log: `(TaskRunner pid=1) [Error] Task failed: division by zero, completion: The answer is`,
    not: `(TaskRunner pid=1) Task failed: see above`,
  },
  "reward-stack": {
    from: "py-spy dump of a driver",
    log: `    normalize_final_answer (verl/utils/reward_score/math_dapo.py:88)
 -> verl/utils/reward_score/math_dapo.py: compute_score`,
    not: `reward_score is logged as critic/score`,
  },
  "probabilities-not-finite": {
    from: "PyTorch multinomial",
    log: "RuntimeError: probability tensor contains either `inf`, `nan` or element < 0",
    not: `number of skipped iterations: 0, number of nan iterations: 0`,
  },
  "step-metrics-nan": {
    from: "verl console logger",
    log: `step:3 - actor/pg_loss:0.1 - actor/grad_norm:nan - perf/mfu:0.2`,
    not: `step:3 - actor/pg_loss:0.1 - actor/grad_norm:0.2 - val/nanobench: 1 - finite:1`,
  },
  "checkpoint-does-not-fit": {
    from: "CPython, a resume on another number of GPUs",
    log: `FileNotFoundError: [Errno 2] No such file or directory: '/private/users/a/jobs/x/checkpoints/global_step_10/actor/model_world_size_4_rank_0.pt'`,
    not: `Saved model to /private/users/a/jobs/x/checkpoints/global_step_10/actor/model_world_size_8_rank_0.pt`,
  },
  "checkpoint-code-raised": {
    from: "a mount that became read-only",
    log: `  File "/code/verl/utils/checkpoint/fsdp_checkpoint_manager.py", line 220, in save_checkpoint
OSError: [Errno 30] Read-only file system: '/private/users/a/x'`,
    not: `  File "/x/mine.py", line 220, in main
OSError: [Errno 30] bad weather: '/private/users/a/x'`,
  },
  "no-first-step": {
    from: "verl's tqdm bar",
    log: `Training Progress:   0%|          | 0/125 [14:45<?, ?it/s]`,
    not: `Training Progress:   0%|          | 0/125 [00:01<?, ?it/s]`,
  },
  "nvidia-smi-idle": {
    from: "nvidia-smi pasted at the end",
    log: `| NVIDIA-SMI 595.71.05              Driver Version: 595.71.05      CUDA Version: 13.2     |`,
    not: `| NVIDIA-SMI 595.71.05              Driver Version: 595.71.05      CUDA Version: 13.2     |
starting
loading the model
loading the data
ready
training`,
  },
  "stack-dump-at-end": {
    from: "py-spy dump",
    log: `Thread 4242 (idle): "MainThread"`,
    not: `Thread pool of size 4 (idle)`,
  },
};
