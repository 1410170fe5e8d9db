#!/usr/bin/env python3
"""Runs the commands of README.md's tour, as printed, and checks what they promise.

    run_tour.py README BIN_DIR
"""
import json
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from guide_shell import check, play  # noqa: E402 (it stands beside this file)


def judge(outputs, folder):
    _, probe, thumbnail, job, upload, stored, metrics, end = outputs
    check("the probe names a stream", json.loads(probe)["streams"][0]["type"] == "video", probe)
    check("the first thumbnail is a miss", "cache-status: hotwell; fwd=miss; stored" in thumbnail.lower(), thumbnail)
    check("the second is a hit in memory", "cache-status: hotwell; hit; detail=memory" in thumbnail.lower(), thumbnail)
    check("it is a JPEG", (folder / "var/tour/at3.jpg").read_bytes()[:3] == b"\xff\xd8\xff", thumbnail)
    check("the transcode completed", json.loads(job)["state"] == "completed", job)
    check("its result is an MP4", (folder / "var/tour/small.mp4").read_bytes()[4:8] == b"ftyp", job)
    check("any program is an operation", json.loads(upload)["state"] == "completed", upload)
    check("the range is what was asked for", "world" in stored and "hello" not in stored, stored)
    check("metrics are JSON", json.JSONDecoder().raw_decode(metrics)[0]["requests"]["total"] >= 5, metrics)
    check("and Prometheus text", "# TYPE hotwell_" in metrics, metrics)
    check("the command line needs no daemon", (folder / "var/tour/middle.jpg").stat().st_size > 0, end)


if __name__ == "__main__":
    sys.exit(play(sys.argv[1], sys.argv[2], judge))
