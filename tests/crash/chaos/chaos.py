#!/usr/bin/env python3
"""Kills a daemon, its spawner, its workers and their children with -9 at random while clients submit jobs over HTTP.

    chaos.py BIN_DIR [--kills N] [--jobs N] [--seed N] [--durability process|power]

Holds the engine to: no accepted job is lost, no request becomes two jobs, no result is wrong or of another attempt, a
job's end never changes, and nothing of a killed engine or spawner is left. Prints how long that took. The seed is
printed; HOTWELL_TEST_SEED sets it.
"""
import argparse
import http.client
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
from daemon import Client, Daemon, Hung, wait_gone  # noqa: E402 (of tests/support)

CONFIG = """
[media]
enabled = false
[cache]
memory_limit = "4MiB"
[pool]
min_workers = 0
max_workers = 4
backoff = "20ms"
retries = 50
max_crashes = 100
durability = "{durability}"
# Leaves a child in a session of its own behind, reads its input, and answers it in capitals.
[[operation]]
name = "upper"
kind = "command"
argv = ["sh", "-c", "setsid sh -c 'sleep 600 & wait' </dev/null >/dev/null 2>&1 & tr a-z A-Z"]
stdin = "input"
content_type = "text/plain"
max_crashes = 100
env = {{ CRASH_TAG = "{tag}" }}
# Kept warm: answers what it is given.
[[operation]]
name = "echo"
kind = "frames"
argv = ["{bin}/hotwell-test-worker"]
max_workers = 2
max_crashes = 100
env = {{ CRASH_TAG = "{tag}" }}
"""

FINAL = ("completed", "failed", "cancelled", "dead")
BROKEN = (OSError, http.client.HTTPException)


class Run:
    """What the clients did, and what they were told. One lock for all of it."""

    def __init__(self, daemon, jobs):
        self.daemon, self.jobs = daemon, jobs
        self.changed = threading.Condition()
        self.up = True
        self.next = 0
        self.accepted = {}  # token: (id, operation)
        self.ends = {}      # id: the state that it was first seen to have ended with
        self.wrong = []

    def blame(self, what):
        with self.changed:
            self.wrong.append(what)
            self.changed.notify_all()

    def take(self):
        with self.changed:
            if self.next >= self.jobs or self.wrong:
                return None
            self.next += 1
            return self.next

    def wait_up(self):
        with self.changed:
            while not self.up:
                self.changed.wait()

    def submit(self, client, number):
        """Asks until it is told, under one idempotency key, as a careful client does."""
        token = f"token-{number:06}"
        while True:
            self.wait_up()
            try:
                if number % 3:
                    operation = "upper"
                    status, job = client.json("POST", f"/v1/jobs?operation=upper&idempotency_key={token}", token,
                                              "text/plain")
                else:
                    operation = "echo"
                    status, job = client.json("POST", f"/v1/jobs?operation=echo&token={token}&idempotency_key={token}")
            except BROKEN:
                continue
            if status in (429, 503):
                continue
            if status not in (200, 202):
                return self.blame(f"{token} was refused: {status} {job}")
            with self.changed:
                self.accepted[token] = (job["id"], operation)
                self.changed.notify_all()
            return self.saw(job)

    def saw(self, job):
        if job["state"] not in FINAL:
            return
        with self.changed:
            first = self.ends.setdefault(job["id"], job["state"])
        if first != job["state"]:
            self.blame(f"{job['id']} was {first} and is {job['state']}")

    def client(self):
        client = Client(self.daemon)
        while (number := self.take()) is not None:
            self.submit(client, number)
        client.close()

    def look_at(self, client, token):
        """Waits for the job's end, and for its result where it completed."""
        job_id, operation = self.accepted[token]
        while not self.wrong:
            self.wait_up()
            try:
                status, job = client.json("GET", f"/v1/jobs/{job_id}?wait=20")
                if status != 200:
                    return self.blame(f"{token}: job {job_id} is lost: {status} {job}")
                self.saw(job)
                if job["state"] not in FINAL:
                    continue
                if job["state"] != "completed":
                    return self.blame(f"{token}: {job}")
                status, result = client.ask("GET", f"/v1/jobs/{job_id}/result")
            except BROKEN:
                continue
            expected = token.upper().encode() if operation == "upper" else None
            if status != 200 or (expected is not None and result != expected) or (
                    expected is None and token.encode() not in result):
                self.blame(f"{token}: the result of {job_id} is {status} {result!r}")
            return

    def watcher(self, tokens):
        client = Client(self.daemon)
        for token in tokens:
            self.look_at(client, token)
        client.close()


