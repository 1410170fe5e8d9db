#!/usr/bin/env python3
"""Many small jobs, one after the other on a few connections: afterwards the daemon has the memory, descriptors and
processes that it had when it was warm.

    soak.py BIN_DIR [--jobs N]
"""
import argparse
import os
import pathlib
import shutil
import sys
import tempfile
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
from daemon import Client, Daemon  # noqa: E402 (of tests/support)

CONNECTIONS = 4
SLACK = 16 << 20  # bytes: what the allocator keeps, the journal's page cache and log

CONFIG = """
[media]
enabled = false
[server]
result_hold = "1s"
[cache]
memory_limit = "1MiB"
[pool]
min_workers = 2
max_workers = 2
[journal]
keep = 1000
[[operation]]
name = "echo"
kind = "frames"
argv = ["{bin}/hotwell-test-worker"]
cache = false
min_workers = 2
env = {{ CRASH_TAG = "{tag}" }}
"""


def submit(daemon, first, count, wrong):
    client = Client(daemon)
    for number in range(first, first + count):
        status, job = client.json("POST", f"/v1/jobs?operation=echo&n={number}&wait=60")
        if status != 200 or job["state"] != "completed":
            wrong.append(f"job {number}: {status} {job}")
            break
    client.close()


def run(daemon, first, jobs):
    wrong = []
    share = jobs // CONNECTIONS
    threads = [threading.Thread(target=submit, args=(daemon, first + n * share, share, wrong)) for n in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise SystemExit("\n".join(wrong) + "\n" + daemon.last_words())


def state(daemon):
    """(resident bytes, descriptors, processes) once the last connections are gone."""
    pid = daemon.process.pid
    resident = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    processes = daemon.processes()
    for fd in processes.values():
        os.close(fd)
    return resident, len(os.listdir(f"/proc/{pid}/fd")), len(processes)


def settled(daemon, wanted):
    """The state, when descriptors are down to `wanted`: connections and held results go a moment after the last job."""
    client = Client(daemon)
    for _ in range(3000):  # each a round trip that the daemon answers
        now = state(daemon)
        if now[1] - 1 <= wanted:
            break
        client.ask("GET", "/v1/jobs?limit=1")
    client.close()
    return now


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bin_dir")
    parser.add_argument("--jobs", type=int, default=4000)
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hotwell-soak-"))
    daemon = Daemon(pathlib.Path(options.bin_dir).resolve(), folder, CONFIG)
    try:
        daemon.start()
        warm_up = max(options.jobs // 4, 2000)  # tables, caches and the allocator's arenas are as full as they get
        run(daemon, 0, warm_up)
        before = settled(daemon, 0)
        run(daemon, warm_up, options.jobs)
        after = settled(daemon, before[1])
        print(f"{options.jobs} jobs: memory {before[0] >> 10} -> {after[0] >> 10} KiB, descriptors {before[1]} -> {after[1]}, "
              f"processes {before[2]} -> {after[2]}")
        sanitized = "ASAN_OPTIONS" in os.environ or "TSAN_OPTIONS" in os.environ  # they keep what was freed
        if after[0] > before[0] + SLACK and not sanitized:
            raise SystemExit("the daemon's memory grew")
        if after[1] > before[1] + CONNECTIONS or after[2] > before[2]:
            raise SystemExit("descriptors or processes were left behind")
        if left := daemon.stop():
            raise SystemExit(f"the drained daemon left behind: {left}")
    finally:
        if daemon.process:
            daemon.process.kill()
            daemon.process.wait()
        daemon.log.close()
        shutil.rmtree(folder, ignore_errors=True)


main()
