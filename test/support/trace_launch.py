"""Runs launch.py while noting which of its lines are executed, in every process and thread: for its line coverage.

    python3 -I -S trace_launch.py <folder for the notes> <launch.py> <job dir>
"""

import json
import os
import runpy
import sys
import threading

folder, target = sys.argv[1], sys.argv[2]
seen = set()
really_exit, really_exec = os._exit, os.execvpe


def trace(frame, event, _):
    if frame.f_code.co_filename != target:
        return None
    seen.add(frame.f_lineno)
    return trace


def keep():
    sys.settrace(None)
    try:
        with open(f"{folder}/{os.getpid()}-{os.urandom(6).hex()}.json", "w", encoding="ascii") as file:
            json.dump(sorted(seen), file)
    except OSError:
        pass  # an ordinary user of the containment tests may not write there


def exit_now(code):
    keep()
    really_exit(code)


def exec_now(*args):
    keep()
    really_exec(*args)


os._exit, os.execvpe = exit_now, exec_now
sys.argv = sys.argv[2:]
threading.settrace(trace)
sys.settrace(trace)
try:
    runpy.run_path(target, run_name="__main__")
finally:
    keep()
