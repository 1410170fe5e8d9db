#!/usr/bin/env python3
"""Runs the commands of docs/guide/jobs.md, as printed, in one shell, and checks what they promise.

    run_jobs_guide.py GUIDE BIN_DIR

As in run_tour.py only the programs' folder and the port are changed. Exit status 77 (skipped) where there is no curl.
"""
import json
import pathlib
import re
import shutil
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from run_tour import BLOCK, Shell, check  # noqa: E402 (it stands beside this file)


def objects(said):
    """The JSON objects of an output, one after the other."""
    decoder, found, at = json.JSONDecoder(), [], said.find("{")
    while at >= 0:
        value, end = decoder.raw_decode(said, at)
        found.append(value)
        at = said.find("{", end)
    return found


def main():
    guide, bin_dir = pathlib.Path(sys.argv[1]), sys.argv[2]
    if not shutil.which("curl"):
        print("skipped: the guide needs curl")
        return 77
    blocks = [block.replace("build/release/bin", bin_dir) for block in BLOCK.findall(guide.read_text(encoding="utf-8"))]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hotwell-guide-"))
    shell = Shell(folder)
    address = None
    outputs = []
    try:
        for block in blocks:
            serves = " serve " in block
            status, said = shell.run(block.replace("127.0.0.1:8080", "127.0.0.1:0" if serves else address))
            if serves:
                found = re.search(r"listening on http://(\S+)", said) or shell.wait_for(r"listening on http://(\S+)")
                address = found[1]
            check("exit status 0 of: " + block.splitlines()[0], status == 0, said)
            outputs.append(said)
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
    except BaseException:
        print((folder / "stderr.log").read_text(), file=sys.stderr)
        raise
    finally:
        shell.close()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
