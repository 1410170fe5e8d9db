#!/usr/bin/env python3
"""Durable jobs that do nothing: Hotwell beside BullMQ on Redis, alternating, medians of the rounds.

    durable.py BUILD_DIR [--rounds N] [--jobs N]

Needs node, npm (BullMQ comes by npm into a temporary folder) and redis-server (Debian's; started on a socket there). Redis
with `appendfsync everysec` keeps what survives the process, as durability "process" does; `always` is "power".
"""
import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

BULLMQ, IOREDIS = "bullmq@5", "ioredis@5"
HERE = pathlib.Path(__file__).resolve().parent


def redis(folder, fsync):
    folder.mkdir()
    server = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", str(folder / "socket"), "--dir", str(folder), "--save", "", "--appendonly",
         "yes", "--appendfsync", fsync, "--daemonize", "no"], stdout=subprocess.PIPE, text=True)
    for line in server.stdout:
        if "eady to accept connections" in line:
            return server
    raise SystemExit("redis-server did not start")


def bullmq(npm, folder, fsync, kind, jobs, alone):
    server = redis(folder, fsync)
    try:
        done = subprocess.run(["node", str(npm / "durable.mjs"), str(folder / "socket"), str(jobs), str(alone), kind],
                              capture_output=True, text=True, check=True, cwd=npm)
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
        shutil.rmtree(folder)
    return json.loads(done.stdout)


def measure(bin_dir, rounds, jobs):
    cases = {}
    with tempfile.TemporaryDirectory(prefix="hotwell-durable-") as name:
        folder = pathlib.Path(name)
        npm = folder / "npm"
        npm.mkdir()
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", BULLMQ, IOREDIS], cwd=npm, check=True)
        for file in ("durable.mjs", "durable_job.cjs"):
            shutil.copy(HERE / file, npm)
        for number in range(rounds):
            ours = json.loads(subprocess.run([bin_dir / "hotwell-bench-durable", bin_dir / "hotwell-bench-worker", str(jobs)],
                                             capture_output=True, text=True, check=True).stdout)
            for durability, figures in ours.items():
                cases.setdefault(f"hotwell {durability}", []).append(figures)
            for fsync, kind, count, alone in (("everysec", "inline", jobs // 4, 300), ("everysec", "sandboxed", jobs // 8, 300),
                                              ("always", "inline", jobs // 10, 200)):
                cases.setdefault(f"bullmq {fsync} {kind}", []).append(
                    bullmq(npm, folder / f"redis-{number}-{fsync}-{kind}", fsync, kind, count, alone))
    return {case: {key: statistics.median(figures[key] for figures in runs) for key in runs[0]}
            for case, runs in cases.items()}


def table(cases):
    """What is compared, with its goal."""
    rows = []

    def row(what, ours, theirs, key, show, better, goal, our_key=None):
        mine, peer = cases[f"hotwell {ours}"][our_key or key], cases[f"bullmq {theirs}"][key]
        rows.append((what, show(mine), f"BullMQ, {theirs}: {show(peer)}", f"{mine / peer:.3g}x", f"at {better} {goal}x"))

    def rate(value):
        return f"{value:,.0f}/s"

    def duration(value):
        return f"{value * 1e3:.3f} ms"

    row("durable no-op jobs, process", "process", "everysec inline", "per_second", rate, "least", 10)
    row("durable no-op jobs, process", "process", "everysec sandboxed", "per_second", rate, "least", 10)
    row("the same, eight at a worker", "process", "everysec inline", "per_second", rate, "least", 10, "fed_per_second")
    row("durable no-op jobs, power", "power", "always inline", "per_second", rate, "least", 8)
    row("the same, eight at a worker", "power", "always inline", "per_second", rate, "least", 8, "fed_per_second")
    row("add to completed p50, process", "process", "everysec inline", "p50", duration, "most", 1)
    row("add to completed p50, power", "power", "always inline", "p50", duration, "most", 1)
    row("enqueue to start p99, 1,000 jobs/s, process", "process", "everysec inline", "start_p99", duration, "most", 0.2)
    row("enqueue to start p99, 1,000 jobs/s, power", "power", "always inline", "start_p99", duration, "most", 0.2)
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build_dir")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=10000)
    options = parser.parse_args()
    missing = [program for program in ("node", "npm", "redis-server") if not shutil.which(program)]
    if missing:
        print(f"durable: skipped, there is no {', '.join(missing)}", file=sys.stderr)
        return
    cases = measure(pathlib.Path(options.build_dir).resolve() / "bin", options.rounds, options.jobs)
    rows = [("what", "Hotwell", "peer", "ratio", "goal"), *table(cases)]
    widths = [max(len(line[column]) for line in rows) for column in range(len(rows[0]))]
    for line in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    print()
    for case, figures in cases.items():
        print(f"{case:28} {figures['per_second']:9.0f} jobs/s   add to end p50 {figures['p50'] * 1e3:6.3f} ms, "
              f"p99 {figures['p99'] * 1e3:6.3f} ms")


if __name__ == "__main__":
    main()
