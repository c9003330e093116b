#!/usr/bin/env python3
"""verlpool's launcher: what Ray starts for one attempt of a task, and what starts the training (docs/protocol.md, rules 2 and 4).

    python3 -I -S launch.py <job dir>          Python >= 3.10, standard library only, Linux

It promises: an attempt is started at most once, ever (the claim); nothing of it outlives the launcher's outer process; nothing of it runs on
when storage was out of reach for self_fence_s; result.json is written only after the whole process tree is dead.

Two processes. The *outer* one stays in the process group that Ray made and kills; it takes the claim, forwards signals and waits. The *inner*
one is pid 1 of its own PID namespace (else a subreaper) and has three threads beside the main one, which only reaps:
    clock     watches CLOCK_BOOTTIME and kills; never touches storage, so that a hung mount cannot stop it
    storage   beats the lease, looks for `stop`, at the end writes result.json
    pump      copies the driver's output to logs/driver.log and to Ray
/proc is not mounted anew in the namespace: a Ray driver finds its raylet through the process list (measured, Ray 2.60). So the driver gets, in
its namespace, the very pid that /proc shows for it: Ray tells its raylet os.getpid(), and psutil (Ray's uv hook in ray.init) looks it up there.

Exit code: the driver's own, 128+n after signal n; 75 when the claim was lost or a stop was there first (nothing was run and nothing is left
written); 78 when the driver could not be started; 70 when the launcher itself or its storage failed.
"""

import collections
import ctypes
import json
import os
import select
import signal
import stat
import sys
import threading
import time
import traceback
import zlib
from datetime import datetime, timezone

LOST, NOT_STARTED, BROKEN = 75, 78, 70
CLONE_NEWUSER, CLONE_NEWPID = 0x10000000, 0x20000000
SYS_CLONE3 = 435  # one number on every architecture
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
ASK_TO_STOP = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
IN_NAMESPACE = ("pidns", "userns")
MAX_JSON = 64 * 1024
LEASE_BYTES = 256
RESERVE_BYTES, LAST_WORDS = 64 * 1024, 16 * 1024
libc = ctypes.CDLL(None, use_errno=True)


def boottime():
    """Seconds that also run while the machine is suspended, so that a frozen lease is noticed."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def utc_now():
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def say(text):
    """To Ray's job log, best effort: the launcher must not die of a full disk or a closed pipe."""
    try:
        os.write(2, f"verlpool launcher: {text}\n".encode("utf-8", "replace"))
    except OSError:
        pass


# ---------------------------------------------------------------- files


def read_small(path):
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ValueError("not a regular file")
        text = os.read(fd, MAX_JSON + 1)
    finally:
        os.close(fd)
    if len(text) > MAX_JSON:
        raise ValueError("more than 64 KiB")
    return json.loads(text.decode("utf-8"))


def write_all(fd, payload):
    """Returns how many bytes went out and the error that ended it, or None."""
    done = 0
    try:
        while done < len(payload):
            done += os.write(fd, payload[done:])
    except OSError as error:
        return done, error
    return done, None


def write_durably(path, record):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        _, error = write_all(fd, (json.dumps(record) + "\n").encode())
        if error is not None:
            raise error
        os.fsync(fd)
    finally:
        os.close(fd)


