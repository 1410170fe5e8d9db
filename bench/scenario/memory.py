"""What a hit in memory costs and what an entry takes, beside peers; bench/memory and bench/run call it.

npm's lru-cache is installed into a temporary folder, where npm is there and reaches its registry. The programs take turns,
a round each; figures are medians of the rounds.
"""
import contextlib
import json
import pathlib
import shutil
import statistics
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROUNDS = 5
OURS, LOCKED, TBB, NPM = "hotwell try_get", "locked list over TBB", "TBB, never evicts", "npm lru-cache"


@contextlib.contextmanager
def in_turns(*command, cwd=None):
    """A program that answers each line with a line of JSON."""
    with subprocess.Popen(command, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        def turn():
            program.stdin.write("\n")
            program.stdin.flush()
            line = program.stdout.readline()
            if not line:
                raise subprocess.CalledProcessError(program.wait(), command)
            return json.loads(line)

        yield turn
        program.stdin.close()


@contextlib.contextmanager
def lru_cache(seconds):
    """None where it cannot be had."""
    with contextlib.ExitStack() as open_here:
        turn = None
        if shutil.which("npm"):
            folder = open_here.enter_context(tempfile.TemporaryDirectory(prefix="hotwell-bench-"))
            installed = subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "lru-cache@10"],
                                       cwd=folder, capture_output=True, check=False)
            if installed.returncode == 0:
                shutil.copy(HERE / "lru_cache.mjs", folder)
                turn = open_here.enter_context(in_turns("node", "lru_cache.mjs", str(seconds), cwd=folder))
        yield turn


def measure(bin_dir, seconds, say):
    """{"rates": {store: {case: {"median", "least", "most", "hit_ratio"}}}, "entries": ..., "storm": ...}"""
    seen = {}
    with in_turns(bin_dir / "hotwell-bench-memory", str(seconds)) as ours, lru_cache(seconds) as theirs:
        for number in range(ROUNDS):
            say(f"memory, round {number + 1} of {ROUNDS}")
            for row in ours() + (theirs() if theirs else []):
                case = f"{row['case']}, {row['threads']} thread{'s' if row['threads'] > 1 else ''}"
                seen.setdefault(row["store"], {}).setdefault(case, []).append((row["per_second"], row["hit_ratio"]))
    rates = {store: {case: {"median": statistics.median(rate for rate, _ in runs), "least": min(runs)[0],
                            "most": max(runs)[0], "hit_ratio": runs[-1][1]} for case, runs in cases.items()}
             for store, cases in seen.items()}
    say("memory of a million entries, and under a storm")
    cost = {what: json.loads(subprocess.run([bin_dir / "hotwell-bench-memory-cost", what], check=True,
                                            capture_output=True, text=True).stdout) for what in ("entries", "storm")}
    return {"rates": rates, **cost}


def rows(figures):
    """(what, Hotwell, beside, ratio, goal): what the issue of speed is about."""
    rates = figures["rates"]

    def rate(store, case):
        return rates[store][case]["median"]

    def beside(case, store, other_case, other, goal):
        ours, theirs = rate(store, case), rate(other, other_case)
        return [f"{case} ({store})", f"{ours / 1e6:.3g} M/s", f"{other}, {other_case}: {theirs / 1e6:.3g} M/s",
                f"{ours / theirs:.3g}x", goal]

    one, two, hot, hot_two = "get, 1 thread", "get, 2 threads", "get, one hot key, 1 thread", "get, one hot key, 2 threads"
    through = "read through, 1 thread"
    table = [beside(one, OURS, one, NPM, "at least 3.5x")] if NPM in rates else []
    table += [beside(one, OURS, one, LOCKED, "at least 10x"), beside(one, OURS, one, TBB, "at least 6x"),
              beside(two, OURS, two, LOCKED, "at least 10x"), beside(two, OURS, two, TBB, "at least 6x"),
              beside(two, OURS, one, OURS, "at least 1.7x"), beside(hot_two, OURS, hot, OURS, "at least 1.7x")]
    if NPM in rates:
        table.append(beside(through, OURS, through, NPM, ""))
    table += [beside(through, OURS, through, LOCKED, ""),
              beside("read through, 2 threads", OURS, through, OURS, "")]
    entries, storm = figures["entries"], figures["storm"]
    table += [["memory of a small entry beyond key and value", f"{entries['overhead_each']:.0f} bytes",
               f"charged: {entries['charged_each'] - entries['key_and_value']:.0f} bytes", "", "at most 64 bytes"],
              ["resident under a storm of mixed sizes", f"{storm['resident'] / 2**20:.3g} MiB",
               f"cap {storm['cap'] / 2**20:.3g} MiB", f"{storm['of_cap']:.3g}x", "at most 1.15x"]]
    return table
