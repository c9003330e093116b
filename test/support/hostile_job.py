"""A user's job that wants other people's secrets: shows all it can read, one way after another, and then says what else its uid would open.

Stands in for verl.trainer.sft_trainer_ray in the code tree of test/real/isolation.test.ts. What it reads goes to its log as it is, so that the test
can look for tokens in it; of what the shared uid opens only the name goes there, never the content. Waits for <root>/common/datasets/release.
"""

import glob
import json
import os
import pathlib
import sqlite3
import sys
import time
import urllib.request

MAX_BYTES = 1 << 20
JOB = pathlib.Path.cwd()
ROOT = JOB.parents[3]
USER = JOB.parents[1].name
OTHER = {"alice": "bob", "bob": "alice"}[USER]


def show(way, name, content):
    sys.stdout.buffer.write(f"\n=== {way} {name}\n".encode() + content[:MAX_BYTES])


def say(word, rest=""):
    """A line of its own. Put together only here: the code tree, with this word in it, is among what is shown."""
    print(f"\n{word} {rest}", flush=True)


def read(path):
    with open(path, "rb") as file:
        return file.read(MAX_BYTES)


def show_files(way, directory):
    count = 0
    for path in sorted(pathlib.Path(directory).rglob("*")):
        # Its own log would repeat itself for ever.
        if path.is_file() and not path.is_symlink() and path != JOB / "logs" / "driver.log":
            show(way, path, read(path))
            count += 1
    say("READ", f"{way} {count}")


def show_processes():
    seen = []
    for directory in glob.glob("/proc/[0-9]*"):
        try:
            words = read(f"{directory}/cmdline")
            show("process", directory, words + b"\n" + read(f"{directory}/environ"))
            seen.append(words.replace(b"\0", b" ").decode("utf-8", "replace")[:200])
        except OSError:
            pass
    say("PROCESSES", json.dumps(seen))


def show_ray():
    import ray
    from ray.experimental import internal_kv

    ray.init(logging_level="error", log_to_driver=False)
    environ = ray.get(ray.remote(num_cpus=0)(lambda: dict(os.environ)).remote())
    show("ray", "worker's environment", json.dumps(environ).encode())
    for namespace in (None, b"job", b"fun", b"session", b"cluster", b"dashboard", b"serve", b"autoscaler"):
        for key in internal_kv._internal_kv_list(b"", namespace=namespace):
            show("ray", f"kv {key!r}", internal_kv._internal_kv_get(key, namespace=namespace) or b"")
    url = ray._private.worker.global_worker.node.address_info["webui_url"]
    with open(os.environ["RAY_AUTH_TOKEN_PATH"], encoding="ascii") as file:
        token = file.read().strip()
    read_count = 0
    for path in ("/api/jobs/", "/api/version", "/nodes?view=summary", "/api/v0/nodes?detail=true", "/api/cluster_status", "/logical/actors", "/events"):
        request = urllib.request.Request(f"http://{url}{path}", headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            show("ray", path, answer.read(MAX_BYTES))
            read_count += 1
    say("READ", f"ray {read_count}")
    ray.shutdown()


def opens(what, test):
    """Whether the uid that all jobs share gets there; nothing of what is found is shown."""
    try:
        return [what] if test() else []
    except (OSError, sqlite3.Error):
        return []


def reads(pattern, mode=os.R_OK):
    return lambda: any(os.access(path, mode) and (os.path.isdir(path) or len(read(path)) > 0) for path in glob.glob(str(pattern)))


def users_of_database():
    paths = glob.glob(str(ROOT / "common/db/*.sqlite3"))
    database = sqlite3.connect(f"file:{paths[0]}?mode=ro", uri=True, timeout=5)
    return len(database.execute("select hash from tokens").fetchall()) > 0


def name_what_is_open():
    found = []
    found += opens("other users' job directories", reads(ROOT / f"users/{OTHER}/jobs/*/config/spec.yaml"))
    found += opens("writing other users' job directories", reads(ROOT / f"users/{OTHER}/jobs/*/control", os.W_OK))
    found += opens("the database", users_of_database)
    found += opens("run/admin.token", reads(ROOT / "run/admin.token"))
    found += opens("run/verlpool.yaml", reads(ROOT / "run/verlpool.yaml", os.W_OK))
    found += opens("Ray's cluster token", reads(os.environ["RAY_AUTH_TOKEN_PATH"]))
    found += opens("head.json", reads(ROOT / "ray/discovery/*/head.json", os.W_OK))
    found += opens("the launcher", reads(ROOT / "common/verlpool/launcher", os.W_OK))
    found += opens("the server's process", lambda: any(b"src/main/cli" in read(f"{one}/cmdline") for one in glob.glob("/proc/[0-9]*")))
    say("OPENS", json.dumps(found))


def main():
    show("environment", "of the driver", b"\n".join(f"{name}={value}".encode() for name, value in os.environ.items()))
    show_processes()
    show_files("job", JOB)
    for name in ("datasets", "models", "code", "logs"):
        show_files(name, ROOT / "common" / name)
    show_ray()
    name_what_is_open()
    say("READY")
    deadline = time.monotonic() + 120
    while not (ROOT / "common/datasets/release").exists() and time.monotonic() < deadline:
        time.sleep(0.1)


main()
