#!/usr/bin/env python3
"""The worker pool beside worker pools for Node: round trips, queued jobs, bytes by descriptor, a worker's start and memory.

    bench/scenario/node_pools.py BUILD_DIR [ROUNDS]

Installs Piscina, Tinypool and workerpool from npm into a temporary folder. Every round measures each once; what is
printed are medians over the rounds (5 by default) and their ratios, beside the goals.
"""
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

PACKAGES = {"piscina": "5", "tinypool": "2", "workerpool": "10"}
HERE = pathlib.Path(__file__).resolve().parent


def run(*command, **options):
    return subprocess.run([str(part) for part in command], check=True, text=True, stdout=subprocess.PIPE, **options).stdout


def median(rounds, *path):
    def value(one):
        for key in path:
            one = one[key]
        return one
    return statistics.median(value(one) for one in rounds)


def duration(seconds):
    return f"{seconds * 1e6:.1f} us" if seconds < 1e-3 else f"{seconds * 1e3:.2f} ms"


def rate(per_second):
    return f"{per_second:,.0f}/s"


def main():
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    binaries = pathlib.Path(sys.argv[1]).resolve() / "bin"
    rounds = int(sys.argv[2]) if len(sys.argv) == 3 else 5
    with tempfile.TemporaryDirectory(prefix="hotwell-peers-") as folder:
        for file in HERE.glob("node_pools*.mjs"):
            shutil.copy(file, folder)
        print("installing the peers from npm", file=sys.stderr, flush=True)
        run("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder,
            *(f"{name}@{version}" for name, version in PACKAGES.items()))
        results = {name: [] for name in ("hotwell", *PACKAGES)}
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
            for name in results:
                command = ([binaries / "hotwell-bench-dispatch", binaries / "hotwell-bench-worker", "1"]
                           if name == "hotwell" else ["node", pathlib.Path(folder) / "node_pools.mjs", name])
                results[name].append(json.loads(run(*command)))

    ours = results["hotwell"]
    trip = median(ours, "trips", "execute", "p50") / 1e9
    one = median(ours, "per_second", "one_at_a_worker")
    eight = median(ours, "per_second", "eight_at_a_worker")
    copied = median(ours, "copy_1_mib")
    first = median(ours, "trips", "new_process", "p50") / 1e9
    memory = median(ours, "private_memory_of_an_idle_worker")
    rows = [("what", "Hotwell", "peer", "ratio", "goal")]

    def row(what, mine, theirs, peer, show, goal):
        rows.append((what, show(mine), f"{peer} {show(theirs)}", f"{mine / theirs:.2f}x", goal))

    for peer, goal in (("tinypool", "at most 0.6x"), ("workerpool", "at most 0.6x"), ("piscina", "at most 0.9x")):
        row("no-op round trip, p50", trip, median(results[peer], "trip_p50"), peer, duration, goal)
    row("queued no-ops, one at a worker", one, median(results["piscina"], "per_second"), "piscina", rate, "at least 1.3x")
    row("queued no-ops, one at a worker", one, median(results["workerpool"], "per_second"), "workerpool", rate, "at least 3x")
    row("queued no-ops, eight at a worker", eight, median(results["piscina"], "per_second_best"), "piscina at its best",
        rate, "at least 2.5x")
    row("1 MiB in and out", copied, median(results["workerpool"], "copy_1_mib"), "workerpool",
        lambda value: f"{value / 1e9:.2f} GB/s", "at least 10x")
    row("a new worker's first result", first, median(results["workerpool"], "first_result"), "workerpool", duration,
        "at most 1.5 ms")
    row("private memory of an idle worker", memory, median(results["workerpool"], "private_memory"), "workerpool",
        lambda value: f"{value / 2**20:.2f} MiB", "at most 0.1x")
    widths = [max(len(line[column]) for line in rows) for column in range(len(rows[0]))]
    for line in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


try:
    main()
except subprocess.CalledProcessError as error:
    sys.exit(f"{' '.join(map(str, error.cmd))} ended with status {error.returncode}")