def kill_something(run, chance, waits):
    """One kill, and what has to follow from it."""
    daemon = run.daemon
    what = chance.choice(["engine", "spawner", "worker", "worker", "grandchild"])
    if what == "engine":
        with run.changed:
            run.up = False
        waits["engine"].append(daemon.kill())
        daemon.start()
        with run.changed:
            run.up = True
            run.changed.notify_all()
        return what
    processes = daemon.processes()
    names = {}
    for pid in processes:
        try:
            names[pid] = pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
        except OSError:
            names[pid] = ""
    spawners = [pid for pid, name in names.items() if name.startswith("hotwell-spawner"[:15])]
    others = [pid for pid in processes if pid not in spawners]
    grandchildren = [pid for pid in others if names[pid] in ("sleep", "tr")]
    victims = {"spawner": spawners, "worker": [p for p in others if p not in grandchildren], "grandchild": grandchildren}
    if not victims[what]:
        for fd in processes.values():
            os.close(fd)
        return None
    victim = chance.choice(sorted(victims[what]))
    try:
        signal.pidfd_send_signal(processes[victim], signal.SIGKILL)
    except ProcessLookupError:
        pass
    if what == "spawner":
        # Everything that it owned goes with it. What the next spawner starts is not among these.
        waits["spawner"].append(wait_gone(processes))
    else:
        waits[what].append(wait_gone({victim: processes.pop(victim)}))
        for fd in processes.values():
            os.close(fd)
    return what


def at(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bin_dir")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("HOTWELL_TEST_SEED", random.SystemRandom().getrandbits(32))))
    parser.add_argument("--durability", default="process")
    options = parser.parse_args()
    print(f"seed: HOTWELL_TEST_SEED={options.seed}", flush=True)
    chance = random.Random(options.seed)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hotwell-chaos-"))
    daemon = Daemon(pathlib.Path(options.bin_dir).resolve(), folder, CONFIG, durability=options.durability)
    run = Run(daemon, options.jobs)
    waits = {"engine": [], "spawner": [], "worker": [], "grandchild": []}
    try:
        daemon.start()
        clients = [threading.Thread(target=run.client, daemon=True) for _ in range(4)]
        for client in clients:
            client.start()
        kills = 0
        while kills < options.kills and not run.wrong:
            # Kills are spread over the jobs: the next one comes when a few more were accepted.
            with run.changed:
                due = min(options.jobs, (kills + 1) * options.jobs // (options.kills + 1))
                run.changed.wait_for(lambda: len(run.accepted) >= due or run.wrong, timeout=60)
                if len(run.accepted) < due and not run.wrong:
                    raise SystemExit(f"the clients hang at {len(run.accepted)} of {due} jobs\n{daemon.last_words()}")
            if kill_something(run, chance, waits):
                kills += 1
            elif all(not client.is_alive() for client in clients):
                break
        for client in clients:
            client.join()
        tokens = sorted(run.accepted)
        watchers = [threading.Thread(target=run.watcher, args=(tokens[n::4],), daemon=True) for n in range(4)]
        for watcher in watchers:
            watcher.start()
        for watcher in watchers:
            watcher.join()
        check(run, options, daemon, waits, kills)
        left = daemon.stop()
        if left:
            raise SystemExit(f"the drained daemon left behind: {left}")
    except Hung as hung:
        raise SystemExit(f"{hung}\n{daemon.last_words()}")
    finally:
        if daemon.process:
            daemon.process.kill()
            daemon.process.wait()
        daemon.log.close()
        shutil.rmtree(folder, ignore_errors=True)


def check(run, options, daemon, waits, kills):
    if run.wrong:
        raise SystemExit("\n".join(run.wrong[:20]) + "\n" + daemon.last_words())
    ids = [job_id for job_id, _ in run.accepted.values()]
    if len(ids) != options.jobs or len(set(ids)) != options.jobs:
        raise SystemExit(f"{options.jobs} requests became {len(set(ids))} jobs")
    listed, cursor, client = [], "", Client(daemon)
    while cursor is not None:
        _, page = client.json("GET", f"/v1/jobs?limit=200{'&cursor=' + cursor if cursor else ''}")
        listed += [job["id"] for job in page["jobs"]]
        if any(job["state"] != "completed" for job in page["jobs"]):
            raise SystemExit(f"not every job has completed: {page}")
        cursor = page["next"]
    client.close()
    if sorted(listed) != sorted(ids):
        raise SystemExit(f"{len(ids)} jobs were accepted, {len(listed)} are listed, {len(set(listed) - set(ids))} unknown")
    print(f"{options.jobs} jobs, {kills} kills: none lost, none twice, every end final, nothing left behind")
    for what, goal in (("engine", "100 ms"), ("spawner", "100 ms"), ("worker", ""), ("grandchild", "")):
        if waits[what]:
            print(f"  gone after a kill of the {what} ({len(waits[what])}): p50 {at(waits[what], .5) * 1e3:.1f} ms, "
                  f"p99 {at(waits[what], .99) * 1e3:.1f} ms, most {max(waits[what]) * 1e3:.1f} ms"
                  + (f" (goal {goal}, 2 s where only best effort is possible)" if goal else ""))


main()
