/** Messages as the programs print them, some cut: the label and the log. */
export const MACHINE_MESSAGES: readonly (readonly [label: string, log: string])[] = [
  ["host_oom", "ray.exceptions.OutOfMemoryError: Task was killed due to the node running low on memory."],
  ["host_oom", "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 12.3 GiB for an array with shape (1, 2)"],
  ["host_oom", "OSError: [Errno 12] Cannot allocate memory"],
  ["host_oom", "slurmstepd: error: Detected 1 oom_kill event in StepId=123.0. Some of the step tasks have been OOM Killed."],
  [
    "host_oom",
    "RuntimeError: [enforce fail at alloc_cpu.cpp:73] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 100 bytes. Error code 12 (Cannot allocate memory)",
  ],
  ["host_oom", "run.sh: line 20: 12345 Killed                  python3 -m verl.trainer.main_ppo"],
  ["host_oom", "    State:  Terminated  Reason: OOMKilled  Exit Code: 137"],
  [
    "cuda_oom_train",
    "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0; 79.35 GiB total capacity; 1 GiB already allocated)",
  ],
  ["cuda_oom_train", "RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB (GPU 1; 23.70 GiB total capacity)"],
  [
    "cuda_oom_train",
    "RuntimeError: NPU out of memory. Tried to allocate 1.16 GiB (NPU 2; 60.97 GiB total capacity; 56 GiB already allocated)",
  ],
  [
    "cuda_oom_train",
    '  File "/x/transformers/models/qwen2/modeling_qwen2.py", line 1, in forward\ntorch.OutOfMemoryError: HIP out of memory. Tried to allocate 58.00 MiB.',
  ],
  ["cuda_oom_train", "ncclUnhandledCudaError: Call to CUDA function failed.\nLast error:\nCuda failure 2 'out of memory'"],
  [
    "cuda_oom_train",
    'ray.exceptions.RayTaskError(OutOfMemoryError): ray::WorkerDict.actor_rollout_update_actor() (pid=1, ip=1)\n  File "/v/verl/workers/fsdp_workers.py", line 1, in update_actor\ntorch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.00 GiB.',
  ],
  [
    "cuda_oom_train",
    '  File "/x/megatron/core/optimizer/optimizer.py", line 1, in step\n  File "/x/transformer_engine/pytorch/optimizers/fused_adam.py", line 1\ntorch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1 GiB',
  ],
  [
    "cuda_oom_train",
    '[rank0]:   File "/x/trl/trainer/sft_trainer.py", line 1, in training_step\n[rank0]:   File "/x/deepspeed/runtime/zero/stage3.py", line 1\n[rank0]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 3.50 GiB. GPU 0 has a total capacity of 23.65 GiB',
  ],
  [
    "cuda_oom_train",
    '  File "/v/verl/workers/fsdp_workers.py", line 782, in compute_ref_log_prob\n  File "/v/verl/utils/fsdp_utils.py", line 1, in load_fsdp_model_to_gpu\ntorch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1 GiB',
  ],
  [
    "cuda_oom_rollout",
    'ray.exceptions.RayTaskError(OutOfMemoryError): ray::WorkerDict.actor_rollout_generate_sequences() (pid=1, ip=1)\n  File "/v/site-packages/vllm/worker/worker.py", line 1, in x\ntorch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.00 GiB.',
  ],
  ["cuda_oom_rollout", "RuntimeError: CUDA Error: out of memory at /workspace/csrc/cumem_allocator.cpp:62"],
  [
    "cuda_oom_rollout",
    "(SGLangHttpServer pid=1) Exception: Capture CUDA graph failed: CUDA out of memory. Tried to allocate 1.95 GiB.\nPossible solutions:\n1. set --mem-fraction-static to a smaller value",
  ],
  ["cuda_oom_rollout", "[torch_memory_saver.cpp] CUresult error  result=2 file=csrc/core.cpp func=cu_mem_create line=104"],
  [
    "cuda_oom_rollout",
    "(EngineCore_0 pid=1) ERROR 08-01 00:00:00 [core.py:700] torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 14.00 GiB. GPU 0 has a total capacity of 79 GiB\nRuntimeError: Engine core initialization failed. See root cause above.",
  ],
  [
    "cuda_oom_rollout",
    '[2025-01-01 00:00:00 TP0] Scheduler hit an exception: Traceback (most recent call last):\n  File "/sgl-workspace/sglang/python/sglang/srt/managers/scheduler.py", line 1\n[2025-01-01 00:00:00 TP0] torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1 GiB\n[2025-01-01 00:00:00] Received sigquit from a child process. It usually means the child failed.',
  ],
  [
    "cuda_oom_rollout",
    '  File "/v/verl/workers/sharding_manager/fsdp_sglang.py", line 1, in wake_up\n    await self.inference_engine.resume_memory_occupation()\ntorch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1 GiB',
  ],
  ["kv_cache_capacity", "RuntimeError: Not enough memory. Please try to increase --mem-fraction-static."],
  [
    "kv_cache_capacity",
    "ValueError: The model's max seq len (32768) is larger than the maximum number of tokens that can be stored in KV cache (7344). Try increasing `gpu_memory_utilization`",
  ],
  ["kv_cache_capacity", "ValueError: To serve at least one request with the model's max seq len (100000), (4.26 GiB KV cache is needed"],
  ["kv_cache_capacity", "AssertionError: Error in memory profiling. Initial free memory 10.2 GiB, current free memory 20 GiB."],
  [
    "kv_cache_capacity",
    "(EngineCore_0 pid=1) ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the engine.\nRuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}",
  ],
  ["shm_too_small", "RuntimeError: unable to write to file </torch_123_456>\nNo space left on device"],
  ["shm_too_small", "RuntimeError: unable to open shared memory object </torch_1_2> in read-write mode: No space left on device (28)"],
  [
    "shm_too_small",
    "ValueError: The configured object store size (60 GB) exceeds /dev/shm size (1 GB). This will harm performance. Consider deleting files in /dev/shm",
  ],
  [
    "shm_too_small",
    "RuntimeError: DataLoader worker (pid 123) is killed by signal: Bus error. It is possible that dataloader's workers are out of shared memory. Please try to raise your shared memory limit.",
  ],
  ["gpu_visibility", "RuntimeError: CUDA error: invalid device ordinal"],
  [
    "gpu_visibility",
    "torch.distributed.DistBackendError: NCCL error in: x, invalid usage (run with NCCL_DEBUG=WARN for details), NCCL version 2.21.5\nncclInvalidUsage: This usually reflects invalid usage of NCCL library.\nLast error:\nDuplicate GPU detected : rank 1 and rank 0 both on CUDA device 50",
  ],
  [
    "gpu_visibility",
    "RuntimeError: Unexpected error from cudaGetDeviceCount(). Did you run some cuda functions before calling NumCudaDevices() that might have already set an error? Error 101: invalid device ordinal",
  ],
  [
    "gpu_visibility",
    "RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed a driver",
  ],
  ["gpu_visibility", "AssertionError: Invalid device id"],
  ["gpu_visibility", "ValueError: Please use the same HIP_VISIBLE_DEVICES or CUDA_VISIBLE_DEVICES, inconsistant values found: 0 and 1."],
  ["gpu_hardware", "RuntimeError: CUDA error: uncorrectable NVLink error detected during the execution"],
  ["gpu_hardware", "Unable to determine the device handle for GPU 0000:3B:00.0: GPU is lost.  Reboot the system to recover this GPU"],
  [
    "gpu_hardware",
    "torch.AcceleratorError: CUDA error: unspecified launch failure\nNVRM: Xid (PCI:0000:9b:00): 94, pid=1, Contained: SM (0x1).",
  ],
  ["cuda_compat", "RuntimeError: CUDA error: no kernel image is available for execution on the device"],
  ["cuda_compat", "NVIDIA H200 with CUDA capability sm_90 is not compatible with the current PyTorch installation."],
  ["cuda_compat", "RuntimeError: FlashAttention only supports Ampere GPUs or newer."],
  [
    "cuda_compat",
    "ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0. Your Tesla V100-SXM2-32GB GPU has compute capability 7.0.",
  ],
  ["cuda_compat", "RuntimeError: The NVIDIA driver on your system is too old (found version 11070)."],
  ["cuda_compat", "RuntimeError: CUDA error: the provided PTX was compiled with an unsupported toolchain."],
  ["cuda_compat", "Error 803: system has unsupported display driver / cuda driver combination"],
  ["cuda_kernel_error", "RuntimeError: CUDA error: device-side assert triggered"],
  ["cuda_kernel_error", "RuntimeError: CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx( handle, opa, opb, m, n, k)`"],
  ["cuda_kernel_error", "RuntimeError: Triton Error [CUDA]: an illegal memory access was encountered"],
  [
    "cuda_kernel_error",
    "[rank0]:[E ProcessGroupNCCL.cpp:1153] [Rank 0] NCCL watchdog thread terminated with exception: CUDA error: an illegal memory access was encountered",
  ],
  ["cuda_kernel_error", "RuntimeError: CUDA error: misaligned address"],
  ["thread_limit", "OpenBLAS blas_thread_init: pthread_create failed for thread 63 of 64: Resource temporarily unavailable"],
  ["thread_limit", "BlockingIOError: [Errno 11] Resource temporarily unavailable"],
  ["thread_limit", "RuntimeError: can't start new thread"],
  ["thread_limit", "OSError: [Errno 24] Too many open files: '/x'"],
  ["thread_limit", "Exception: No available agent to submit job, please try again later."],
  ["thread_limit", "terminate called after throwing an instance of 'std::system_error'\n  what():  Resource temporarily unavailable"],
  ["thread_limit", "RuntimeError: Request failed with status code 500: No available agent to submit job, please try again later.."],
  ["disk_full", "OSError: [Errno 28] No space left on device"],
  [
    "disk_full",
    "RuntimeError: [enforce fail at inline_container.cc:778] . PytorchStreamWriter failed writing file data/0: file write failed",
  ],
  [
    "disk_full",
    'safetensors_rust.SafetensorError: Error while serializing: IoError(Os { code: 28, kind: StorageFull, message: "No space left on device" })',
  ],
  [
    "disk_full",
    "(raylet) [2025-05-19 04:19:55,000 E 1 2] (raylet) file_system_monitor.cc:116: /tmp/ray/session_x is over 95% full, available space: 2.03779 GB; capacity: 69.9336 GB. Object creation will fail if spilling is required.",
  ],
  ["disk_full", "OSError: [Errno 122] Disk quota exceeded: '/home/x'"],
  [
    "disk_full",
    "OSError: [Errno 28] No space left on device: '/tmp/ray/session_latest'\nray.exceptions.ActorDiedError: The actor died unexpectedly",
  ],
  ["disk_full", "RuntimeError: write failed: No space left on device (os error 28)"],
];
