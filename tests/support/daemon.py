"""A real `hotwell serve` of a test's own: started on a free port, asked over HTTP, killed, started again.

Every process of a run carries a tag in its environment, the workers' children too, so that what a kill leaves behind is
found and watched by pidfd, whatever it did to get away.
"""
import http.client
import json
import os
import pathlib
import re
import select
import signal
import subprocess
import time

HANG = 10.0  # nobody waits longer than this for a process to be gone

class Hung(Exception):
    pass


def wait_gone(pidfds, limit=HANG):
    """Waits until every process of {pid: pidfd} is gone; closes the descriptors; the seconds that the last one took."""
    began = time.monotonic()
    poll = select.poll()
    for fd in pidfds.values():
        poll.register(fd, select.POLLIN)
    left = dict((fd, pid) for pid, fd in pidfds.items())
    try:
        while left:
            rest = limit - (time.monotonic() - began)
            ready = poll.poll(max(rest, 0) * 1000)
            if not ready:
                raise Hung(f"still there after {limit} s: {sorted(describe(pid) for pid in left.values())}")
            for fd, _ in ready:
                poll.unregister(fd)
                del left[fd]
    finally:
        for fd in pidfds.values():
            os.close(fd)
    return time.monotonic() - began


def describe(pid):
    try:
        command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        return f"{pid} {command}"
    except OSError:
        return f"{pid} (gone)"


class Daemon:
    """`config` may name {tag}, {bin}, {home} and what else is given in `names`; token: of requests by ask()."""

    def __init__(self, bin_dir, folder, config, token=None, **names):
        self.bin_dir, self.folder, self.token = pathlib.Path(bin_dir), pathlib.Path(folder), token
        self.tag = f"hotwell-{os.getpid()}-{self.folder.name}"
        self.config = self.folder / "hotwell.toml"
        self.config.write_text(config.format(tag=self.tag, bin=self.bin_dir, home=self.folder, **names), encoding="utf-8")
        self.log = (self.folder / "daemon.log").open("ab")
        self.process = None
        self.port = 0

    def start(self):
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "CRASH_TAG": self.tag}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
            if name in os.environ:
                environment[name] = os.environ[name]
        self.process = subprocess.Popen(
            [str(self.bin_dir / "hotwell"), "serve", "--listen", "127.0.0.1:0", "--config", str(self.config), "--data",
             str(self.folder / "data")], stdout=subprocess.PIPE, stderr=self.log, env=environment)
        line = self.process.stdout.readline().decode()
        found = re.search(r"listening on http://127\.0\.0\.1:(\d+)", line)
        if not found:
            raise SystemExit(f"the daemon did not start: {line!r}\n{self.last_words()}")
        self.port = int(found[1])

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method, path, body=None):
        """Status and text of an answer, over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body, {"Authorization": f"Bearer {self.token}"} if self.token else {})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, text

    def submit(self, operation, **job):
        """The id of an accepted job."""
        status, text = self.ask("POST", "/v1/jobs", json.dumps({"operation": operation, **job}))
        assert status in (200, 202), text
        return json.loads(text)["id"]

    def last_words(self):
        return (self.folder / "daemon.log").read_text(errors="replace")[-4000:]

    def processes(self):
        """{pid: pidfd} of every process of this run but the daemon itself."""
        found = {}
        wanted = f"CRASH_TAG={self.tag}".encode()
        for entry in os.scandir("/proc"):
            if not entry.name.isdigit() or (self.process and int(entry.name) == self.process.pid):
                continue
            try:
                if wanted not in pathlib.Path(entry.path, "environ").read_bytes():
                    continue
                fd = os.pidfd_open(int(entry.name))
            except OSError:
                continue
            found[int(entry.name)] = fd
        return found

    def kill(self):
        """-9, and the seconds until nothing of it was left."""
        before = self.processes()
        began = time.monotonic()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        wait_gone(before)
        took = time.monotonic() - began
        # Whatever was forked in between is not in `before`.
        wait_gone(self.processes())
        self.process = None
        return took

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=60)
        self.process.stdout.close()
        left = self.processes()
        names = [describe(pid) for pid in left]
        wait_gone(left)
        self.process = None
        if status != 0:
            raise SystemExit(f"the daemon ended with {status}\n{self.last_words()}")
        return names


class Client:
    """One connection that is made again when it breaks. Every call may raise OSError or HTTPException."""

    def __init__(self, daemon):
        self.daemon, self.connection, self.port = daemon, None, None

    def ask(self, method, target, body=None, content_type="application/json"):
        if self.connection is None or self.port != self.daemon.port:
            self.close()
            self.port = self.daemon.port
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            headers = {"Content-Type": content_type} if body is not None else {}
            self.connection.request(method, target, body, headers)
            answer = self.connection.getresponse()
            return answer.status, answer.read()
        except BaseException:
            self.close()
            raise

    def json(self, method, target, body=None, content_type="application/json"):
        status, text = self.ask(method, target, body, content_type)
        return status, json.loads(text)

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None
