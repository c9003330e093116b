import type { Rule } from "../rule.ts";

const ROLLOUT =
  /[\\/]vllm[\\/]|[\\/]sglang[\\/]|cumem_allocator|vLLMHttpServer|SGLangHttpServer|vLLMAsync|EngineCore|VllmWorker|Worker_TP|multiproc_executor|gpu_model_runner|gpu_worker\.py|generate_sequences|wake_up|resume_memory_occupation|sharding_manager|fsdp_vllm|fsdp_sglang|hf_rollout|vllm_rollout|sglang_rollout|model_runner\.py|tp_worker|kv_cache|capture_model|sgl_|torch_memory_saver|Scheduler hit an exception|[Cc]apture (?:cuda|CUDA) graph failed|\bTP\d{1,3}\] |warming up sampler|gpu_memory_utilization|mem-fraction-static/;
const TRAIN =
  /dp_actor|dp_critic|fsdp_workers|engine_workers|megatron_actor|megatron_critic|megatron_workers|MegatronTrain|update_actor|update_critic|update_policy|compute_log_prob|compute_ref_log_prob|compute_values|entropy_from_logits|torch[\\/]optim[\\/]|optimizer\.step|\.backward\(|_engine_run_backward|sft_trainer|transformer_impl|train_batch|forward_backward|deepspeed|accelerate[\\/]|training_step/;
const OOM =
  /(?:CUDA|HIP|NPU|XPU|MUSA) out of memory\.? ?(?:Tried to allocate (?<asked>[\d.]+ [KMGT]i?B)?.{0,40}?)?(?:.{0,60}?total capacity (?:of )?(?<total>[\d.]+ [KMGT]i?B)(?: of which (?<free>[\d.]+ [KMGT]i?B) is free)?)?/;
const BARE_OOM =
  /(?:RuntimeError: |AcceleratorError: |cuda |CUDA )(?:CUDA )?error:? (?:CUDA )?(?:error: )?out of memory|Cuda failure (?:\d{1,3} )?'out of memory'|CUDA error: out of memory|cuda error: out of memory|Triton Error \[CUDA\]: out of memory|CUBLAS_STATUS_ALLOC_FAILED|cudaErrorMemoryAllocation|CUresult error\s{1,4}result=2\b|CUDNN_STATUS_ALLOC_FAILED|Failed to CUDA calloc/i;

const ROLLOUT_WHY =
  "The generation engine asked for more GPU memory than was left ({asked|too much} wanted): weights, KV cache and what the trainer keeps share one card.";
const ROLLOUT_FIX =
  "Lower rollout.gpu_memory_utilization (vLLM) or mem_fraction_static (SGLang) by 0.1, or turn on offload of the trainer (param_offload, optimizer_offload), or raise tensor_model_parallel_size. These are in the profile: choose a smaller one, or ask the operator.";
const BARE_WHY = "CUDA had no GPU memory left for what was asked.";
const TRAIN_WHY =
  "The trainer asked for more GPU memory than was left: {asked|too much} wanted, {free|too little} free of {total|the card}.";
const TRAIN_FIX =
  "Lower ppo_micro_batch_size_per_gpu / log_prob_micro_batch_size_per_gpu (or ppo_max_token_len_per_gpu with dynamic batches), shorten max_response_length, or turn on gradient checkpointing and offload. These are in the profile: choose a smaller one, use more GPUs, or ask the operator.";

export const GPU_MEMORY: readonly Rule[] = [
  {
    id: "cuda-oom-rollout",
    label: "cuda_oom_rollout",
    strength: "cause",
    needles: ["out of memory"],
    pattern: new RegExp(`(?:[\\w.]{0,60}OutOfMemoryError: |RuntimeError: )?${OOM.source}`),
    frames: ROLLOUT,
    notFrames: TRAIN,
    why: ROLLOUT_WHY,
    fix: ROLLOUT_FIX,
  },
  {
    id: "cuda-oom-train",
    label: "cuda_oom_train",
    strength: "cause",
    needles: ["out of memory"],
    pattern: new RegExp(`(?:[\\w.]{0,60}OutOfMemoryError: |RuntimeError: )?${OOM.source}`),
    frames: TRAIN,
    notFrames: ROLLOUT,
    elseToo: true,
    why: TRAIN_WHY,
    fix: TRAIN_FIX,
  },
  {
    id: "cuda-error-oom-rollout",
    label: "cuda_oom_rollout",
    strength: "cause",
    needles: ["out of memory", "_alloc_failed", "cudaerrormemoryallocation", "cuda calloc", "curesult error"],
    pattern: BARE_OOM,
    frames: ROLLOUT,
    notFrames: TRAIN,
    anyLevel: true,
    why: BARE_WHY,
    fix: ROLLOUT_FIX,
  },
  {
    id: "cuda-error-oom-train",
    label: "cuda_oom_train",
    strength: "cause",
    needles: ["out of memory", "_alloc_failed", "cudaerrormemoryallocation", "cuda calloc", "curesult error"],
    pattern: BARE_OOM,
    frames: TRAIN,
    notFrames: ROLLOUT,
    elseToo: true,
    anyLevel: true,
    why: BARE_WHY,
    fix: TRAIN_FIX,
  },
  {
    id: "sglang-pool-out-of-memory",
    label: "cuda_oom_rollout",
    strength: "cause",
    needles: ["runs out of memory", "prefill out of memory", "decode out of memory", "capture cuda graph failed"],
    pattern:
      /alloc_(?:req_slots|token_slots|paged_token_slots\w{0,20}) runs out of memory|(?:Prefill|Decode) out of memory\. Try to lower your batch size|Capture cuda graph failed: .{0,40}out of memory/,
    why: "SGLang's request or token pool was full while it generated.",
    fix: "Lower the number of running requests (max_num_seqs / max_running_requests) or the lengths, or give the engine more memory (mem_fraction_static). These are in the profile.",
  },
  {
    id: "kv-cache-no-memory",
    label: "kv_cache_capacity",
    strength: "cause",
    needles: [
      "memory for the cache blocks",
      "kv cache",
      "mem-fraction-static",
      "mem_fraction_static",
      "to serve at least one request",
      "max_total_num_tokens",
    ],
    pattern:
      /No available memory for the cache blocks|(?:[Tt]he model's )?max seq len \((?<asked>\d+)\) is larger than the maximum number of tokens that can be stored in (?:the )?KV cache \((?<room>\d+)\)|To serve at least one request with the models?'?s? max seq len \((?<need>\d+)\)|Not enough (?:GPU )?memory\. Please try to (?:increase|set a (?:larger|bigger)).{0,10}mem[-_]fraction[-_]static|larger than the available KV cache memory|max_total_num_tokens.{0,60}too small|No available memory for the KV cache/,
    why: "After weights and profiling too little GPU memory is left for the KV cache of one request of {asked|max_model_len} tokens.",
    fix: "Raise rollout.gpu_memory_utilization (vLLM) or mem_fraction_static (SGLang), or lower max_model_len (max_prompt_length + max_response_length), or raise tensor_model_parallel_size. These are in the profile: choose another, or ask the operator.",
  },
  {
    id: "engine-memory-share-taken",
    label: "kv_cache_capacity",
    strength: "cause",
    needles: ["less than desired gpu memory utilization", "error in memory profiling"],
    pattern:
      /Free memory on device .{0,60}\((?<free>[\d.]+)\/(?<total>[\d.]+) GiB\).{0,40}is less than desired GPU memory utilization|Error in memory profiling\. Initial free memory/,
    why: "At start the generation engine found {free|less} GiB free, less than the share of the card it is told to take: something else holds GPU memory.",
    fix: "Lower rollout.gpu_memory_utilization, turn on offload of the trainer, or find what else runs on that GPU (nvidia-smi on the node; an earlier run's process, perhaps).",
  },
];
