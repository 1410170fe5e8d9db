#!/usr/bin/env python3
"""A daemon that is killed with -9 while it tells of its alerts: nothing is lost, and nothing is told twice but what the
receiver had heard and the daemon had not yet noted, and that with the same fingerprint and start.

    notifications.py BIN_DIR [--rounds N]

The kill falls at moments that the receiver knows: while it holds its answer back, right after it answered, while it
refuses. The order is random; its seed is printed, HOTWELL_TEST_SEED sets it.
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
from daemon import Daemon  # noqa: E402 (of tests/support)
from webhook import Webhook  # noqa: E402

# Some of the disk is always used: the alert fires as soon as its threshold allows it.
CONFIG = """
[media]
enabled = false
[pool]
min_workers = 0
[monitor]
for = "0s"
clear_for = "0s"
thresholds = {{ cpu = 100, memory = 100, error_rate = 100, queue_depth = 1000000, disk = 0.000001, dead_letters = 0, crash_loop = 0, hit_ratio = 0, burn_rate = 0 }}
[[alerts.channel]]
name = "hook"
kind = "webhook"
url = "{hook}"
"""


def check(what, truth, said=""):
    print(("ok: " if truth else "NOT SO: ") + what, flush=True)
    if not truth:
        raise SystemExit(f"{said}")


def told(body):
    """(fingerprint, start, whether it fires) of a body's one alert."""
    (alert,) = body["alerts"]
    return alert["fingerprint"], alert["startsAt"], alert["status"] == "firing"


def channel(daemon):
    return json.loads(daemon.ask("GET", "/v1/alerts")[1])["channels"][0]


def resolve(daemon):
    status, text = daemon.ask("PUT", "/v1/knobs/monitor.thresholds.disk", json.dumps({"value": 100}))
    check("the alert's threshold is raised", status == 200, text)


def run(daemon, hook, seed, rounds):
    random.seed(seed)
    daemon.start()
    hook.wait("the first firing is told", lambda: hook.answered)
    may_repeat = set()
    moments = ["held", "answered", "refused", "noted"] * (rounds // 4 + 1)
    random.shuffle(moments)
    for number, moment in enumerate(moments[:rounds]):
        heard, answered = len(hook.heard), len(hook.answered)
        if moment in ("held", "refused"):
            hook.set("hold" if moment == "held" else "refuse")
        resolve(daemon)
        if moment in ("held", "refused"):
            hook.wait("the end is told", lambda: len(hook.heard) > heard)
        else:
            hook.wait("the end is answered", lambda: len(hook.answered) > answered)
        while moment == "noted" and channel(daemon)["pending"] != 0:
            pass  # each a round trip that the daemon answers
        daemon.kill()
        # Heard, perhaps with 200, and the daemon did not live to note it.
        if moment in ("held", "answered"):
            may_repeat.update(map(told, hook.heard[heard:]))
        hook.set("answer")
        answered = len(hook.answered)
        daemon.start()  # by its configuration the alert fires anew
        begun = {told(body)[1] for body in hook.answered[:answered] if told(body)[2]}
        hook.wait("the new firing is told", lambda: any(told(body)[2] and told(body)[1] not in begun for body in hook.answered))
        print(f"round {number}: killed when {moment}", flush=True)
    while channel(daemon)["pending"] != 0:
        pass
    daemon.kill()
    return may_repeat


def judge(hook, may_repeat, rounds):
    heard = [told(body) for body in hook.heard]
    starts = list(dict.fromkeys(start for _, start, _ in heard))
    check(f"{rounds} ends and {rounds + 1} firings, each with a start of its own", len(starts) == rounds + 1, starts)
    check("all have one fingerprint", len({fingerprint for fingerprint, _, _ in heard}) == 1, heard)
    answered = [told(body) for body in hook.answered]
    for number, start in enumerate(starts):
        about = [firing for _, at, firing in answered if at == start]
        wanted = [True, False] if number < rounds else [True]
        check(f"firing {number} and its end were told, in order", list(dict.fromkeys(about)) == wanted and about == sorted(about, reverse=True), about)
    repeated = {each for each in answered if answered.count(each) > 1}
    check(f"{len(repeated)} told twice, only where the kill fell between answer and note", repeated <= may_repeat, repeated - may_repeat)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("bin_dir")
    arguments.add_argument("--rounds", type=int, default=8)
    options = arguments.parse_args()
    seed = int(os.environ.get("HOTWELL_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"HOTWELL_TEST_SEED={seed}", flush=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hotwell-alerts-"))
    hook = Webhook()
    daemon = Daemon(pathlib.Path(options.bin_dir).resolve(), folder, CONFIG, hook=hook.url)
    try:
        may_repeat = run(daemon, hook, seed, options.rounds)
        judge(hook, may_repeat, options.rounds)
    except BaseException:
        print(daemon.last_words(), file=sys.stderr)
        raise
    finally:
        if daemon.process:
            daemon.process.kill()
            daemon.process.wait()
        daemon.log.close()
        hook.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


main()
