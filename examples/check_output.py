"""Runs a program in a fresh folder and compares its standard output with a file.

    check_output.py PROGRAM EXPECTED
"""
import difflib
import pathlib
import subprocess
import sys
import tempfile

program, expected = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
with tempfile.TemporaryDirectory() as folder:
    done = subprocess.run([program], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90)
wanted = expected.read_text(encoding="utf-8")
if done.returncode != 0 or done.stdout != wanted:
    sys.stdout.writelines(difflib.unified_diff(wanted.splitlines(True), done.stdout.splitlines(True), str(expected),
                                               str(program)))
    sys.exit(f"{program.name} ended with status {done.returncode}\n{done.stderr}")
