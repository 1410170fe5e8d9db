"""Documents whose commands are run as printed, in one shell.

Only two things are changed: the programs come from the build, and the port is one that is free. The commands run in a
fresh temporary directory.
"""
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


def play(document, bin_dir, judge):
    """Runs every block and hands what each said, and the folder, to judge(outputs, folder). The exit status: 77 (skipped)
    where there is no curl."""
    if not shutil.which("curl"):
        print(f"skipped: {document} needs curl")
        return 77
    blocks = [block.replace("build/release/bin", bin_dir) for block in BLOCK.findall(pathlib.Path(document).read_text(encoding="utf-8"))]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hotwell-tour-"))
    shell = Shell(folder)
    address, outputs = None, []
    try:
        for block in blocks:
            serves = " serve " in block
            status, said = shell.run(block.replace("127.0.0.1:8080", "127.0.0.1:0" if serves else address))
            if serves:
                listening = r"listening on http://(\S+)"
                address = (re.search(listening, said) or shell.wait_for(listening))[1]
            check("exit status 0 of: " + block.splitlines()[0], status == 0, said)
            outputs.append(said)
        judge(outputs, folder)
    except BaseException:
        print((folder / "stderr.log").read_text(), file=sys.stderr)
        raise
    finally:
        shell.close()
        shutil.rmtree(folder, ignore_errors=True)
    return 0
