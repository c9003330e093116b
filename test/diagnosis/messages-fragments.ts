/** Pieces as they stand in tickets and terminals: framed, quoted, relayed by another logger, cut in the middle of a traceback. */
export const FRAGMENTS: readonly (readonly [label: string, log: string])[] = [
  [
    "cuda_compat",
    "2025-08-13 04:39:39,840 - __main__ - INFO - RuntimeError: CUDA error: no kernel image is available for execution on the device",
  ],
  ["unknown", "2025-08-13 04:39:39,840 - __main__ - INFO - the last run ended with RuntimeError: CUDA error: no kernel image is available"],
  [
    "cuda_kernel_error",
    "│ ERROR 09-27 06:46:46 engine.py:157] RuntimeError: CUDA error: an illegal memory access was encountered          │",
  ],
  ["cuda_kernel_error", "server-1  |     |   | RuntimeError: CUDA error: an illegal memory access was encountered"],
  ["runtime_env_failed", "  | E       ray.exceptions.RuntimeEnvSetupError: Failed to setup runtime environment."],
  [
    "gpu_visibility",
    "[1,2]<stdout>:n3:29880:30398 [0] init.cc:497 NCCL WARN Duplicate GPU detected : rank 2 and rank 0 both on CUDA device 1000",
  ],
  ["version_mismatch", "[Bug]: AttributeError: '_OpNamespace' '_C' object has no attribute 'rotary_embedding'"],
  ["dataset_unreadable", "`pyarrow.lib.ArrowInvalid: Parquet magic bytes not found in footer.`"],
  [
    "dataset_schema",
    '发生异常: KeyError\n\'prompt\'\n  File "D:\\x\\grpo_trainer.py", line 519, in _prepare_inputs\n    prompts = [x["prompt"] for x in inputs]',
  ],
  ["host_oom", '{"log":"\\u001b[36m(raylet) 1 worker(s) were killed due to the node running low on memory.'],
  [
    "unknown",
    "./worker-1.err:WARNING:2025-05-13 10:53:20,328:Waiting for register center actor a_register_center to be ready. Elapsed time: 0 seconds out of 300 seconds.\n./core-1.log:[2025-05-13 10:53:26,347 W 1 1] actor_manager.cc:110: Failed to look up actor with name 'a_register_center'.",
  ],
  [
    "node_lost",
    '{"event_id":"1","severity":"ERROR","source_type":"GCS","message":"The node with node id: ada3 has been marked dead because the detector has missed too many heartbeats from it."}',
  ],
  [
    "cuda_oom_rollout",
    'err="HTTP POST returned 500; responseBody={\\"error\\":{\\"message\\":\\"Call to wake_up method failed: CUDA Error: out of memory at <path>:163\\"}}"',
  ],
  ["config_divisibility", '  File "train.py", line 70, in train_model\n    assert args.batch_size % len(devices) == 0\nAssertionError'],
  ["config_divisibility", "AssertionError: Micro batch size per gpu: 0 has to be greater than 0"],
  [
    "config_divisibility",
    "AssertionError: train_batch_size is not equal to micro_batch_per_gpu * gradient_acc_step * world_size 256 != 2 * 18 * 7",
  ],
  ["config_invalid_value", "AssertionError: Rollout hf with mode sync not found"],
  ["config_invalid_value", "AssertionError: Checkpoint engine x is only supported for standalone rollout workers"],
  ["config_unknown_key", "Error merging override +a.j=2\nKey 'j' not in 'A'"],
  ["config_unknown_key", "ray.exceptions.RayTaskError(ConfigAttributeError): ray::TaskRunner.run() (pid=1, ip=10.0.0.1)"],
  ["dataset_empty", '  File "x.py", line 792, in _create\n    assert len(code_train_dataloader) >= 1\nAssertionError'],
  ["dataset_empty", "AssertionError: len(DataLoader) returns 0. Make sure your dataset is not empty"],
  ["dataset_empty", "AssertionError:  [!] No training samples found in /d/metadata.csv"],
  [
    "dataset_schema",
    "  File \"/c/verl/utils/dataset.py\", line 227, in _build_messages\n    prompt_str: str = example[self.prompt_key]\nKeyError: 'problem'",
  ],
  [
    "checkpoint_io",
    '  File "/c/checkpoint_handler.py", line 72, in load_model_sharded\n    model.load_state_dict(checkpoint)\nAssertionError',
  ],
  [
    "shm_too_small",
    "n1:97:183 [0] include/shm.h:48 NCCL WARN Error while creating shared memory segment nccl-shm-recv-c43b-1-1-0 (size 9637888)",
  ],
  ["shm_too_small", "n1:2143:2561 [1] include/shm.h:28 NCCL WARN Call to posix_fallocate failed : No space left on device"],
  ["gpu_hardware", "Unable to determine the device handle for GPU0000:03:00.0: Unknown Error"],
  ["gpu_shortage", "ValueError: The number of required GPUs exceeds the total number of available GPUs in the placement group."],
  ["head_lost", "[2024-12-05 07:00:44,861 E 688 688] (gcs_server) logging.cc:108: Unhandled exception: type_error"],
  [
    "kv_cache_capacity",
    "The model's max seq len (29000) is larger than the maximum number of tokens that can be stored in KV cache (23648).",
  ],
  [
    "missing_module",
    "FileNotFoundError: [Errno 2] No such file or directory: '/opt/env/lib/python3.12/site-packages/verl/version/version'",
  ],
  ["node_lost", "[2022-02-16 12:46:52,789 C 149 149] node_manager.cc:170: This node has beem marked as dead."],
  [
    "numeric_nan",
    " iteration     5426/  250000 | learning rate: 2.999E-04 | loss scale: 1.0 | grad norm: nan | number of nan iterations:   0 |",
  ],
  ["placement_pending", "Demands:\n {'GPU': 0.9}: 1+ pending tasks/actors (1+ using placement groups)"],
  ["placement_pending", "The actor or task with ID ff is pending and cannot currently be scheduled. It requires {CPU: 0.7} for execution"],
  ["prompt_too_long", "Input prompt (6768 tokens) is too long and exceeds limit of 4096"],
  [
    "ray_job_failed",
    "[2022-12-05 20:45:23,198 I 47 180] task_manager.cc:507: Task failed: SchedulingCancelled: Actor creation cancelled.: class_name=JobSupervisor, function_name=__init__",
  ],
  ["ray_job_failed", "Failed to schedule supervisor actor: The actor is not schedulable."],
  ["reward_error", "(TaskRunner pid=1) [Error] Task failed: division by zero, completion: The answer is"],
  ["reward_error", "ValueError: Math-Verify doesn't support threaded environment due to usage of signal.alarm() in timeout mechanism."],
  [
    "reward_error",
    '  File "/x/math_verify/parser.py", line 702, in parse\nValueError: signal only works in main thread of the main interpreter',
  ],
  [
    "runtime_env_failed",
    "(raylet) [2025-12-03 11:16:18,892 E 52 52] (raylet) worker_pool.cc:1550: Fails to create or get runtime env [Node 10.0.0.1] Traceback",
  ],
  ["chat_template_missing", "ValueError: No chat template is set for this processor. Please either set the `chat_template` attribute"],
  ["tracker_auth", "ray.exceptions.RayTaskError(UsageError): ray::main_task() (pid=55440, ip=172.20.1.9)"],
  ["hang_unknown", "GPU                 Memory                   GPU-Util\nTesla V100-SXM2...  13198MiB / 16384MiB |     69%"],
  ["gpu_shortage", "ValueError: Total available NPUs 4.0 is less than total desired NPUs 8"],
  ["gpu_shortage", "AssertionError: Only 4 GPUs are available, but 8 are required"],
  ["gpu_shortage", "RuntimeError: requested 8 GPUs but only 4 available"],
  [
    "ray_job_failed",
    "Job 'raysubmit_1' failed\nStatus message: Job failed due to an application error, last available logs (truncated to 20,000 chars):\nFailed to get the job supervisor",
  ],
  [
    "runtime_env_failed",
    "ERROR: Could not find a version that satisfies the requirement flash-attn==99 (from versions: none)\nERROR: No matching distribution found for flash-attn==99",
  ],
  ["runtime_env_failed", "The 'pip' runtime environment failed to be created: virtualenv not found"],
  ["runtime_env_failed", "Job submission failed: 413 Request Entity Too Large"],
  [
    "head_lost",
    "[2025-01-01 00:00:00,000 E 1 1] core_worker.cc:500: Failed to register worker to GCS: RpcError: RPC error: failed to connect to all addresses; last error: UNKNOWN: ipv4:10.0.0.1:6379: Failed to connect to remote host: Connection refused",
  ],
  [
    "head_lost",
    'grpc._channel._InactiveRpcError: <_InactiveRpcError of RPC that terminated with: status = StatusCode.UNAVAILABLE details = "failed to connect to all addresses; last error: ipv4:10.0.0.1:6379"',
  ],
  [
    "head_lost",
    "ConnectionError: Ray is trying to start at 10.0.0.1, but is already running; ray.init() could not connect to GCS at 10.0.0.1:6379",
  ],
  ["worker_crash_unknown", '!!!!!!! Segfault encountered !!!!!!!\n  File "<unknown>", line 0, in ncclCommInitRank'],
  ["worker_crash_unknown", "terminate called without an active exception\nAborted (core dumped)"],
  [
    "worker_crash_unknown",
    "concurrent.futures.process.BrokenProcessPool: A process in the process pool was terminated abruptly while the future was running or pending.",
  ],
  ["interrupted", "ray.exceptions.TaskCancelledError: Task: TaskID(abc) was cancelled"],
  [
    "cuda_oom_rollout",
    "[2025-07-01 04:44:59 TP0] Scheduler hit an exception: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
  ],
  [
    "cuda_oom_rollout",
    "RuntimeError: CUDA out of memory occurred when warming up sampler with 1024 dummy requests. Please try lowering `max_num_seqs` or `gpu_memory_utilization` when initializing the engine.",
  ],
  [
    "collective_timeout",
    "RuntimeError: NCCL communicator was aborted on rank 3. Original reason for failure was: [Rank 3] Watchdog caught collective operation timeout",
  ],
  ["gpu_visibility", "ValueError: Current node has no GPU available as CUDA_VISIBLE_DEVICES is set to ''"],
  ["cuda_compat", "CUDA error: CUBLAS_STATUS_ARCH_MISMATCH when calling cublasCreate"],
  ["cuda_compat", "torch._inductor.exc.InductorError: Found Tesla P100 which is too old to be supported by the triton GPU compiler"],
  [
    "cuda_kernel_error",
    "../aten/src/ATen/native/cuda/Indexing.cu:1236: indexSelectSmallIndex: block: [12,0,0] Assertion `srcIndex < srcSelectDimSize` failed.",
  ],
  [
    "cuda_kernel_error",
    '../aten/src/ATen/native/cuda/ScatterGatherKernel.cu:144: operator(): block: [1,0,0], thread: [2,0,0] Assertion `idx_dim >= 0 && idx_dim < index_size && "index out of bounds"` failed.',
  ],
  [
    "missing_module",
    "bash: nvcc: command not found\nRuntimeError: CUDA_HOME environment variable is not set. Please set it to your CUDA install root.",
  ],
  ["config_divisibility", "RuntimeError: Expected size of dim 0 to be a multiple of 8, got 12"],
  ["dataset_unreadable", "PIL.UnidentifiedImageError: cannot identify image file <_io.BytesIO object at 0x7f>"],
  [
    "prompt_too_long",
    "openai.BadRequestError: Error code: 400 - {'object': 'error', 'message': \"This model's maximum context length is 4096 tokens. However, you requested 5000 tokens\", 'type': 'BadRequestError'}",
  ],
  ["reward_error", "AttributeError: module 'custom_module' has no attribute 'compute_score'"],
  ["hub_unreachable", 'httpx.ConnectError: [Errno 101] Network is unreachable\n  File "/x/huggingface_hub/utils/_http.py", line 1'],
  ["thread_limit", "OSERROR: [Errno 24] Too many files open."],
  ["config_invalid_value", "omegaconf.errors.ConfigKeyError: str interpolation key 'common.tpu' not found"],
  ["gpu_visibility", 'RuntimeError: device >= 0 && device < num_gpus INTERNAL ASSERT FAILED at "../aten/src/ATen/cuda/CUDAContext.cpp":49'],
  ["disk_full", "the object cannot be created because the local object store is full and the local disk utilization is over capacity."],
  [
    "version_mismatch",
    "  Value error, The checkpoint you are trying to load has model type `qwen9_vl` but Transformers does not recognize this architecture.",
  ],
  [
    "unknown",
    "requests.exceptions.ConnectionError: HTTPConnectionPool(host='tools', port=8080): Max retries exceeded (Caused by NewConnectionError: [Errno 111] Connection refused')",
  ],
];
