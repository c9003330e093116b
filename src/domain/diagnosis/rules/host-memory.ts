import type { Rule } from "../rule.ts";

const FIX =
  "Use nodes with more RAM, or a profile that keeps less in host memory: no param_offload/optimizer_offload, fewer data workers, fewer CPU-side caches, a smaller batch. On Kubernetes raise the container's memory limit.";

export const HOST_MEMORY: readonly Rule[] = [
  {
    id: "ray-memory-monitor",
    label: "host_oom",
    strength: "cause",
    needles: ["running low on memory", "outofmemoryerror", "memory usage threshold", "memory pressure"],
    pattern:
      /[Ww]orkers \(tasks \/ actors\) killed due to memory pressure \(OOM\)|(?:worker\(s\) were|[Tt]ask was|[Aa]ctor was|[Ww]orker was) killed due to the node running low on memory|ray\.exceptions\.OutOfMemoryError|Memory on the node .{0,400}memory used=(?<used>[\d.]+ ?[KMGT]B).{0,100}exceeds the memory usage threshold/,
    anyLevel: true,
    why: "The node's memory was nearly full, so Ray's memory monitor killed a worker.",
    fix: `${FIX} The lines after it in the log name the ten biggest processes.`,
  },
  {
    id: "kernel-oom-kill",
    label: "host_oom",
    strength: "cause",
    needles: [
      "oom-kill",
      "oom_kill",
      "out of memory: kill",
      "oomkilled",
      "oom killer",
      "cgroup out-of-memory",
      "memory cgroup out of memory",
      "killed due to memory usage",
      "detected 1 oom",
    ],
    pattern:
      /oom-kill:constraint=|[Oo]ut of memory: Kill(?:ed)? process \d+(?: \((?<process>[^)]{1,80})\))?|Memory cgroup out of memory|invoked oom-killer|\bOOMKilled\b|[Dd]etected \d+ (?:oom[-_]kill|oom_kill) event|killed by the cgroup out-of-memory handler|(?:was|been) killed by (?:the )?(?:kernel )?OOM killer/,
    anyLevel: true,
    why: "The kernel killed process {process|of this run}: the host or the container had no memory left.",
    fix: FIX,
  },
  {
    id: "cpu-allocation-failed",
    label: "host_oom",
    strength: "cause",
    needles: ["allocate memory", "cannot allocate memory", "memoryerror", "std::bad_alloc", "unable to allocate", "defaultcpuallocator"],
    pattern:
      /DefaultCPUAllocator: (?:can't allocate memory|not enough memory)|\[Errno 12\] Cannot allocate memory|^(?:[\w.]{0,60}\.)?(?:_Array)?MemoryError\b|Unable to allocate [\d.]+ [KMGT]iB for an array|std::bad_alloc|(?:fork|mmap|malloc)\w{0,10}(?:\(\))?: Cannot allocate memory/,
    why: "The host refused memory to a process.",
    fix: FIX,
  },
  {
    id: "shm-full",
    label: "shm_too_small",
    strength: "cause",
    needles: ["/dev/shm", "</torch_", "shared memory", "(shm)", "bus error", "shm_open", "posix_fallocate", "nccl-shm"],
    pattern:
      /(?:failed to extend|Error while creating shared memory segment|posix_fallocate failed|unable to (?:create|open|resize|write)|No space left on device|not enough space|insufficient).{0,200}\/dev\/shm|\/dev\/shm.{0,200}(?:No space left on device|not enough space|insufficient|is full|too small)|insufficient shared memory \(shm\)|unable to (?:open|write to|resize) (?:file <\/torch_|shared memory object)|Shared memory .{0,30}(?:exhausted|is full)|out of shared memory|NCCL WARN .{0,80}(?:shm_open|posix_fallocate|shared memory segment)|(?:creating|attaching to|opening) shared memory segment|Call to (?:shm_open|posix_fallocate) failed|nccl-shm-\w{1,20}|object store size \(.{1,30}\) exceeds \/dev\/shm size|[Uu]nexpected bus error encountered in worker|DataLoader worker \(pid.{1,60}?\) is killed by signal: Bus error/,
    anyLevel: true,
    why: "Shared memory (/dev/shm) is too small for what PyTorch, NCCL or Ray put into it.",
    fix: "Give the container more: `docker run --shm-size=64g` or `--ipc=host`; on Kubernetes mount an emptyDir with `medium: Memory` at /dev/shm. Check with `df -h /dev/shm` on the node.",
  },
  {
    id: "ray-dev-shm-small",
    label: "shm_too_small",
    strength: "hint",
    needles: ["/dev/shm has only", "/tmp instead of /dev/shm"],
    pattern: /object store is using \/tmp instead of \/dev\/shm because \/dev\/shm has only (?<room>\d+) bytes/,
    anyLevel: true,
    anywhere: true,
    atEnd: true,
    why: "/dev/shm has only {room|few} bytes, so Ray put its object store on a disk.",
    fix: "Give the container more shared memory (`--shm-size`, or an emptyDir with `medium: Memory` at /dev/shm).",
  },
  {
    id: "object-store-full",
    label: "shm_too_small",
    strength: "cause",
    needles: ["objectstorefullerror", "object store is full", "in object store because"],
    pattern:
      /ObjectStoreFullError|The local object store is full of objects that are still in\b|Failed to put object .{0,80}in object store because it is full/,
    why: "Ray's object store (in /dev/shm) is full of objects that are in use.",
    fix: "Give Ray a bigger object store (--object-store-memory, and a /dev/shm that holds it), or a smaller batch.",
  },
  {
    id: "sigkill-of-a-rank",
    label: "host_oom",
    strength: "consequence",
    needles: [
      "exitcode: -9",
      "signal 9 (sigkill)",
      "exitcode  : -9",
      "exit code 137",
      "exit code -9",
      "exitcode 137",
      "signal: 9",
      " killed",
      "sigkill",
      "signal 9",
      "killed",
      "exitcode :",
      "with code 137",
      "code: 137",
      "code: -9",
    ],
    pattern:
      /failed \(exitcode: -9\)|exitcode\s{0,4}: -9\b|Signal 9 \(SIGKILL\) received by PID|exit(?:ed with)? code:? (?:137|-9)\b|died from signal 9|terminated (?:by|with) signal (?:9|SIGKILL)|^\S{1,200}: line \d+:\s{1,8}\d+ Killed\b|^Killed$|DataLoader worker \(pid.{1,60}?\) is killed by signal: Killed|Worker exit type: .{0,300}exit code 137/,
    anyLevel: true,
    why: "A process was killed with SIGKILL, which nothing in this log explains: most often that is the kernel, for want of host memory.",
    fix: `Look at the node's kernel log for "Out of memory" (dmesg -T). If it is there: ${FIX}`,
  },
];
