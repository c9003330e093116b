/** What each rule must see, and what looks like it and is not: written by hand with the messages that the named programs print. */

/** `log` is a whole log; `not` are logs that hold the rule's words and must not meet the rule. */
export type Samples = { readonly [rule: string]: { readonly from: string; readonly log: string; readonly not: string } };

export const MEMORY_SAMPLES: Samples = {
  "cuda-oom-rollout": {
    from: "PyTorch 2.8 allocator under vLLM 0.11 in a verl rollout server",
    log: `(vLLMHttpServer pid=41)   File "/opt/env/lib/python3.12/site-packages/vllm/v1/worker/gpu_model_runner.py", line 3012, in profile_run
(vLLMHttpServer pid=41) torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.16 GiB. GPU 0 has a total capacity of 79.11 GiB of which 500.06 MiB is free.`,
    not: `{"role": "user", "content": "vllm says: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.16 GiB. Why?"}`,
  },
  "cuda-oom-train": {
    from: "PyTorch 2.6 allocator under FSDP in verl 0.6",
    log: `(WorkerDict pid=12)   File "/code/verl/workers/actor/dp_actor.py", line 411, in update_policy
(WorkerDict pid=12)     loss.backward()
(WorkerDict pid=12) torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.32 GiB. GPU 3 has a total capacity of 79.33 GiB of which 1.05 GiB is free.`,
    not: `I get CUDA out of memory. Tried to allocate 20 GiB when I train, what can I do about it?`,
  },
  "cuda-error-oom-rollout": {
    from: "vLLM's cumem allocator at wake_up",
    log: `CUDA Error: out of memory at /workspace/csrc/cumem_allocator.cpp:62`,
    not: `INFO 04-07 12:12:08 [cumem.py:40] lower gpu_memory_utilization if wake_up meets an out of memory condition`,
  },
  "cuda-error-oom-train": {
    from: "cuBLAS without room for its workspace, in an optimizer step",
    log: `(WorkerDict pid=12)   File "/code/verl/workers/critic/dp_critic.py", line 211, in update_critic
(WorkerDict pid=12) RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling \`cublasCreate(handle)\``,
    not: `The run may hit CUBLAS_STATUS_ALLOC_FAILED_LATER on small cards`,
  },
  "sglang-pool-out-of-memory": {
    from: "SGLang 0.5 scheduler",
    log: `[2026-01-02 03:04:05 TP0] RuntimeError: alloc_req_slots runs out of memory. Please set a smaller number for \`--max-running-requests\`.`,
    not: `max_running_requests is set so that no pool runs out of memory`,
  },
  "kv-cache-no-memory": {
    from: "vLLM 0.10 kv_cache_utils",
    log: `(EngineCore_DP0 pid=9) ValueError: To serve at least one request with the models's max seq len (131072), (4.54 GiB KV cache is needed, which is larger than the available KV cache memory (1.71 GiB).`,
    not: `INFO 06-01 10:00:00 [kv_cache_utils.py:849] GPU KV cache size: 1,024 tokens`,
  },
  "engine-memory-share-taken": {
    from: "vLLM 0.10 gpu_worker",
    log: `ValueError: Free memory on device (14.42/79.11 GiB) on startup is less than desired GPU memory utilization (0.5, 39.55 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.`,
    not: `Free memory on device: 70 GiB, no less than desired GPU memory utilization`,
  },
  "ray-memory-monitor": {
    from: "Ray 2.60 raylet",
    log: `(raylet) 1 worker(s) were killed due to the node running low on memory. The top 10 memory users are:`,
    not: `(raylet) memory usage threshold is 0.95; workers may be killed when it is passed`,
  },
  "kernel-oom-kill": {
    from: "Linux 6 kernel log",
    log: `[123456.789] Out of memory: Killed process 4242 (ray::WorkerDict) total-vm:90000000kB, anon-rss:60000000kB`,
    not: `There are some potential root causes. (1) The process is killed by SIGKILL by OOM killer due to high memory usage.`,
  },
  "cpu-allocation-failed": {
    from: "PyTorch CPU allocator",
    log: `RuntimeError: [enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 34359738368 bytes.`,
    not: `max_memory: we try to allocate memory in pages`,
  },
  "shm-full": {
    from: "PyTorch DataLoader worker",
    log: `RuntimeError: DataLoader worker (pid 77) is killed by signal: Bus error. It is possible that dataloader's workers are out of shared memory. Please try to raise your shared memory limit.
ERROR: Unexpected bus error encountered in worker. This might be caused by insufficient shared memory (shm).`,
    not: `UserWarning: resource_tracker: There appear to be 1 leaked shared_memory objects to clean up at shutdown`,
  },
  "ray-dev-shm-small": {
    from: "Ray 2.60 services.py",
    log: `2026-01-02 03:04:05,000\tWARNING services.py:2168 -- WARNING: The object store is using /tmp instead of /dev/shm because /dev/shm has only 67108864 bytes available.`,
    not: `2026-01-02 03:04:05,000\tINFO services.py:2168 -- /dev/shm has only been looked at`,
  },
  "object-store-full": {
    from: "Ray 2.60 plasma",
    log: `ray.exceptions.ObjectStoreFullError: Failed to put object 00ff in object store because it is full. Object size is 9000000000 bytes.`,
    not: `object store is fully connected`,
  },
  "sigkill-of-a-rank": {
    from: "torchrun of PyTorch 2.7",
    log: `E0101 10:00:00.000000 99 torch/distributed/elastic/multiprocessing/api.py:882] failed (exitcode: -9) local_rank: 0 (pid: 32059) of binary: /opt/env/bin/python`,
    not: `send SIGKILL after 30 seconds if the process does not end`,
  },
  "gpu-ecc-or-xid": {
    from: "NVIDIA kernel driver",
    log: `[  99.1] NVRM: Xid (PCI:0000:3b:00): 79, pid=1234, name=python, GPU has fallen off the bus.`,
    not: `| GPU  Name                 Persistence-M | Bus-Id          Disp.A | Volatile Uncorr. ECC error |`,
  },
  "gpu-seen-wrong": {
    from: "PyTorch 2.x CUDA init",
    log: `RuntimeError: No CUDA GPUs are available`,
    not: `CUDA_VISIBLE_DEVICES=0,1,2,3 is kept`,
  },
  "cuda-build-does-not-fit": {
    from: "PyTorch 2.x on an old driver",
    log: `RuntimeError: The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver.`,
    not: `INFO 05-26 07:50:26 [cuda.py:221] device has compute capability 9.0`,
  },
  "cuda-device-assert": {
    from: "PyTorch indexing kernel",
    log: `/pytorch/aten/src/ATen/native/cuda/Indexing.cu:1369: indexSelectLargeIndex: block: [12,0,0], thread: [0,0,0] Assertion \`srcIndex < srcSelectDimSize\` failed.
RuntimeError: CUDA error: device-side assert triggered`,
    not: "Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.",
  },
  "cuda-kernel-fault": {
    from: "PyTorch 2.8",
    log: `torch.AcceleratorError: CUDA error: an illegal memory access was encountered`,
    not: `For debugging consider passing CUDA_LAUNCH_BLOCKING=1 when you see a CUDA error: something`,
  },
};
