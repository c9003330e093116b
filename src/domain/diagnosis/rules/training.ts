import type { Rule } from "../rule.ts";

const REWARD =
  /reward_score|reward_manager|reward_loop|reward_fn|compute_score|compute_reward|custom_reward|reward_function|sandbox_fusion|reward_model_manager|[\\/]rewards?[\\/]|in \w*reward\w*\b/;
const NOT_REWARD = /[\\/]vllm[\\/]|[\\/]sglang[\\/]|rl_dataset|sft_dataset|dp_actor|checkpoint_manager|fsdp_workers|megatron_workers/;

export const TRAINING: readonly Rule[] = [
  {
    id: "reward-named",
    label: "reward_error",
    strength: "cause",
    needles: ["reward", "not implemented for", "compute_score", "sandbox", "math_verify", "score"],
    pattern:
      /Reward function (?:is not implemented for|.{0,60}(?:failed|raised|timed? ?out))|is not implemented for data_source=?(?<source>.{0,100})|Error in (?:computing )?(?:the )?(?:reward|compute_score|custom reward|score)|[Rr]eward (?:computation|model|function|worker|loop|server)\w{0,20} (?:failed|error|timed? ?out|raised|crashed)|(?:Exception|Error|Timeout) (?:in|during|while) .{0,30}(?:reward|scor)(?:e|ing)|Timeout .{0,40}comput\w{1,6} (?:the )?(?:reward|score)|sandbox.{0,60}(?:failed|unreachable|[Tt]imed? ?out|refused)|TimeoutError: .{0,60}reward|no score in prompt index/i,
    why: "The reward could not be computed ({source|see the line}).",
    fix: "Test the function alone on some rows. verl's own rewards exist for known data_source names only: use one of them, or name your function in reward.custom_reward_function.path (custom_reward_function.path before verl 0.7). Catch exceptions in it and set a time-out.",
  },
  {
    id: "reward-raised",
    label: "reward_error",
    strength: "symptom",
    needles: ["error: ", "exception: ", "keyerror", "timeouterror", "error"],
    pattern: /^(?:[a-z_][\w.]{0,100}\.)?(?!RayTask|ActorDied|OutOfMemory|ModuleNotFound|Import)[A-Z]\w{0,60}(?:Error|Exception|Timeout)\b/,
    frames: REWARD,
    notFrames: NOT_REWARD,
    why: "An exception came out of the reward's code.",
    fix: "Read the traceback: the last frame in your file is where it failed. Try the function alone with that row; catch what may be wrong with a model's answer (empty, not a number, very long).",
  },
  {
    id: "reward-stack",
    label: "reward_error",
    strength: "hint",
    needles: ["reward_score", "reward_manager", "compute_score", "reward_loop"],
    pattern: /(?:->|File "|^\s{0,20}\w{1,60} \().{0,200}(?:reward_score|reward_manager|reward_loop|compute_score)/,
    anywhere: true,
    atEnd: true,
    why: "The last thing that the log shows is a stack inside the reward's code: it does not come back.",
    fix: "Give each score a time-out, and try the function alone on odd answers (very long, unbalanced brackets, huge numbers: sympy and regular expressions can run for ever).",
  },
  {
    id: "probabilities-not-finite",
    label: "numeric_nan",
    strength: "cause",
    needles: ["probability tensor contains", "nan", "inf ", "not finite", "non-finite", "infinite"],
    pattern:
      /probability tensor contains either `inf`, `nan`|(?:found|[Dd]etected|has|have|got|contains?|is|are|with) (?:a |an |any )?(?:NaN|nan|Inf|inf|infinite)s?\b.{0,60}(?:loss|grad|param|logit|log_?prob|weight|tensor|forward|backward)|(?:loss|grad(?:ient)?s?|logits|log_?probs?|[Nn]orm of gradients?)\b.{0,60}(?:(?:is|are|was|were|became|contains?|has|turned) (?:a )?(?:NaN|nan|inf\b|Inf\b|infinite|not finite|non-?finite))|The total norm .{0,60}is non-finite|Function '\w{1,60}' returned nan values|[Nn]on-?finite (?:loss|grad|value)|found NaN in (?:local )?(?:grad|forward|loss)|Invalid parameter .{0,60}nan|Expected parameter .{0,100}but found invalid values|nan_count.{0,10}[1-9]/i,
    anyLevel: true,
    outlivesSteps: true,
    why: "Losses, gradients or probabilities became NaN or infinite: training has diverged.",
    fix: "Lower the learning rate (the profile's), look for broken rows (empty answers, rewards of NaN), use bf16 instead of fp16, clip gradients. Start again from a checkpoint before it.",
  },
  {
    id: "step-metrics-nan",
    label: "numeric_nan",
    strength: "symptom",
    needles: [":nan", ": nan", "=nan", "': nan", ":inf", ": inf", "(nan", "(inf", "finite"],
    pattern:
      /(?:\bloss|grad_norm|pg_loss|vf_loss|kl_loss|ppo_kl|entropy(?:_loss)?|log_prob\w{0,20}|train\/loss)['"]?\s?[:=]\s?(?:tensor\(|(?:np\.)?float\d{0,2}\()?-?(?:nan|inf)\b|grad_norm is not finite|gradient norm is not finite|(?:grad_norm|loss)[^\n:=]{0,12}\bnan\b/i,
    anyLevel: true,
    anywhere: true,
    outlivesSteps: true,
    why: "The metrics of the last steps are NaN or infinite: training has diverged, or updates are skipped.",
    fix: "Lower the learning rate (the profile's), look for broken rows (empty answers, rewards of NaN), use bf16 instead of fp16. Start again from a checkpoint before it.",
  },
  {
    id: "checkpoint-does-not-fit",
    label: "checkpoint_io",
    strength: "cause",
    needles: [
      "size mismatch",
      "missing key(s) in state_dict",
      "unexpected key(s) in state_dict",
      "state_dict",
      "world_size_",
      "checkpoint",
      "pytorchstreamreader",
      "failed finding central directory",
      "global_step_",
      "invalid header or archive",
      "safetensorerror",
      "metadataincompletebuffer",
      "checkpointexception",
      "invalidheaderdeserialization",
      "headertoolarge",
      "ckpt",
      "unpicklingerror",
      "eoferror",
    ],
    pattern:
      /Size mismatch between saved|size mismatch for \S{1,200}|(?:Missing|Unexpected) key\(s\) in state_dict|Missing key in checkpoint state_dict|No such file or directory: '(?<path>[^']{1,400}(?:_world_size_\d+_rank_\d+\.pt|global_step_\d+[^']{0,200}))'|PytorchStreamReader failed|failed finding central directory|invalid header or archive is corrupted|SafetensorError|MetadataIncompleteBuffer|CheckpointException|CheckpointingException|[Cc]heckpoint[^\n]{0,160}(?:not found|does not exist|is corrupt\w{0,4}|is incomplete|missing|different world size|world size mismatch|could not be (?:loaded|saved|read)|failed to (?:load|save)|timed out)|(?:[Ff]ailed|[Ee]rror|[Uu]nable|[Cc]annot|[Cc]ould not)[^\n]{0,40}(?:to )?(?:load|sav|restor|resum|writ|read)\w{0,4}[^\n]{0,60}(?:checkpoint|ckpt|state_dict|optimizer state)|load(?:ing|ed)? state dict .{0,60}(?:different|world.?size)|world_size .{0,60}(?:checkpoint|ckpt)|Ran out of input|_pickle\.UnpicklingError|Unexpected (?:pos|end of file).{0,60}checkpoint/,
    notFrames: /[\\/]datasets[\\/]|get_model_config|AutoConfig|AutoTokenizer|rl_dataset|vllm[\\/]/,
    elseToo: true,
    why: "A checkpoint could not be loaded or written: {path|it is incomplete, of another layout, or of another number of GPUs}.",
    fix: "Resume with the same number of GPUs, the same strategy and model as at saving, from a step whose folder is complete (every rank's files). The newest may have been cut by the crash: name the one before it, or start from scratch.",
  },
  {
    id: "checkpoint-code-raised",
    label: "checkpoint_io",
    strength: "symptom",
    needles: ["error: ", "exception: ", "eoferror", "permission denied", "stale file handle", "input/output error"],
    pattern:
      /^(?:[a-z_][\w.]{0,100}\.)?(?!RayTask|ActorDied|OutOfMemory|ModuleNotFound|Import|DistBackend)[A-Z]\w{0,60}(?:Error|Exception)\b|Stale file handle|Input\/output error|Read-only file system/,
    frames:
      /save_checkpoint|load_checkpoint|checkpoint_manager|dist_checkpointing|torch[\\/]distributed[\\/]checkpoint|torch[\\/]serialization|_save_checkpoint|_load_checkpoint|save_pretrained/,
    notFrames:
      /reward_score|reward_manager|rl_dataset|sft_dataset|from_pretrained|[\\/]vllm[\\/]|[\\/]sglang[\\/]|update_actor|compute_log_prob|generate_sequences|flash_attn|cuda/,
    why: "Saving or loading a checkpoint failed.",
    fix: "Read the line: permissions, a full disk or a broken mount of the job directory; for a resume, the same number of GPUs and a complete folder (every rank's files).",
  },
  {
    id: "nvidia-smi-idle",
    label: "hang_unknown",
    strength: "hint",
    needles: ["nvidia-smi "],
    pattern: /^\| NVIDIA-SMI /,
    anywhere: true,
    atEnd: true,
    why: "The log ends with a picture of idle GPUs and shows no error: something waits.",
    fix: "Collect stacks before you stop it (`py-spy dump --pid PID` of the driver and of one worker per node), and see which rank does something else than the others.",
  },
  {
    id: "stack-dump-at-end",
    label: "hang_unknown",
    strength: "hint",
    needles: ["thread ", "current thread 0x"],
    pattern:
      /^Thread (?:0x)?[\da-f]{1,20} \((?:active|idle|most recent call first)[^\n]{0,80}\)|^Current thread 0x[\da-f]{1,20} \(most recent call first\)/,
    atEnd: true,
    why: "The log ends with stacks and shows no error: something waits.",
    fix: "Compare the stacks of all ranks: the one that stands elsewhere is the one that the others wait for.",
  },
];
