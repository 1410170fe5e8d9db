"""A daemon for whoever looks at the page: a fresh directory, and operations that wait at a gate."""
import json
import os
import pathlib
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from daemon import Daemon  # noqa: E402 (of tests/support)

GATES = 10

CONFIG = """
[server]
{server}
[media]
roots = ["{home}/media"]
[pool]
min_workers = 1
max_workers = {max_workers}
backoff = "10ms"
[monitor]
thresholds = {{ cpu = 100, memory = 100, error_rate = 50, queue_depth = {queue_depth} }}
for = "1s"
clear_for = "1s"
[[operation]]
name = "upper"
kind = "command"
argv = ["tr", "a-z", "A-Z"]
stdin = "input"
content_type = "text/plain"
[[operation]]
name = "wait"
kind = "command"
argv = ["sh", "-c", "read line < {home}/gate-{{param.n}}; echo passed {{param.n}}"]
content_type = "text/plain"
[[operation]]
name = "broken"
kind = "command"
argv = ["sh", "-c", "echo 'the moon is in the wrong house' >&2; exit 2"]
permanent_exit_codes = [2]
{more}
"""


class Gated(Daemon):
    def __init__(self, programs, tokens=(), max_workers=2, queue_depth=100, more=""):
        self.programs = programs
        self.directory = tempfile.TemporaryDirectory(prefix="hotwell-browser-", ignore_cleanup_errors=True)
        self.home = self.directory.name
        os.mkdir(f"{self.home}/media")
        for n in range(GATES):
            os.mkfifo(f"{self.home}/gate-{n}")
        super().__init__(programs, self.home, CONFIG, token=tokens[0] if tokens else None, max_workers=max_workers,
                         queue_depth=queue_depth, more=more, server=f"tokens = {json.dumps(list(tokens))}" if tokens else "")
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self.log.close()
        self.directory.cleanup()

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()  # a drain would wait for who stands at a gate; its workers go with it
            self.process.wait()
        self.process.stdout.close()

    def open_gate(self, n):
        """Lets the job "wait" with the parameter n pass; waits until it stands there."""
        with open(f"{self.home}/gate-{n}", "w", encoding="utf-8") as gate:  # opens when a reader is there
            gate.write("go\n")
