import type { Samples } from "./samples-memory.ts";

export const CLUSTER_SAMPLES: Samples = {
  "collective-watchdog": {
    from: "PyTorch 2.8 ProcessGroupNCCL",
    log: `[rank3]:[E419 10:42:28.88 ProcessGroupNCCL.cpp:683] [Rank 3] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=44, OpType=ALLREDUCE, NumelIn=1, NumelOut=1, Timeout(ms)=600000) ran for 600088 milliseconds before timing out.`,
    not: `[rank3]:[I419 10:42:28.88 ProcessGroupNCCL.cpp:683] NCCL watchdog thread started!`,
  },
  "process-group-timeout": {
    from: "PyTorch 2.x TCPStore",
    log: `torch.distributed.DistStoreError: Timed out after 601 seconds waiting for clients. 3/4 clients joined.`,
    not: `INFO:torch.distributed.elastic.agent.server.api:[default] Rendezvous'ing worker group`,
  },
  "rank-aborted": {
    from: "torchrun's table of failures",
    log: `  traceback : Signal 6 (SIGABRT) received by PID 5333`,
    not: `Signal 6 (SIGABRT) received by PID is what NCCL sends`,
  },
  "infiniband-completion-error": {
    from: "NCCL 2.27 net_ib",
    log: `node1:88:99 [3] net_ib.cc:1234 NCCL WARN NET/IB : mlx5_0:1 Got completion from peer 10.0.0.2<4791> with status=12 opcode=0 len=0 vendor err 129`,
    not: `node1:88:99 [3] NCCL INFO NET/IB : Using [0]mlx5_0:1/IB [RO]; OOB eth0:10.0.0.1<0>`,
  },
  "nccl-remote-error": {
    from: "NCCL 2.21",
    log: `ncclRemoteError: A call failed possibly due to a network error or a remote process exiting prematurely.`,
    not: `node1:88:99 [0] NCCL INFO Bootstrap: connection closed by remote peer handled in tests`,
  },
  "no-network-interface": {
    from: "Gloo in PyTorch 2.x",
    log: `RuntimeError: [enforce fail at tensorpipe] Unable to find address for: ib7`,
    not: `NCCL INFO Bootstrap : Using eth0:10.0.0.1<0>, socket interface eth0`,
  },
  "nccl-internal-error": {
    from: "NCCL",
    log: `ncclInternalError: Internal check failed.`,
    not: `ncclInternalErrorCount 0`,
  },
  "address-in-use": {
    from: "CPython bind, in a rollout server",
    log: `OSError: [Errno 98] error while attempting to bind on address ('0.0.0.0', 8000): address already in use`,
    not: `WARNING: Port 8265 is already in use, using 8266 instead`,
  },
  "thread-limit": {
    from: "CPython threading",
    log: `RuntimeError: can't start new thread`,
    not: `pthread_create is called once for each CPU`,
  },
  "disk-full": {
    from: "CPython, in torch.save",
    log: `OSError: [Errno 28] No space left on device: '/private/users/a/jobs/x/checkpoints/global_step_5/actor/model_world_size_8_rank_0.pt'`,
    not: `quota: 500G used of 1T`,
  },
  "stream-writer-short": {
    from: "PyTorch inline_container.cc",
    log: `RuntimeError: [enforce fail at inline_container.cc:595] . unexpected pos 704 vs 598`,
    not: `inline_container.cc is part of PyTorch`,
  },
  "ray-disk-nearly-full": {
    from: "Ray 2.60 file_system_monitor",
    log: `(raylet) [2026-01-02 03:04:05,000 E 77 99] (raylet) file_system_monitor.cc:116: /tmp/ray/session_1 is over 95% full, available space: 12.1 GB; capacity: 900 GB. Object creation will fail if spilling is required.`,
    not: `the node is 95% full of tasks`,
  },
  "verl-gpu-check": {
    from: "verl 0.9 ResourcePoolManager",
    log: `ValueError: Total available GPUs 4.0 is less than total desired GPUs 8`,
    not: `Total available GPUs: 8.0`,
  },
  "placement-group-timeout": {
    from: "vLLM 0.10 ray_utils",
    log: `ValueError: Cannot provide a placement group of placement_group_specs=[{'GPU': 1.0}] within 1800 seconds. See \`ray status\` to make sure the cluster has enough resources.`,
    not: `INFO placement_group is ready: [{'GPU': 1.0, 'CPU': 3}]`,
  },
  "autoscaler-cannot-fulfil": {
    from: "Ray 2.60 autoscaler",
    log: `(autoscaler +1m4s) Error: No available node types can fulfill resource request {'CPU': 24.0, 'GPU': 8.0}. Add suitable node types to this cluster to resolve this issue.`,
    not: `(autoscaler +4s) Resized to 24 CPUs, 8 GPUs: no insufficient resources`,
  },
  "job-supervisor": {
    from: "Ray 2.60 job_manager",
    log: `Job supervisor actor failed to start within 900 seconds. This timeout can be configured by setting the environment variable RAY_JOB_START_TIMEOUT_SECONDS.`,
    not: `job_supervisor.py:180 -- Running entrypoint for job x`,
  },
  "register-center": {
    from: "verl 0.5 single_controller",
    log: `TimeoutError: Failed to get register_center_actor aBcD_register_center in list_named_actors(all_namespaces=True).`,
    not: `(pid=gcs_server) Waiting for register center actor to be ready. Elapsed time: 0 seconds out of 300 seconds`,
  },
  "register-center-awaited": {
    from: "verl 0.3 single_controller/ray/base.py",
    log: `Waiting for register center actor aBc12_register_center to be ready. Elapsed time: 290 seconds out of 300 seconds.
  File "/code/verl/trainer/ppo/ray_trainer.py", line 653, in init_workers`,
    not: `Waiting for register center actor aBc12_register_center to be ready. Elapsed time: 30 seconds out of 300 seconds.`,
  },
  "actor-name-taken": {
    from: "Ray 2.60 actor.py",
    log: `ray.exceptions.ActorAlreadyExistsError: The name vllm_server_0_0 (namespace=x) is already taken. Please use a different name or get the existing actor.`,
    not: `the seat is already taken`,
  },
  "working-dir-upload": {
    from: "Ray 2.60 packaging.py",
    log: `ValueError: Failed to upload working_dir /home/a/code to the Ray cluster: Package size (1765.45MiB) exceeds the maximum size of 512.00MiB.`,
    not: `ray init kwargs: {'runtime_env': {'working_dir': None}}`,
  },
  "node-died": {
    from: "Ray 2.60 GCS",
    log: `The actor died because its node has died. Node Id: 9ca7ebebeb27. The actor's node was terminated unexpectedly: health check failed due to missing too many heartbeats`,
    not: `node health check failed 0 times`,
  },
  "gcs-unreachable": {
    from: "Ray 2.60 core worker",
    log: `[2026-01-02 03:04:05,480 E 11 12] gcs_rpc_client.h:756: Failed to connect to GCS within 60 seconds. GCS may have been killed.`,
    not: `(gcs_server) gcs_server started on head node`,
  },
  "version-of-ray": {
    from: "Ray 2.60 worker.py",
    log: `RuntimeError: Version mismatch: The cluster was started with:`,
    not: `the same Python version is used in all tests`,
  },
  "told-to-stop": {
    from: "torchrun",
    log: `W1130 12:13:49.388000 124326 torch/distributed/elastic/agent/server/api.py:723] Received 15 death signal, shutting down workers`,
    not: `SIGTERM is sent to the group 30 s before the end`,
  },
  "native-crash": {
    from: "faulthandler",
    log: `Fatal Python error: Segmentation fault`,
    not: `faulthandler is on and prints stacks on SIGSEGV`,
  },
  "worker-killed": {
    from: "Ray 2.60 node_manager.cc, of a rank that got SIGKILL",
    log: `(raylet) Worker exit type: SYSTEM_ERROR Worker exit detail: Worker unexpectedly exits with a connection error code 2. End of file. There are some potential root causes. (1) The process is killed by SIGKILL by OOM killer due to high memory usage.`,
    not: `the connection error code 2 of the story had no end of file`,
  },
  "worker-vanished": {
    from: "Ray 2.60 exceptions.py",
    log: `ray.exceptions.ActorDiedError: The actor died unexpectedly before finishing this task.`,
    not: `the worker died unexpectedly in the story, and the hero with it`,
  },
};
