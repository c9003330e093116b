/** What healthy runs print, and what only looks like a failure. */
export const NOISE_MESSAGES: readonly (readonly [label: string, log: string])[] = [
  ["unknown", "(TaskRunner pid=1) step:1 - actor/pg_loss:0.1\n(TaskRunner pid=1) step:2 - actor/pg_loss:0.1\n"],
  ["unknown", "WARNING 05-26 07:50:26 [topk_topp_sampler.py:69] FlashInfer is not available. Falling back"],
  [
    "unknown",
    "[rank0]:[W ProcessGroupNCCL.cpp:1250] Warning: WARNING: process group has NOT been destroyed before we destruct ProcessGroupNCCL.",
  ],
  ["unknown", "INFO 01-11 15:51:18 llm_engine.py:275] # GPU blocks: 229, # CPU blocks: 512"],
  ["unknown", "/x/torch/utils/checkpoint.py:85: UserWarning: None of the inputs have requires_grad=True. Gradients will be None"],
  [
    "unknown",
    "(raylet) [2025 I] agent: ok\nSome weights of Qwen2ForTokenClassification were not initialized from the model checkpoint at /x and are newly initialized: ['score.weight']",
  ],
  ["unknown", "(WorkerDict pid=1) No module named 'vllm._version'"],
  [
    "unknown",
    "You are using a model of type qwen2 to instantiate a model of type ``. This is not supported for all configurations of models and can yield errors.",
  ],
  [
    "unknown",
    "(TaskRunner pid=1) WARNING:2025-01-01 00:00:00,000:Checkpoint tracker file does not exist: /ckpt/latest_checkpointed_iteration.txt\n(TaskRunner pid=1) Training from scratch",
  ],
  [
    "unknown",
    "(TaskRunner pid=1) Checkpoint tracker file does not exist: /ckpt/latest_checkpointed_iteration.txt\n(TaskRunner pid=1) Training from scratch",
  ],
  ["unknown", "[2025-01-01 00:00:00,000 W 1 2] global_state_accessor.cc:429: Retrying to get node with node ID abc"],
  [
    "unknown",
    "(pid=gcs_server) Waiting for register center actor abc_register_center to be ready. Elapsed time: 30 seconds out of 300 seconds",
  ],
  [
    "unknown",
    "(autoscaler +4s) Tip: use `ray status` to view detailed cluster status. To disable these messages, set RAY_SCHEDULER_EVENTS=0.",
  ],
  [
    "unknown",
    "(WorkerDict pid=1) Monkey patch _flash_attention_forward in transformers.integrations.flash_attention\n(WorkerDict pid=1) Total steps: 435, num_warmup_steps: 0\n(WorkerDict pid=1) Actor use_remove_padding=True\n(WorkerDict pid=1) Before building vllm rollout, memory allocated (GB): 0.0",
  ],
  [
    "unknown",
    "wandb: Tracking run with wandb version 0.19\nwandb: Run `wandb offline` to turn off syncing.\nwandb: WARNING Path ./wandb/ wasn't writable, using system temp directory.",
  ],
  [
    "unknown",
    "node1:1:2 [0] NCCL INFO NET/IB : No device found.\nnode1:1:2 [0] NCCL INFO NET/Socket : Using [0]eth0\nnode1:1:2 [0] NCCL INFO cudaDriverVersion 12040",
  ],
  [
    "unknown",
    "2025-01-01 00:00:00,000 WARNING services.py:2022 -- WARNING: The object store is using /tmp instead of /dev/shm because /dev/shm has only 67108864 bytes available.\n(TaskRunner pid=1) step:1 - a:1\n(TaskRunner pid=1) step:2 - a:1",
  ],
  [
    "unknown",
    "(TaskRunner pid=1) {'actor_rollout_ref': {'actor': {'nan': 1, 'checkpoint': {'contents': ['model']}}}}\n(TaskRunner pid=1) 'ray_wait_register_center_timeout': 300,",
  ],
  [
    "unknown",
    "INFO 01-01 00:00:00 [executor_base.py:112] # cuda blocks: 27913, # CPU blocks: 9362\nINFO 01-01 00:00:00 [gpu_executor.py] Maximum concurrency for 2048 tokens per request: 218x\nGraph capturing finished in 15 secs, took 0.30 GiB",
  ],
  [
    "unknown",
    "(WorkerDict pid=1) You are attempting to use Flash Attention 2.0 without specifying a torch dtype. This might lead to unexpected behaviour",
  ],
  [
    "unknown",
    "(WorkerDict pid=1) [2025] Flash Attention 2.0 only supports torch.float16 and torch.bfloat16 dtypes, but the current dype in Qwen2ForCausalLM is torch.float32.",
  ],
  [
    "unknown",
    "Token indices sequence length is longer than the specified maximum sequence length for this model (40000 > 32768). Running this sequence through the model will result in indexing errors",
  ],
  [
    "unknown",
    "2025-01-01 00:00:00,000\tINFO worker.py:1841 -- Started a local Ray instance.\n/x/ray/_private/worker.py: FutureWarning: Tip: In future versions of Ray, Ray will no longer override accelerator visible devices env var if num_gpus=0",
  ],
  [
    "unknown",
    "(TaskRunner pid=1) WARNING: val_batch_size is deprecated.\n(TaskRunner pid=1) Size of train dataloader: 29, Size of val dataloader: 1\n(TaskRunner pid=1) Total training steps: 435\n(TaskRunner pid=1) [validate_config] All configuration checks passed successfully!",
  ],
  [
    "unknown",
    "No local checkpoint found at /ckpt, starting from scratch\nSkipping import of cpp extensions due to incompatible torch version",
  ],
  [
    "unknown",
    "(WorkerDict pid=1) /x/torch/distributed/fsdp/fully_sharded_data_parallel.py:690: FutureWarning: FSDP.state_dict_type() and FSDP.set_state_dict_type() are being deprecated.",
  ],
  [
    "unknown",
    "[rank0]:[W107 ProcessGroupNCCL.cpp:4115] [PG ID 0 PG GUID 0 Rank 0]  using GPU 0 to perform barrier as devices used by this process are currently unknown. This can potentially cause a hang if this rank to GPU mapping is incorrect.",
  ],
  [
    "unknown",
    "(TaskRunner pid=1) test_gen_batch meta info: {'eos_token_id': 1}\n(TaskRunner pid=1) validation generation end\n(TaskRunner pid=1) [prompt] Q: What causes an error: Address already in use?\n(TaskRunner pid=1) [response] OSError: [Errno 98] Address already in use\n(TaskRunner pid=1) [ground_truth] 1\n(TaskRunner pid=1) [score] 0",
  ],
  ["unknown", "Killing subprocess helper is ready; retry on Connection reset by peer is enabled"],
  [
    "unknown",
    "huggingface/tokenizers: The current process just got forked, after parallelism has already been used. Disabling parallelism to avoid deadlocks...",
  ],
  [
    "unknown",
    "ERROR: pip's dependency resolver does not currently take into account all the packages that are installed. This behaviour is the source of the following dependency conflicts.",
  ],
  ["unknown", "(WorkerDict pid=1) 2025-01-01 00:00:00,000 - INFO - Successfully connected; on error: Connection reset by peer we retry"],
  [
    "unknown",
    "(TaskRunner pid=1) Warning: nan values replaced in metric foo\n(TaskRunner pid=1) step:1 - x:1\n(TaskRunner pid=1) step:2 - x:1\n(TaskRunner pid=1) step:3 - x:1",
  ],
  [
    "unknown",
    "(AgentLoopWorker pid=1) ERROR:2025:Tool call failed: TimeoutError: sandbox timed out\n(TaskRunner pid=1) step:7 - a:1\n(TaskRunner pid=1) step:8 - a:1",
  ],
];