def fsync_dir(path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def unlink_quietly(path):
    try:
        os.unlink(path)
    except OSError:
        pass


def reserve(path):
    """Room for the end of an attempt whose own checkpoints fill the disk. Random, for file systems that store zeros nowhere."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        write_all(fd, os.urandom(RESERVE_BYTES))
    finally:
        os.close(fd)


def size_of(path):
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0


def load_attempt(job):
    """attempt.json. OSError = storage trouble: do not claim. Broken content becomes `problem`: claimed, then told as `not_started`."""
    attempt = {"submission_id": os.path.basename(job), "attempt": 0, "argv": [], "env": {}, "cwd": None, "beat_s": 5, "self_fence_s": 30}
    attempt.update({"grace_s": 20, "root": "", "check_paths": [], "allowed_roots": None, "ray_session": None, "problem": None})
    try:
        found = read_small(f"{job}/control/attempt.json")
        if not isinstance(found, dict) or found.get("schema") != 1:
            raise ValueError("is not an object of schema 1; use the launcher that came with the server")
        if found.get("submission_id") != attempt["submission_id"]:
            raise ValueError(f"is of {found.get('submission_id')!r}, not of this directory")
        argv, env = found.get("argv"), found.get("env", {})
        if not isinstance(argv, list) or not argv or not all(isinstance(word, str) and "\0" not in word for word in argv):
            raise ValueError("argv is not a list of words")
        if not isinstance(env, dict) or not all(isinstance(value, str) for value in env.values()):
            raise ValueError("env is not a map of texts")
        for key in ("beat_s", "self_fence_s", "grace_s"):
            if not isinstance(found.get(key), (int, float)) or not 0 < found[key] < 1e6:
                raise ValueError(f"{key} is not a number of seconds")
        attempt.update(found)
    except ValueError as error:
        attempt["problem"] = f"control/attempt.json {error}"
    return attempt


def take_claim(control, claim):
    """True iff this process owns the one right to start the attempt: decided by the link count, since NFS may answer EEXIST to the winner."""
    temp = f"{control}/.claim.{claim['nonce']}"
    try:
        write_durably(temp, claim)
        try:
            os.link(temp, f"{control}/claim")
        except OSError:
            pass
        won = os.stat(temp).st_nlink == 2
        if won:
            fsync_dir(control)
        return won
    finally:
        unlink_quietly(temp)


def write_result(job, nonce, result):
    temp = f"{job}/.result.{nonce}"
    try:
        write_durably(temp, result)
        os.rename(temp, f"{job}/result.json")
        fsync_dir(job)
    except OSError:
        unlink_quietly(temp)
        raise


def result_record(attempt, claim, **fields):
    record = {"schema": 1, "submission_id": attempt["submission_id"], "attempt": attempt["attempt"], "nonce": claim["nonce"]}
    record.update({"outcome": "exited", "exit_code": None, "signal": None, "stop_why": None, "oom_kill": False, "started_at": claim["at"]})
    record.update({"ended_at": utc_now(), "duration_ms": 0, "log_bytes": 0, "metrics_bytes": 0, "error": None})
    return {**record, **fields}


def stray_path(attempt):
    """Why a checked path may not be read by this attempt, or None: a link may have been swapped since the server looked."""
    roots = attempt["allowed_roots"] or [f"{attempt['root']}/common"]
    allowed = [os.path.realpath(root) for root in roots]
    for path in attempt["check_paths"] or []:
        real = os.path.realpath(path)
        if not any(real.startswith(root.rstrip("/") + "/") for root in allowed):
            return f"{path} leads to {real}, which is outside of the allowed directories ({', '.join(roots)})"
        if not os.path.exists(real):
            where = "" if real == path else f" (it leads to {real})"
            return f"{path} does not exist on this node{where}: it was removed, or the shared storage is not mounted here"
    return None


def oom_kills():
    """The kernel's count of OOM kills in our memory cgroup (v2, v1), or None where it can't be read."""
    candidates = []
    try:
        with open("/proc/self/cgroup", encoding="utf-8") as lines:
            for line in lines:
                _, controllers, path = line.rstrip("\n").split(":", 2)
                if "memory" in controllers.split(","):
                    candidates += [f"/sys/fs/cgroup/memory{path}/memory.oom_control", "/sys/fs/cgroup/memory/memory.oom_control"]
                elif controllers == "":
                    candidates += [f"/sys/fs/cgroup{path}/memory.events", "/sys/fs/cgroup/memory.events"]
    except (OSError, ValueError):
        return None
    for candidate in candidates:
        try:
            with open(candidate, encoding="utf-8") as lines:
                for line in lines:
                    if line.startswith("oom_kill "):
                        return int(line.split()[1])
        except (OSError, ValueError):
            continue
    return None


# ---------------------------------------------------------------- containment


def enter_namespace(flags):
    uid, gid = os.geteuid(), os.getegid()
    if libc.unshare(flags) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    if flags & CLONE_NEWUSER:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)


def can_enter(flags):
    """Tried in a child, since a half-done user namespace (maps refused) can't be left again."""
    child = os.fork()
    if child == 0:
        try:
            enter_namespace(flags)
            first = os.fork()
            os._exit(0 if first == 0 else min(1, os.waitpid(first, 0)[1]))
        except BaseException:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def fork_with_visible_pid():
    """fork(), but the child's pid in this namespace is the one that /proc, mounted outside of it, shows. The next pid out there can only be
    guessed, so it is tried until a guess holds; a plain fork where clone3 is refused. Only for a process without threads."""
    guess = int(os.readlink("/proc/self")) + 1
    for _ in range(200):
        seen_r, seen_w = os.pipe()
        wanted = ctypes.c_int32(guess)
        args = (ctypes.c_uint64 * 10)(0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, ctypes.addressof(wanted), 1)
        child = libc.syscall(SYS_CLONE3, ctypes.byref(args), ctypes.c_size_t(ctypes.sizeof(args)))
        if child == 0:
            seen = int(os.readlink("/proc/self"))
            os.write(seen_w, b"%d" % seen)
            if seen == os.getpid():
                return 0
            os._exit(0)
        os.close(seen_w)
        seen = int(os.read(seen_r, 32) or b"0") if child > 0 else 0
        os.close(seen_r)
        if child < 0:
            break
        if seen == guess:
            return child
        os.waitpid(child, 0)
        guess = seen + 1
    return os.fork()


def contain():
    """Enters the strongest containment that this container allows, for the next fork; returns its name for the claim."""
    for name, flags in (("pidns", CLONE_NEWPID), ("userns", CLONE_NEWUSER | CLONE_NEWPID)):
        if can_enter(flags):
            enter_namespace(flags)
            return name
    return "group" if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0 else "none"


def group_members(submission_id):
    """Without a namespace: living descendants of this process, and every process that carries the attempt's tag. Never an ancestor of ours,
    since Ray's JobSupervisor carries the tag too."""
    tag = f"\0VERLPOOL_ATTEMPT={submission_id}\0".encode()
    parents, alive, tagged = {}, set(), set()
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                state, parent = file.read().rpartition(b")")[2].split()[:2]
            parents[pid] = int(parent)
            if state in (b"Z", b"X"):
                continue
            alive.add(pid)
            with open(f"/proc/{pid}/environ", "rb") as file:
                if tag in b"\0" + file.read() + b"\0":
                    tagged.add(pid)
        except OSError:
            continue  # ended meanwhile, or another user's
    me, spared = os.getpid(), set()
    pid = me
    while pid > 0 and pid not in spared:
        spared.add(pid)
        pid = parents.get(pid, 0)

    def descends(pid):
        while pid in parents and pid != me:
            pid = parents[pid]
        return pid == me

    return [pid for pid in alive - spared if pid in tagged or descends(pid)]


def kill_tree(containment, submission_id, number):
    """KILL to -1 reaches all but pid 1 of its own namespace; outside of one it would reach the whole machine."""
    targets = [-1] if containment in IN_NAMESPACE else group_members(submission_id)
    for target in targets:
        try:
            os.kill(target, number)
        except (ProcessLookupError, PermissionError):
            pass


# ---------------------------------------------------------------- the inner process


class Inner:
    """Runs the driver of one claimed attempt to its end; run() returns the exit code."""

    def __init__(self, job, attempt, claim, life, oom_before):
        self.job, self.attempt, self.claim, self.life, self.oom_before = job, attempt, claim, life, oom_before
        self.containment, self.submission_id = claim["containment"], attempt["submission_id"]
        self.self_fence_s, self.grace_s = attempt["self_fence_s"], attempt["grace_s"]
        # For the last bytes of the log. Without a namespace an escaped process may hold the pipe open for ever.
        self.pump_join_s = min(5, self.self_fence_s)
        # Re-entrant: a signal handler may interrupt the main thread while it holds the lock.
        self.lock, self.kick, self.gone = threading.RLock(), threading.Event(), threading.Event()
        self.began = self.last_beat = boottime()
        self.started_at, self.reason, self.problem = claim["at"], None, attempt["problem"]
        self.ready = self.launched = self.driver_over = False
        self.status, self.gone_at, self.threads = None, 0.0, {}
        self.lease, self.trouble, self.log_lost, self.log_error = None, "none", 0, None
        self.notes, self.sayings = collections.deque(maxlen=1000), collections.deque(maxlen=1000)
        self.grown, self.reserve = (0, 0), f"{job}/control/reserve"

    def note(self, text):
        """Queued: written by the main thread (Ray's log) and by the storage thread (launcher.log), never by the clock."""
        self.notes.append(f"{utc_now()} {text}\n")
        self.sayings.append(text)

    def wake(self):
        try:
            os.write(self.wake_w, b"w")
        except BlockingIOError:
            pass

    def ask(self, outcome, stop_why, text):
        """The first reason to end counts; the clock thread acts on it."""
        with self.lock:
            if self.reason is None and not self.driver_over:
                self.reason = (outcome, stop_why, text)
                self.note(f"ending the driver: {text}")
        self.kick.set()
        self.wake()

    def run(self):
        os.setsid()
        in_namespace = self.containment in IN_NAMESPACE
        # Outside of a namespace our own death frees the tree, so there we only get TERM and still kill it.
        libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL if in_namespace else signal.SIGTERM), 0, 0, 0)
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        wake_r, self.wake_w = os.pipe()
        os.set_blocking(wake_r, False)
        os.set_blocking(self.wake_w, False)
        signal.set_wakeup_fd(self.wake_w, warn_on_full_buffer=False)
        for number in ASK_TO_STOP:
            signal.signal(number, lambda n, _: self.ask("stopped", None, f"got {signal.Signals(n).name} (Ray or the node ends this job)"))
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.fork_driver()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ASK_TO_STOP)
        for body in (self.clock, self.storage, self.pump):
            self.threads[body.__name__] = threading.Thread(target=self.guarded, args=(body,), daemon=True)
        for thread in self.threads.values():
            thread.start()
        poll = select.poll()
        poll.register(wake_r, select.POLLIN)
        poll.register(self.life, 0)
        while not self.tree_is_gone():
            if any(fd == self.life for fd, _ in poll.poll(200)):
                poll.unregister(self.life)
                self.ask("stopped", None, "the launcher's outer process died")
            try:
                os.read(wake_r, 4096)
            except BlockingIOError:
                pass
            self.release_driver()
            self.drain_sayings()
        self.gone_at = boottime()
        self.gone.set()
        self.threads["storage"].join(self.self_fence_s + 2 * self.pump_join_s)
        self.drain_sayings()
        return self.exit_code()

    def guarded(self, body):
        try:
            body()
        except BaseException:
            say(f"the {body.__name__} thread failed, so the attempt ends:\n{traceback.format_exc()}")
            os._exit(BROKEN)

    def drain_sayings(self):
        while self.sayings:
            say(self.sayings.popleft())

    # -- driver

    def fork_driver(self):
        """Forked before any thread exists and held before exec, so that the driver starts only after the first beat reached storage."""
        (self.out_r, out_w), (go_r, self.go_w), (self.exec_r, exec_w) = os.pipe(), os.pipe(), os.pipe()
        env = {**os.environ, **self.attempt["env"], "VERLPOOL_ATTEMPT": self.submission_id}
        self.driver = fork_with_visible_pid() if self.containment in IN_NAMESPACE else os.fork()
        if self.driver == 0:
            try:
                os.setsid()
                libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
                signal.set_wakeup_fd(-1)
                for number in (*ASK_TO_STOP, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):
                    signal.signal(number, signal.SIG_DFL)
                signal.pthread_sigmask(signal.SIG_SETMASK, ())
                for fd in (self.go_w, self.life, self.out_r, self.exec_r):
                    os.close(fd)
                if os.read(go_r, 1) != b"g":
                    os._exit(127)
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                os.dup2(out_w, 1)
                os.dup2(out_w, 2)
                if os.readlink("/proc/self") != str(os.getpid()):
                    env.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")  # the hook would not find its own process and fail ray.init
                os.chdir(self.attempt["cwd"] or self.job)
                os.execvpe(self.attempt["argv"][0], self.attempt["argv"], env)
            except BaseException as error:
                os.write(exec_w, f"could not start {self.attempt['argv'][:1]}: {error}".encode("utf-8", "replace")[:4000])
                os._exit(127)
        for fd in (out_w, go_r, exec_w):
            os.close(fd)

    def release_driver(self):
        if self.go_w is None or not (self.ready or self.reason or self.problem):
            return
        if self.reason is None and self.problem is None:
            self.launched, self.started_at = True, utc_now()
            self.note(f"driver started: {self.attempt['argv'][0]} ({self.containment})")
            try:
                os.write(self.go_w, b"g")
            except BrokenPipeError:
                pass  # killed while it was held (Ray's TERM goes to every process of a job); it is reaped as any other end
        os.close(self.go_w)
        self.go_w = None

    def tree_is_gone(self):
        """Reaps; true when no child is left. Every orphan is ours: pid 1 and subreapers inherit them."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return self.containment in IN_NAMESPACE or not group_members(self.submission_id)
            if pid == 0:
                return False
            if pid == self.driver:
                self.driver_ended(os.waitstatus_to_exitcode(status))

    def driver_ended(self, code):
        failed = os.read(self.exec_r, 4096)
        if failed:
            self.launched, self.problem = False, failed.decode("utf-8", "replace")
        if -code in ASK_TO_STOP or code - 128 in ASK_TO_STOP:
            # Ray signals every process of a job in no fixed order: our own TERM may be a moment behind the driver's.
            patience = boottime() + 1.0
            while self.reason is None and boottime() < patience:
                time.sleep(0.02)
        with self.lock:
            self.status, self.driver_over = code, True
        if self.launched:
            self.note(f"driver ended: {code if code >= 0 else signal_name(-code)}")
        self.kick.set()

    # -- clock

    def clock(self):
        tick = min(0.5, self.self_fence_s / 10)
        last, kill_at, told = boottime(), float("inf"), False
        while not self.gone.is_set():
            self.kick.wait(tick)
            self.kick.clear()
            now, last_beat = boottime(), self.last_beat
            # The server counts its quarantine from the same last beat: a thawed process has no grace left.
            if now - last > tick + self.self_fence_s:
                self.ask("self_fenced", None, f"this machine or process stood still for {now - last:.1f} s")
                kill_at = min(kill_at, last + self.self_fence_s + self.grace_s)
            if now - last_beat > self.self_fence_s:
                self.ask("self_fenced", None, f"no beat reached storage for {now - last_beat:.1f} s (last error: {self.trouble})")
                kill_at = min(kill_at, last_beat + self.self_fence_s + self.grace_s)
            last = now
            if self.reason is None and not self.driver_over:
                continue
            if not told:
                told, kill_at = True, min(kill_at, now + self.grace_s)
                kill_tree(self.containment, self.submission_id, signal.SIGTERM)
            if now >= kill_at:
                kill_tree(self.containment, self.submission_id, signal.SIGKILL)

    # -- storage

    def storage(self):
        counter = 0
        while True:
            start, counter = boottime(), counter + 1
            wait, self.trouble = self.attempt["beat_s"], "a write to storage has not returned"
            try:
                self.beat(counter)
                self.last_beat = start
                self.look_for_stop()
                if not self.ready:
                    self.problem = self.problem or stray_path(self.attempt)
                    reserve(self.reserve)
                    self.ready = True
                    self.wake()
                self.flush_notes()
                self.note_growth()
                self.trouble = "none"
            except OSError as error:
                self.trouble, wait = str(error), min(wait, 1)
            if self.gone.is_set():
                if self.finish() or boottime() - self.gone_at > self.self_fence_s:
                    return
                time.sleep(min(wait, 0.5))
            else:
                self.gone.wait(max(0.05, start + wait - boottime()))

    def beat(self, counter):
        path = f"{self.job}/control/lease"
        state = "stopping" if self.reason or self.driver_over else "running"
        text = f"{self.claim['nonce']} {counter:020d} {int(boottime() * 1000)} {state}"
        record = f"{text} {zlib.crc32(text.encode()):08x}".ljust(LEASE_BYTES - 1) + "\n"
        if self.lease is None:
            self.lease = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            os.pwrite(self.lease, record.encode(), 0)
            os.fsync(self.lease)
            # A lease whose name is gone beats for nobody: the server would see it unmoved.
            mine, named = os.fstat(self.lease), os.lstat(path)
            if (mine.st_dev, mine.st_ino) != (named.st_dev, named.st_ino):
                raise OSError(f"{path} is another file now")
        except OSError:
            os.close(self.lease)
            self.lease = None
            raise

    def look_for_stop(self):
        control = f"{self.job}/control"
        if self.reason is not None or "stop" not in os.listdir(control):
            return
        try:
            why = read_small(f"{control}/stop").get("why")
            self.ask("stopped", why, f"verlpool asked for it ({why})")
        except (OSError, ValueError, AttributeError) as error:
            # That it is there is the order; the reason is only for people.
            self.ask("stopped", None, f"verlpool asked for it (control/stop is not readable: {error})")

    def stop_order(self):
        """The `why` of control/stop; None where there is none to read. Ray's TERM comes a moment after verlpool wrote it, sooner than the next look."""
        try:
            return read_small(f"{self.job}/control/stop").get("why")
        except (OSError, ValueError, AttributeError):
            return None

    def flush_notes(self):
        if not self.notes:
            return
        fd = os.open(f"{self.job}/logs/launcher.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        try:
            while self.notes:
                os.write(fd, self.notes.popleft().encode("utf-8", "replace"))
        finally:
            os.close(fd)

    def note_growth(self):
        """When the log and the metrics were how long: what --since and the pace of a run are read from. A record of fixed length, so a reader halves."""
        grown = (size_of(f"{self.job}/logs/driver.log"), size_of(f"{self.job}/logs/metrics.jsonl"))
        if grown == self.grown:
            return
        record = f"{time.time_ns() // 1_000_000:15d} {grown[0]:20d} {grown[1]:20d}\n"
        fd = os.open(f"{self.job}/logs/times", os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            # In its place, also after a record that a full disk cut.
            os.pwrite(fd, record.encode(), os.fstat(fd).st_size // len(record) * len(record))
        finally:
            os.close(fd)
        self.grown = grown

    def finish(self):
        """True when result.json is durable."""
        self.threads["pump"].join(self.pump_join_s)
        unlink_quietly(self.reserve)
        try:
            self.note_growth()
        except OSError as error:
            self.note(f"logs/times could not be written: {error}")
        try:
            write_result(self.job, self.claim["nonce"], self.result())
            return True
        except OSError as error:
            self.note(f"result.json could not be written: {error}")
            return False

    def result(self):
        outcome, stop_why, text = self.reason or ("exited", None, None)
        if self.problem is not None:
            outcome, stop_why, text = "not_started", None, self.problem
        if outcome == "stopped" and stop_why is None:
            stop_why = self.stop_order()
            text = text if stop_why is None else f"verlpool asked for it ({stop_why})"
        code = self.status if self.launched else None
        count = oom_kills()
        killed = code not in (0, None) and None not in (count, self.oom_before) and count > self.oom_before
        if self.log_lost:
            lost = f"{self.log_lost} bytes of driver.log were lost ({self.log_error}); Ray's job log has them"
            text = f"{text}; {lost}" if text else lost
        fields = {"outcome": outcome, "stop_why": stop_why, "error": text, "oom_kill": killed, "started_at": self.started_at}
        fields["exit_code"] = code if code is not None and code >= 0 else None
        fields["signal"] = signal_name(-code) if code is not None and code < 0 else None
        fields["duration_ms"] = int((self.gone_at - self.began) * 1000)
        fields["log_bytes"] = size_of(f"{self.job}/logs/driver.log")
        fields["metrics_bytes"] = size_of(f"{self.job}/logs/metrics.jsonl")
        return result_record(self.attempt, self.claim, **fields)

    def exit_code(self):
        if self.launched:
            return self.status if self.status >= 0 else 128 - self.status
        return NOT_STARTED if self.problem is not None else 128 + signal.SIGTERM

    # -- pump

    def pump(self):
        """Ray's copy first: it is on the node's own disk, and still there when shared storage is full."""
        log, told, unsaid = None, 0, b""
        while True:
            chunk = os.read(self.out_r, 65536)
            if not chunk:
                break
            write_all(1, chunk)
            try:
                if log is None:
                    log = os.open(f"{self.job}/logs/driver.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
                if told != self.log_lost:
                    gap = f"\n[verlpool: {self.log_lost - told} bytes are missing here: {self.log_error}]\n".encode()
                    _, error = write_all(log, gap)
                    told, unsaid = (self.log_lost, b"") if error is None else (told, unsaid)
                done, error = write_all(log, chunk)
            except OSError as failure:
                done, error = 0, failure
            if error is not None:
                self.log_lost, self.log_error = self.log_lost + len(chunk) - done, error.strerror or str(error)
                unsaid = (unsaid + chunk[done:])[-LAST_WORDS:]
        if log is not None and told != self.log_lost:
            # What ended a run stands in its last words: they get the room that was kept.
            unlink_quietly(self.reserve)
            missing = self.log_lost - told - len(unsaid)
            gap = f"\n[verlpool: {missing} bytes are missing here: {self.log_error}]\n".encode() if missing else b""
            _, error = write_all(log, gap + unsaid)
            self.log_lost -= len(unsaid) if error is None else 0
        if log is not None:
            try:
                os.fsync(log)
            except OSError as error:
                self.note(f"driver.log could not be flushed: {error}")


def signal_name(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


# ---------------------------------------------------------------- the outer process


def guard(inner, job, attempt, claim):
    """Forwards signals and waits. When the inner process was killed, finishes its tree and tells the outcome in its place."""

    def forward(number, _):
        try:
            os.kill(inner, number)
        except ProcessLookupError:
            pass  # it has just ended

    for number in ASK_TO_STOP:
        signal.signal(number, forward)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ASK_TO_STOP)
    code = os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1])
    for number in ASK_TO_STOP:
        signal.signal(number, signal.SIG_IGN)
    if code >= 0 and code != BROKEN:
        return code
    while claim["containment"] not in IN_NAMESPACE and group_members(attempt["submission_id"]):
        kill_tree(claim["containment"], attempt["submission_id"], signal.SIGKILL)
        time.sleep(0.05)
    if not os.path.exists(f"{job}/result.json"):
        how = signal_name(-code) if code < 0 else f"exit code {code}"
        text = f"the launcher's inner process ended by {how}; its process tree ended with it"
        try:
            write_result(job, claim["nonce"], result_record(attempt, claim, signal=signal_name(-code) if code < 0 else None, error=text))
        except OSError as error:
            say(f"result.json could not be written: {error}")
    return 128 - code if code < 0 else code


def main(argv):
    if len(argv) != 2 or not os.path.isabs(argv[1]):
        say("usage: launch.py <absolute path of a job directory>")
        return 2
    job = argv[1].rstrip("/")
    control = f"{job}/control"
    try:
        # Listing first revalidates what a network file system cached as "not found".
        taken = {"claim", "stop"} & set(os.listdir(control))
        if taken:
            say(f"nothing is run: {control} already holds {' and '.join(sorted(taken))}")
            return LOST
        attempt = load_attempt(job)
        signal.pthread_sigmask(signal.SIG_BLOCK, ASK_TO_STOP)
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot_id = file.read().strip()
        claim = {"schema": 1, "by": "launcher", "why": None, "nonce": os.urandom(16).hex(), "host": os.uname().nodename}
        claim.update({"node_id": os.environ.get("RAY_NODE_ID"), "agent_incarnation": os.environ.get("VERLPOOL_AGENT_INCARNATION")})
        claim.update({"boot_id": boot_id, "pid": os.getpid(), "containment": contain(), "ray_session": attempt["ray_session"], "at": utc_now()})
        if not take_claim(control, claim):
            say(f"nothing is run: the claim of {attempt['submission_id']} was taken by somebody else")
            return LOST
    except OSError as error:
        say(f"storage trouble before the start, nothing is run: {error}")
        return BROKEN
    life_r, life_w = os.pipe()
    oom_before = oom_kills()
    inner = os.fork()
    if inner == 0:
        try:
            os.close(life_w)
            os._exit(Inner(job, attempt, claim, life_r, oom_before).run())
        except BaseException:
            say(traceback.format_exc())
            os._exit(BROKEN)
    os.close(life_r)
    return guard(inner, job, attempt, claim)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
