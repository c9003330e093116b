/** Messages as the programs print them, some cut: the label and the log. */
export const CLUSTER_MESSAGES: readonly (readonly [label: string, log: string])[] = [
  ["gpu_shortage", "ValueError: Total available GPUs 0 is less than total desired GPUs 8"],
  ["gpu_shortage", "ValueError: Resource pool global_pool: 8*2cannot be satisfied in this ray cluster"],
  [
    "gpu_shortage",
    "(main_task pid=1) ValueError: Total available GPUs 7.0 is less than total desired GPUs 8\nSet the environment variable HYDRA_FULL_ERROR=1",
  ],
  [
    "placement_pending",
    "INFO 03-04 01:02:03 [ray_utils.py:233] Waiting for creating a placement group of specs for 1280 seconds. specs=[{'node:10.0.0.1': 0.001, 'GPU': 1.0}]. Check `ray status` and `ray list nodes` to see if you have enough resources, and make sure the IP addresses used by ray cluster are the same as VLLM_HOST_IP environment variable specified in each node if you are running on a multi-node.",
  ],
  [
    "placement_pending",
    "(raylet) Warning: The following resource request cannot be scheduled right now: {'CPU': 1.0}. This is likely due to all cluster resources being claimed by actors. Consider creating fewer actors or adding more nodes to this Ray cluster.",
  ],
  [
    "placement_pending",
    "ray.exceptions.ActorUnschedulableError: The actor is not schedulable: The node specified via NodeAffinitySchedulingStrategy doesn't exist any more or is infeasible, and soft=False was specified.",
  ],
  [
    "placement_pending",
    "Training Progress:   0%|          | 0/10\n(autoscaler +23m24s) Warning: The following resource request cannot be scheduled right now: {'GPU': 1.0, 'CPU': 10.0}",
  ],
  [
    "placement_pending",
    "(autoscaler +1h) Error: No available node types can fulfill resource request {'GPU': 8.0}. Add suitable node types to this cluster to resolve this issue.",
  ],
  ["ray_job_failed", "Job supervisor actor could not be scheduled: The actor is not schedulable: something"],
  ["ray_job_failed", "RuntimeError: Failed to start supervisor actor raysubmit_x: 'The actor died'. Full traceback:"],
  ["ray_job_failed", "Job 'x' failed\nStatus message: Job supervisor actor died: The actor died unexpectedly before finishing this task."],
  [
    "register_center_failed",
    "AssertionError: failed to get register_center_actor: 0ZjLxf_register_center in [{'name': 'x', 'namespace': 'y'}]",
  ],
  [
    "register_center_failed",
    "ValueError: Failed to look up actor with name 'abc_register_center'. This could because 1. You are trying to look up a named actor you didn't create.",
  ],
  [
    "register_center_failed",
    "TimeoutError: Failed to get register_center_actor with name XYZ_register_center in list_named_actors(all_namespaces=True)=[]. Ensure Ray resources from previous runs are cleaned up or set trainer.ray_wait_register_center_timeout",
  ],
  [
    "runtime_env_failed",
    "ray.exceptions.RuntimeEnvSetupError: Failed to set up runtime environment.\nCould not create the actor because its associated runtime env failed to be created.",
  ],
  ["runtime_env_failed", "runtime_env setup failed: Failed to install pip requirements"],
  ["runtime_env_failed", "ValueError: Invalid working_dir: /home/x is not a valid directory, it does not exist"],
  ["runtime_env_failed", "RuntimeError: Failed to unpack package for URI 'gcs://_ray_pkg_123.zip'"],
  [
    "node_lost",
    "(raylet, ip=10.0.0.1) [2022-10-28 10:07:32,236 E 81604 81646] (raylet) agent_manager.cc:134: The raylet exited immediately because the Ray agent failed. The raylet fate shares with the agent.",
  ],
  ["node_lost", "The actor is dead because its node has died. Node Id: 2eea4cfb179c"],
  [
    "node_lost",
    "2022-10-17 12:23:49,079 WARNING worker.py:1829 -- The node with node id: a5f8c09ad944 and address: 10.132.0.6 and node name: 10.132.0.6 has been marked dead because the detector has missed too many heartbeats from it. This can happen when a \t(1) raylet crashes unexpectedly (OOM, etc.)",
  ],
  [
    "node_lost",
    "ray.exceptions.NodeDiedError: Task failed because the node it was running on is dead or unavailable. Node IP: 127.0.0.1, node ID: e55b8ca0.",
  ],
  [
    "node_lost",
    "slurmstepd: error: *** JOB 123 ON node7 CANCELLED AT 2025-01-01T00:00:00 DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS ***",
  ],
  [
    "node_lost",
    "(raylet) The node with node id: abc and address: 1.2.3.4 and node name: 1.2.3.4 has been marked dead because the detector has missed too many heartbeats from it.",
  ],
  [
    "node_lost",
    "ray.exceptions.ActorDiedError: The actor died unexpectedly before finishing this task.\n\tclass_name: WorkerDict\nThe actor died because its node has died. Node Id: abc.\n\tthe actor's node was terminated unexpectedly: received SIGTERM",
  ],
  [
    "node_lost",
    "(raylet) Raylet is terminated. Termination is unexpected. Possible reasons include: (1) SIGKILL by the user or system OOM killer, (2) Invalid memory access from Raylet causing SIGSEGV or SIGBUS",
  ],
  [
    "node_lost",
    "ray.exceptions.ActorDiedError: The actor died unexpectedly before finishing this task.\nThe actor died because its node has died. Node Id: abc",
  ],
  [
    "head_lost",
    "[2025-01-01 00:00:00,000 E 1 2] gcs_rpc_client.h:179: Failed to connect to GCS at address 10.0.0.1:6379 within 5 seconds.",
  ],
  [
    "head_lost",
    "ConnectionError: Could not find any running Ray instance. Please specify the one to connect to by setting `--address` flag or `RAY_ADDRESS` environment variable.",
  ],
  [
    "head_lost",
    "[2025-01-01 00:00:00,000 C 77 88] (raylet) gcs_client.cc: Failed to connect to GCS within 60 seconds. GCS may have been killed. It's either GCS is terminated by `ray stop` or is killed unexpectedly.",
  ],
  ["head_lost", "RuntimeError: Failed to connect to the head node: ray.util.state.exception"],
  [
    "worker_crash_unknown",
    "(raylet) A worker died or was killed while executing a task by an unexpected system error. To troubleshoot the problem, check the logs for the dead worker. Worker exit type: SYSTEM_ERROR",
  ],
  ["worker_crash_unknown", "*** SIGSEGV received at time=1712 on cpu 22 ***\nPC: @     0x7f  (unknown)  c10::cuda"],
  ["worker_crash_unknown", "RuntimeError: DataLoader worker (pid(s) 1234) exited unexpectedly"],
  [
    "worker_crash_unknown",
    "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace (above) for the root cause.",
  ],
  [
    "worker_crash_unknown",
    "ray.exceptions.WorkerCrashedError: The worker died unexpectedly while executing this task. Check python-core-worker-*.log files for more information.",
  ],
  ["worker_crash_unknown", "Fatal Python error: Aborted\nThread 0x00 (most recent call first):"],
  [
    "worker_crash_unknown",
    "ray.exceptions.ActorUnavailableError: The actor abc is unavailable: The actor is temporarily unavailable: RpcError: RPC error: Socket closed",
  ],
  ["interrupted", "slurmstepd: error: *** JOB 123 ON node7 CANCELLED AT 2025-01-01T00:00:00 DUE TO TIME LIMIT ***"],
  ["interrupted", 'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\nKeyboardInterrupt'],
  ["interrupted", "torch.distributed.elastic.multiprocessing.api.SignalException: Process 4242 got signal: 15"],
  ["interrupted", "Job 'x' was stopped\nStatus message: Job was intentionally stopped."],
  ["interrupted", "*** SIGTERM received at time=1795516207 on cpu 1 ***\nray.exceptions.ActorDiedError: x"],
  ["interrupted", "[2025-01-01 00:00:00,000 E 528 528] logging.cc:474: *** SIGTERM received at time=1795516207 on cpu 1 ***"],
  [
    "collective_timeout",
    "[rank1]:[E ProcessGroupNCCL.cpp:1413] [PG 0 Rank 1] ProcessGroupNCCL's watchdog got stuck for 600 seconds without making progress in monitoring enqueued collectives.",
  ],
  [
    "collective_timeout",
    "torch.distributed.DistBackendError: [1] is setting up NCCL communicator and retrieving ncclUniqueId from [0] via c10d key-value store by key '0', but store->get('0') got error: wait timeout after 600000ms, keys: /default_pg/0//cuda//1",
  ],
  ["collective_timeout", "torch.distributed.DistStoreError: Timed out after 1801 seconds waiting for clients. 1/2 clients joined."],
  [
    "collective_timeout",
    "RuntimeError: [../third_party/gloo/gloo/transport/tcp/unbound_buffer.cc:81] Timed out waiting 1800000ms for recv operation to complete",
  ],
  [
    "collective_timeout",
    "[rank0]:[E ProcessGroupNCCL.cpp:607] [Rank 0] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=1, OpType=_ALLGATHER_BASE",
  ],
  ["collective_timeout", "RuntimeError: [Rank 0]: Ranks 1 failed to pass monitoredBarrier in 1800000 ms"],
  ["collective_timeout", "TimeoutError: [SGLang] Watchdog timeout (self.watchdog_timeout=300)\nScheduler watchdog timeout"],
  [
    "collective_timeout",
    "[rank2]:[E ProcessGroupNCCL.cpp:629] [Rank 2] Some NCCL operations have failed or timed out. Due to the asynchronous nature of CUDA kernels, subsequent GPU operations might run on corrupted/incomplete data.",
  ],
  [
    "collective_timeout",
    "[rank0]:[F ProcessGroupNCCL.cpp:1557] [PG ID 0 PG GUID 0(default_pg) Rank 0] [PG ID 0 PG GUID 0(default_pg) Rank 0] Terminating the process after attempting to dump debug info, due to collective timeout or exception.",
  ],
  ["collective_timeout", "[E OpParamMaker.cpp:286] call aclnnX failed\nRuntimeError: [ERROR] HCCL AllReduce: timeout, wait time 1800s"],
  [
    "collective_timeout",
    "torch.distributed.DistBackendError: NCCL communicator was aborted on rank 3. Original reason for failure was: [Rank 3] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=2, OpType=ALLGATHER",
  ],
  [
    "collective_timeout",
    "[rank4]:[E218 08:10:00 ProcessGroupNCCL.cpp:681] [Rank 4] Work WorkNCCL(SeqNum=3, OpType=_REDUCE_SCATTER_BASE, Timeout(ms)=600000) timed out in blocking wait.",
  ],
  [
    "collective_timeout",
    "RuntimeError: [../third_party/gloo/gloo/transport/tcp/unbound_buffer.cc:133] Timed out waiting 1800000ms for send operation to complete",
  ],
  ["collective_timeout", "torch.distributed.DistBackendError: Timeout waiting for key: default_pg/0/0 after 1800000 ms"],
  [
    "comm_network",
    "torch.distributed.DistBackendError: NCCL error in: ../torch/csrc/distributed/c10d/ProcessGroupNCCL.cpp:1970, unhandled system error (run with NCCL_DEBUG=INFO for details), NCCL version 2.20.5\nncclSystemError: System call (e.g. socket, malloc) or external library call failed or device error.",
  ],
  ["comm_network", "RuntimeError: Connection reset by peer"],
  ["comm_network", "RuntimeError: [../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [10.0.0.1]:12345"],
  ["comm_network", "RuntimeError: Gloo connectFullMesh failed with [../third_party/gloo/gloo/transport/tcp/pair.cc:144] no error"],
  [
    "comm_network",
    "torch.distributed.DistNetworkError: The client socket has timed out after 600s while trying to connect to (10.0.0.1, 29500).",
  ],
  [
    "comm_network",
    "torch.distributed.DistBackendError: NCCL error: remote process exited or there was a network error, NCCL version 2.21.5",
  ],
  ["comm_network", "node:1:2 [0] misc/ibvwrap.cc:113 NCCL WARN Call to ibv_modify_qp failed with error Connection timed out"],
  [
    "comm_network",
    "node:1:2 [0] bootstrap.cc:77 NCCL WARN Message truncated : received 1024 bytes instead of 256\nncclInternalError: Internal check failed.",
  ],
  ["comm_network", "torch.distributed.DistNetworkError: failed to recv, got 0 bytes"],
  [
    "comm_network",
    "RuntimeError: NCCL error in: x.cpp:1269, internal error, NCCL version 2.14.3\nncclInternalError: Internal check failed.\nLast error:\nNet : Connect to 10.0.0.1<44043> failed : Connection timed out",
  ],
  [
    "comm_network",
    "node:7:8 [1] transport/net_ib.cc:1295 NCCL WARN NET/IB : Got completion from peer 10.1.1.1<1234> with error 12, opcode 0, len 0, vendor err 129",
  ],
  [
    "comm_network",
    "RuntimeError: [enforce fail at /pytorch/third_party/gloo/gloo/transport/tcp/device.cc:84] ifa != nullptr. Unable to find address for: eth9",
  ],
  [
    "comm_network",
    "[W socket.cpp:663] [c10d] The client socket has failed to connect to [node0]:29500 (errno: 113 - No route to host).\ntorch.distributed.DistNetworkError: The client socket has timed out after 60000ms while trying to connect to (node0, 29500).",
  ],
  [
    "comm_network",
    "node:7:8 [1] NCCL INFO misc/socket.cc:538 -> 2\nnode:7:8 [1] misc/socket.cc:484 NCCL WARN socketStartConnect: Connect to 172.17.0.3<55443> failed : Software caused connection abort",
  ],
  ["comm_network", "RuntimeError: [Rank 3] NCCL WARN Net : Call to recv from 10.0.0.2<5555> failed : Connection refused"],
  [
    "comm_network",
    "torch.distributed.DistBackendError: NCCL error in: x, remote process exited or there was a network error, NCCL version 2.26.2",
  ],
  ["port_in_use", "OSError: [Errno 98] Address already in use"],
  ["port_in_use", "[E socket.cpp:957] [c10d] The server socket has failed to bind to [::]:29500 (errno: 98 - Address already in use)."],
  [
    "port_in_use",
    "RuntimeError: The server socket has failed to listen on any local network address. The server socket has failed to bind to [::]:29500 (errno: 98 - Address already in use).",
  ],
  ["port_in_use", "zmq.error.ZMQError: Address already in use (addr='tcp://127.0.0.1:5555')"],
  ["port_in_use", "ERROR:    [Errno 98] error while attempting to bind on address ('0.0.0.0', 8000): address already in use"],
  ["port_in_use", "RuntimeError: Port 30000 is already in use. Please choose another port."],
  ["port_in_use", "[Errno 98] error while attempting to bind on address ('::', 45678, 0, 0): address already in use"],
];
