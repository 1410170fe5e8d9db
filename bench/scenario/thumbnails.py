#!/usr/bin/env python3
"""Thumbnails through the durable queue, beside `xargs -P2` of the same worker program kept warm: pairs, taking turns.

    thumbnails.py BUILD_DIR [--rounds N] [--count N]

Both sides make the same pictures with two workers that are up before the clock starts; what is compared is the time from
the first job handed over to the last end. Needs ffprobe and xargs. MEDIA=path names the clip.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import media  # noqa: E402 (beside this file)


def clip_and_length(bin_dir, folder):
    clip = media.find_clip(bin_dir, folder).resolve()
    length = float(media.run("ffprobe", "-v", "error", "-show_entries", "stream=duration", "-select_streams", "v:0", "-of",
                             "csv=p=0", clip).stdout.split()[0].strip(","))
    return clip, max(0.1, length - 0.5)


def new_workers(bin_dir, folder):
    """What a new media worker's first thumbnail takes, and a warm one's; seconds."""
    clip, length = clip_and_length(bin_dir, folder)
    return json.loads(media.run(bin_dir / "hotwell-bench-thumbnails", "first", clip, length).stdout)


def by_queue(program, clip, length, count):
    began, ended = map(float, media.run(program, "queue", clip, length, count).stdout.split())
    return ended - began


def by_xargs(program, clip, length, count, folder):
    times = [f"{length * i / count:.3f}" for i in range(count)]
    each = (count + 1) // 2
    done = subprocess.run(["xargs", "-P2", f"-n{each}", str(program), "worker", str(clip), str(folder)],
                          input="\n".join(times[::2] + times[1::2]), capture_output=True, text=True, check=True)
    spans = [tuple(map(float, line.split())) for line in done.stdout.splitlines()]
    made = len({picture.name for picture in folder.glob("*.jpg")} - {"warm.jpg"})
    if len(spans) != 2 or made != len(set(times)):
        raise SystemExit(f"xargs: {made} pictures by {len(spans)} workers")
    return max(end for _, end in spans) - min(began for began, _ in spans)


def measure(bin_dir, rounds, count):
    program = bin_dir / "hotwell-bench-thumbnails"
    pairs = []
    with tempfile.TemporaryDirectory(prefix="hotwell-thumbnails-") as name:
        folder = pathlib.Path(name)
        clip, length = clip_and_length(bin_dir, folder)
        for number in range(rounds + 1):
            pictures = folder / str(number)
            pictures.mkdir()
            pairs.append((by_queue(program, clip, length, count), by_xargs(program, clip, length, count, pictures)))
    return pairs[1:]  # the first pair brings clip and programs into the page cache


def rows(pairs, count):
    ratios = sorted(ours / theirs for ours, theirs in pairs)
    ours, theirs = (statistics.median(times) for times in zip(*pairs))
    return [("what", "Hotwell", "beside", "ratio, of pairs", "goal"),
            (f"{count} thumbnails", f"{ours:.3f} s", f"xargs -P2, warm: {theirs:.3f} s",
             f"{statistics.median(ratios):.3g}x ({ratios[0]:.3g}x to {ratios[-1]:.3g}x of {len(pairs)})", "at most 1.05x")]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build_dir")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=500)
    options = parser.parse_args()
    table = rows(measure(pathlib.Path(options.build_dir).resolve() / "bin", options.rounds, options.count), options.count)
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


if __name__ == "__main__":
    main()
