#!/usr/bin/env python3
"""Cached objects over keep-alive HTTP, 64 connections by wrk: Hotwell beside nginx, Varnish and a bare epoll loop.

    bench/scenario/http_cache.py BUILD_DIR [ROUNDS]

Each server has one thread for its connections (Varnish its own pool), the same bytes, and its turn in every round; what
is told are medians. nginx sends files by sendfile, Varnish holds objects in memory, the bare loop (hotwell-bench-epoll)
answers one buffer whatever is asked. All listen on loopback and are gone at the end.
"""
import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import urllib.request

CONNECTIONS = 64
SECONDS = 2
MIB = 1 << 20
BIG = 100 * MIB
CASES = {"1 KiB hits": "one", "64 KiB hits": "sixtyfour", "1 MiB ranges of 100 MiB": "big"}
SIZES = {"one": 1 << 10, "sixtyfour": 64 << 10, "big": BIG}
GOALS = {
    "1 KiB hits": [("nginx", 1.0), ("bare loop", 0.8)],
    "64 KiB hits": [("varnish", 1.0), ("nginx", 1.0)],
    "1 MiB ranges of 100 MiB": [("nginx", 1.0), ("varnish", 1.0)],
}
RANGES = """
request = function()
  local first = math.random(0, 99) * 1048576
  return wrk.format("GET", nil, {["Range"] = "bytes=" .. first .. "-" .. first + 1048575})
end
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(*command, **options):
    process = subprocess.Popen([str(part) for part in command], **options)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def until_it_answers(process, port):
    """Connecting fails at once while nobody listens; the kernel says when somebody does."""
    while process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
    raise SystemExit(f"{process.args[0]} ended with status {process.returncode}")


def get(port, path, fields=None):
    with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=fields or {})) as answer:
        return answer.read()


@contextlib.contextmanager
def hotwell(bin_dir, folder, files):
    folder.mkdir()
    config = folder / "hotwell.toml"
    config.write_text('[server]\nthreads = 1\n[media]\nenabled = false\n', encoding="utf-8")
    with running(bin_dir / "hotwell", "serve", "--config", config, "--listen", "127.0.0.1:0", "--data", folder / "data",
                 "--log-level", "error", stdout=subprocess.PIPE, text=True) as process:
        port = int(process.stdout.readline().rsplit(":", 1)[1])
        for name, data in files.items():
            put = urllib.request.Request(f"http://127.0.0.1:{port}/v1/cache/{name}", data=data, method="PUT",
                                         headers={"Content-Type": "application/octet-stream"})
            urllib.request.urlopen(put).read()
        yield port, "/v1/cache/"


@contextlib.contextmanager
def nginx(folder, files):
    root = folder / "root"
    root.mkdir(parents=True)
    for name, data in files.items():
        (root / name).write_bytes(data)
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(f"""
user root; daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; open_file_cache max=100;
  default_type application/octet-stream;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; root {root}; }} }}
""", encoding="utf-8")
    with running("nginx", "-c", config, "-e", folder / "error.log") as process:
        until_it_answers(process, port)
        yield port, "/"


@contextlib.contextmanager
def varnish(folder, origin):
    port = free_port()
    with running("varnishd", "-F", "-j", "none", "-a", f"127.0.0.1:{port}", "-b", f"127.0.0.1:{origin}", "-s",
                 "malloc,512m", "-n", folder, "-p", "thread_pool_min=64", "-t", "3600",
                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until_it_answers(process, port)
        yield port, "/"


@contextlib.contextmanager
def bare(bin_dir, size):
    with running(bin_dir / "hotwell-bench-epoll", size, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                 text=True) as process:
        yield int(process.stdout.readline()), "/"


def load(port, path, script=None, seconds=SECONDS):
    """Requests a second; every answer has to be a 2xx."""
    command = ["wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", f"{seconds}s", f"http://127.0.0.1:{port}{path}"]
    if script:
        command[1:1] = ["-s", str(script)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise SystemExit(f"{' '.join(command)}:\n{said}")
    return float(re.search(r"Requests/sec:\s+([\d.]+)", said).group(1))


def measure(bin_dir, folder, say, rounds=5):
    files = {name: os.urandom(size) for name, size in SIZES.items()}
    script = folder / "ranges.lua"
    script.write_text(RANGES, encoding="utf-8")
    with contextlib.ExitStack() as stack:
        started = {"hotwell": stack.enter_context(hotwell(bin_dir, folder / "hotwell", files)),
                   "nginx": stack.enter_context(nginx(folder / "nginx", files))}
        started["varnish"] = stack.enter_context(varnish(folder / "varnish", started["nginx"][0]))
        figures = {}
        for case, name in CASES.items():
            say(f"HTTP: {case}")
            servers = dict(started)
            if name != "big":
                servers["bare loop"] = stack.enter_context(bare(bin_dir, SIZES[name]))
            for server, (port, prefix) in servers.items():
                if server != "bare loop" and get(port, prefix + name) != files[name]:
                    raise SystemExit(f"{server} answered other bytes")
            runs = {server: [] for server in servers}
            for _ in range(rounds):
                for server, (port, prefix) in servers.items():
                    runs[server].append(load(port, prefix + name, script if name == "big" else None))
            figures[case] = {server: {"median": statistics.median(rates), "runs": rates}
                             for server, rates in runs.items()}
        return figures


def rows(figures):
    """One row a case and peer: what, Hotwell, peer, ratio, goal."""
    found = []
    for case, servers in figures.items():
        def told(server):
            rate = servers[server]["median"]
            return f"{rate * MIB / 1e9:.2f} GB/s" if case.startswith("1 MiB") else f"{rate:,.0f}/s"
        for peer, goal in GOALS[case]:
            ratio = servers["hotwell"]["median"] / servers[peer]["median"]
            found.append([case, told("hotwell"), f"{peer} {told(peer)}", f"{ratio:.2f}x", f"at least {goal}x"])
    return found


def main():
    bin_dir = pathlib.Path(sys.argv[1]).resolve() / "bin"
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with tempfile.TemporaryDirectory(prefix="hotwell-bench-") as folder:
        figures = measure(bin_dir, pathlib.Path(folder), lambda what: print(what, file=sys.stderr, flush=True), rounds)
    for row in rows(figures):
        print("  ".join(row))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
