#!/usr/bin/env python3
"""Runs the commands of docs/guide/jobs.md, as printed, and checks what they promise.

    run_jobs_guide.py GUIDE BIN_DIR
"""
import json
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from guide_shell import check, play  # noqa: E402 (it stands beside this file)


def objects(said):
    """The JSON objects of an output, one after the other."""
    decoder, found, at = json.JSONDecoder(), [], said.find("{")
    while at >= 0:
        value, end = decoder.raw_decode(said, at)
        found.append(value)
        at = said.find("{", end)
    return found


def judge(outputs, _):
    _, twice, dead, why, _, _, after, end = outputs
    first, second = objects(twice)
    check("the upload is answered in capitals' job", first["state"] == "completed", twice)
    check("the same key is the same job", first["id"] == second["id"], twice)
    letter = objects(dead)[0]
    check("the broken job is dead after three attempts", (letter["state"], letter["attempts"]) == ("dead", 3), dead)
    check("with its last words", "on fire" in letter["error"]["stderr"], dead)
    check("and listed as such", dead.count(letter["id"]) == 2, dead)
    check("it is explained", "Attempt 3 ran on broken-" in why and "It is dead after 3 charged attempts" in why, why)
    page, third = objects(after)
    check("the dead letter is there after kill -9", [job["id"] for job in page["jobs"]] == [letter["id"]], after)
    check("and so is the key", third["id"] == first["id"], after)
    exported = [json.loads(line) for line in end.splitlines() if line.startswith("{")]
    check("the export has both jobs", sorted(job["id"] for job in exported) == sorted([first["id"], letter["id"]]), end)
    check("with their runs", sorted(len(job["runs"]) for job in exported) == [1, 3], end)


if __name__ == "__main__":
    sys.exit(play(sys.argv[1], sys.argv[2], judge))
