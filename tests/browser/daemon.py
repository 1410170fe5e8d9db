"""A Hotwell of the test's own: a fresh directory, a port that was free, operations that wait at a gate."""
import http.client
import json
import os
import subprocess
import tempfile

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


class Daemon:
    def __init__(self, programs, tokens=(), max_workers=2, queue_depth=100, more=""):
        self.programs = programs
        self.directory = tempfile.TemporaryDirectory(prefix="hotwell-browser-", ignore_cleanup_errors=True)
        self.home = self.directory.name
        os.mkdir(f"{self.home}/media")
        for n in range(GATES):
            os.mkfifo(f"{self.home}/gate-{n}")
        self.token = tokens[0] if tokens else None
        with open(f"{self.home}/hotwell.toml", "w", encoding="utf-8") as file:
            file.write(CONFIG.format(home=self.home, max_workers=max_workers, queue_depth=queue_depth, more=more,
                                     server=f"tokens = {json.dumps(list(tokens))}" if tokens else ""))
        self.log = open(f"{self.home}/log", "w", encoding="utf-8")
        self.process = subprocess.Popen(
            [f"{programs}/hotwell", "serve", "--config", f"{self.home}/hotwell.toml", "--data", f"{self.home}/data", "--listen", "127.0.0.1:0"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("listening on "):
            raise AssertionError(f"the daemon did not come up: {open(self.log.name, encoding='utf-8').read()}")
        self.url = line.split()[-1]

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

    def ask(self, method, path, body=None):
        """Status and text of an answer."""
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=60)
        connection.request(method, path, body, {"Authorization": f"Bearer {self.token}"} if self.token else {})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, text

    def submit(self, operation, **job):
        status, text = self.ask("POST", "/v1/jobs", json.dumps({"operation": operation, **job}))
        assert status in (200, 202), text
        return json.loads(text)["id"]

    def open_gate(self, n):
        """Lets the job "wait" with the parameter n pass; waits until it stands there."""
        with open(f"{self.home}/gate-{n}", "w", encoding="utf-8") as gate:  # opens when a reader is there
            gate.write("go\n")
