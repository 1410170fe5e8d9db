#!/usr/bin/env python3
"""Runs the commands of README.md's tour, as printed, in one shell, and checks what they promise.

    run_tour.py README BIN_DIR

Only two things are changed: the programs come from BIN_DIR, and the port is one that is free. The tour runs in a copy of
nothing: a fresh temporary directory. Exit status 77 (skipped) where there is no curl.
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
END = "end-of-block"


class Shell:
    """A bash that is fed block by block."""

    def __init__(self, folder):
        # The daemon logs to standard error: kept apart, so that an answer is what curl printed and nothing else.
        self.process = subprocess.Popen(["bash"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=(folder / "stderr.log").open("w"), text=True, bufsize=1)

    def run(self, block):
        self.process.stdin.write(f"{block}\necho; echo {END} $?\n")
        self.process.stdin.flush()
        lines = []
        while True:
            line = self.process.stdout.readline()
            if not line:
                raise SystemExit("the shell ended:\n" + "".join(lines))
            if line.startswith(END):
                return int(line.split()[1]), "".join(lines)
            lines.append(line)

    def wait_for(self, pattern):
        while True:
            line = self.process.stdout.readline()
            if not line:
                raise SystemExit(f"the shell ended before it said {pattern}")
            if found := re.search(pattern, line):
                return found

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def check(what, truth, said):
    print(("ok: " if truth else "NOT SO: ") + what, flush=True)
    if not truth:
        raise SystemExit(said)


def main():
    readme, bin_dir = pathlib.Path(sys.argv[1]), sys.argv[2]
    if not shutil.which("curl"):
        print("skipped: the tour needs curl")
        return 77
    blocks = [block.replace("build/release/bin", bin_dir) for block in BLOCK.findall(readme.read_text(encoding="utf-8"))]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hotwell-tour-"))
    shell = Shell(folder)
    try:
        status, said = shell.run(blocks[0].replace("127.0.0.1:8080", "127.0.0.1:0"))
        check("the daemon starts", status == 0, said)
        found = re.search(r"listening on http://(\S+)", said) or shell.wait_for(r"listening on http://(\S+)")
        outputs = []
        for block in blocks[1:]:
            status, said = shell.run(block.replace("127.0.0.1:8080", found[1]))
            check("exit status 0 of: " + block.splitlines()[0], status == 0, said)
            outputs.append(said)
        probe, thumbnail, job, upload, stored, metrics, end = outputs
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
    except BaseException:
        print((folder / "stderr.log").read_text(), file=sys.stderr)
        raise
    finally:
        shell.close()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
