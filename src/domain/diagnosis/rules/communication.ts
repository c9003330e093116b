import type { Rule } from "../rule.ts";

const SLOW =
  "Find the rank that did not come (the one that prints no time-out, or stops first) and look at what it did: an error in its log, a data loader or reward that hangs, a slow disk or GPU. If all are alive, raise the time-out (nccl_timeout, NCCL_TIMEOUT), and see that every rank gets the same number of batches.";
const WIRE =
  "Look at the other ranks first: if one died, its log has the cause. Else check that NCCL_SOCKET_IFNAME / GLOO_SOCKET_IFNAME name the interface that connects the nodes, that no firewall stands between them, and the InfiniBand links (ibstat). It is tried again.";

export const COMMUNICATION: readonly Rule[] = [
  {
    id: "collective-watchdog",
    label: "collective_timeout",
    strength: "symptom",
    needles: [
      "collective operation timeout",
      "watchdog",
      "timed out waiting",
      "wait timeout",
      "timeout after waiting",
      "monitoredbarrier",
      "timed out after",
      "heartbeatmonitor",
      "application timeout caused pair closure",
      "hccl",
      "nccl operations",
      "collective timeout",
    ],
    pattern:
      /due to collective timeout or exception|[Ww]atchdog caught collective operation timeout: Work\w{1,10}\(SeqNum=\d+, OpType=(?<op>\w+).{0,200}?(?:Timeout\(ms\)=(?<limit>\d+))?|terminate called after throwing an instance.{0,200}collective operation timeout|[Ss]ome NCCL operations have failed or timed out|(?:Timed out waiting|Wait timeout|timed out) .{0,60}(?:for (?:recv|send) operation|barrier|all(?:reduce|gather|toall))|Application timeout caused pair closure|monitoredBarrier failed|Ranks? [\d, ]{1,200} ?failed to pass monitoredBarrier|Timed out after \d+ms waiting for (?:clients|recv)|(?:store|socket|wait)\w{0,20}[ :].{0,40}[Tt]imeout after waiting|(?:the )?wait timeout after \d+ms, keys:|Watchdog .{0,80}detected (?:a )?(?:time ?out|hang)|heartbeat monitor timed out|(?:ProcessGroupNCCL's )?watchdog got stuck for \d+ seconds|[Ww]atchdog timeout \(self\.watchdog_timeout|Scheduler watchdog timeout|has been stuck for (?<limit2>\d+) seconds without making progress in monitoring enqueued collectives|HCCL.{0,120}(?:timeout|timed out)|ERR02200 DIST call hccl api failed/,
    anyLevel: true,
    why: "Ranks waited in {op|a collective operation} until the time-out ({limit|set} ms): one of them was late, stuck, or on another path.",
    fix: SLOW,
  },
  {
    id: "process-group-timeout",
    label: "collective_timeout",
    strength: "symptom",
    needles: [
      "storetimeout",
      "diststoreerror",
      "rendezvous",
      "timed out initializing process group",
      "connecttimeout",
      "connection timed out",
    ],
    pattern:
      /DistStoreError: (?:Timed out|wait timeout)|Timed out initializing process group in store based barrier|RendezvousTimeoutError|torch\.distributed\.DistStoreError: .{0,200}clients joined/,
    why: "Not all ranks joined the process group in time.",
    fix: SLOW,
  },
  {
    id: "rank-aborted",
    label: "collective_timeout",
    strength: "consequence",
    needles: ["signal 6 (sigabrt)", "exitcode  : -6", "exitcode: -6"],
    pattern: /traceback : Signal 6 \(SIGABRT\) received by PID|failed \(exitcode: -6\)|exitcode\s{0,4}: -6\b/,
    anyLevel: true,
    why: "All ranks were aborted (SIGABRT), as the NCCL watchdog does after its time-out; the cause stands before this table, or in another rank's log.",
    fix: SLOW,
  },
  {
    id: "infiniband-completion-error",
    label: "comm_network",
    strength: "cause",
    needles: ["net/ib", "ibv_", "got completion from peer", "local qp", "net/ofi"],
    pattern:
      /NET\/IB ?: ?.{0,200}(?:[Gg]ot completion .{0,60}(?:error|status)[= ]\d+|Port .{0,30}down|async .{0,20}event|failed)|Call to ibv_\w+ failed|ibv_\w+ .{0,40}failed with error|NET\/OFI .{0,80}(?:failed|error)/,
    anyLevel: true,
    why: "InfiniBand broke a transfer between two nodes.",
    fix: "Check the link of the node that is named (ibstat, ibdiagnet, cables); set NCCL_IB_HCA to the right ports. It is tried again; if it comes back on one node, drain that node.",
  },
  {
    id: "nccl-remote-error",
    label: "comm_network",
    strength: "symptom",
    needles: [
      "ncclremoteerror",
      "remote process exited",
      "socketprogress",
      "connection reset by peer",
      "connection refused",
      "connection closed by",
      "broken pipe",
      "ncclsystemerror",
      "unhandled system error",
      "socket timeout",
      "no route to host",
      "network is unreachable",
      "socketstartconnect",
      "connection closed by remote peer",
      "connectfullmesh",
      "remote peer",
      "client socket",
      "distnetworkerror",
      "failed to recv",
      "connect to ",
      "call to ",
    ],
    pattern:
      /Net : (?:Connect|Call) to .{0,60}failed|ncclRemoteError: |remote process exited or there was a network error|socket(?:Progress|PollConnect|StartConnect|Finalize)\w{0,20}: .{0,200}(?:failed|Connection|refused|timed out)|NCCL WARN .{0,200}(?:Connection (?:reset|refused|closed|timed out)|Connect to .{0,60}failed|No route to host|Net : Call to \w+ .{0,60}failed|Network is unreachable)|ncclSystemError: |unhandled system error .{0,60}NCCL|Gloo connect\w{0,20} failed|[Cc]onnectFullMesh failed|gloo.{0,200}(?:Connection (?:reset|closed|refused)|[Rr]ead error|Socket (?:closed|Timeout))|Connection closed by (?:remote )?peer \[|DistNetworkError: .{0,200}(?:failed to connect|[Cc]onnection (?:refused|reset|timed out)|client socket has (?:failed|timed out))|client socket has (?:failed to connect|timed out)|failed to recv, got 0 bytes|Connection reset by peer|No route to host|Network is unreachable/,
    anyLevel: true,
    why: "A connection between ranks was closed, reset or could not be made.",
    fix: WIRE,
  },
  {
    id: "no-network-interface",
    label: "comm_network",
    strength: "cause",
    needles: ["socket interface", "no interface found", "unable to find address for", "bootstrap :"],
    pattern:
      /Bootstrap : (?:no socket interface found|[^\n]{0,60}no [^\n]{0,20}interface)|Unable to find address for: (?<nic>\S{1,40})|No interface found in the same subnet/,
    anyLevel: true,
    why: "NCCL or Gloo was told a network interface ({nic|NCCL_SOCKET_IFNAME}) that this node does not have.",
    fix: "Set NCCL_SOCKET_IFNAME and GLOO_SOCKET_IFNAME to the interface that each node really has (`ip -br addr`), in the pool's environment.",
  },
  {
    id: "nccl-internal-error",
    label: "comm_network",
    strength: "consequence",
    needles: ["ncclinternalerror", "ncclunhandledcudaerror", "distbackenderror"],
    pattern: /ncclInternalError: |DistBackendError: NCCL error in: .{0,200}internal error/,
    why: "NCCL failed without saying why.",
    fix: "Run once with NCCL_DEBUG=INFO and read the lines with NCCL WARN. Look at the other ranks' logs for an earlier error.",
  },
  {
    id: "address-in-use",
    label: "port_in_use",
    strength: "cause",
    needles: ["eaddrinuse", "address already in use", "already in use", "free port"],
    pattern:
      /EADDRINUSE|[Aa]ddress already in use(?!, trying|\. Trying)|[Pp]ort (?<port>\d{2,5}) (?:is |was )?already (?:in use|taken|allocated)(?!.{0,40}(?:instead|trying|using))|server socket has failed to (?:listen|bind)|[Cc]ould not find (?:a )?free port|No free port/,
    why: "A port ({port|see the line}) that this process wanted to listen on was taken: by another engine of the same run that picked it at the same moment, or by an earlier run.",
    fix: "It is tried again, which mostly helps. If it repeats, look for what holds the port on that node (ss -ltnp), or give the engines ports that don't overlap.",
  },
];
