#!/usr/bin/env python3
"""A daemon beside Debian's real Prometheus and Alertmanager, and a webhook sink of the test's own.

    peers.py SOURCE_DIR BIN_DIR

Nothing listens on a fixed port, everything lives in a fresh directory and is ended by its process id. Exit status 77
(skipped) where Prometheus or Alertmanager is not installed. Holds:
 - /metrics is clean under promtool and has at least 40 families; deploy/'s rules, scrape configuration and dashboard use
   only families that there are;
 - Prometheus scrapes the daemon;
 - an alert reaches the webhook and Alertmanager, which computes the same fingerprint; silences and test notifications work;
 - after kill -9 what fires goes on, and is told no second time.
"""
import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
from webhook import LIMIT, Webhook  # noqa: E402 (of tests/support)


class Program:
    """A process whose output tells when it is ready. Lines are read until its end, so that it never waits for us."""

    def __init__(self, argv, pattern, stream, **more):
        self.process = subprocess.Popen([str(each) for each in argv], stdin=subprocess.DEVNULL, text=True,
                                        stdout=subprocess.PIPE if stream == "stdout" else subprocess.DEVNULL,
                                        stderr=subprocess.PIPE if stream == "stderr" else None, **more)
        self.lines = []
        self.found = None
        self.ready = threading.Event()
        threading.Thread(target=self.read, args=(getattr(self.process, stream), re.compile(pattern)), daemon=True).start()
        if not self.ready.wait(LIMIT) or self.found is None:
            self.kill()
            raise SystemExit(f"{argv[0]} did not start:\n" + "".join(self.lines))

    def read(self, stream, pattern):
        for line in stream:
            self.lines.append(line)
            if self.found is None and (found := pattern.search(line)):
                self.found = found.group(1)
                self.ready.set()
        self.ready.set()

    def end(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait(LIMIT)

    def kill(self):
        self.end(signal.SIGKILL)


def ask(url, body=None, method=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=LIMIT) as answer:
            text = answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read().decode())
    try:
        return answer.status, json.loads(text)
    except ValueError:
        return answer.status, text


def until(what, question, pause):
    """Asks again, after waiting for whatever `pause` waits for, until the answer is true."""
    for _ in range(LIMIT * 5):
        if answer := question():
            return answer
        pause.wait(0.2)
    raise SystemExit(f"waited in vain until {what}")


def check(what, truth, said=""):
    print(("ok: " if truth else "NOT SO: ") + what, flush=True)
    if not truth:
        raise SystemExit(f"{said}")


def families(metrics):
    return set(re.findall(r"^# TYPE (\S+) ", metrics, re.MULTILINE))


def names_used(text):
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"\bhotwell_[a-z_]+", text)}


def main():
    source, bin_dir = (pathlib.Path(each).resolve() for each in sys.argv[1:])
    prometheus, alertmanager = shutil.which("prometheus"), shutil.which("prometheus-alertmanager")
    if not prometheus or not alertmanager:
        print("skipped: prometheus or prometheus-alertmanager is not installed")
        sys.exit(77)
    never = threading.Event()
    sink = Webhook()
    programs = []
    with tempfile.TemporaryDirectory(prefix="hotwell-peers-") as name:
        folder = pathlib.Path(name)
        try:
            run(source, bin_dir, folder, prometheus, alertmanager, sink, programs, never)
        finally:
            for program in reversed(programs):
                program.kill()
            sink.shutdown()


def run(source, bin_dir, folder, prometheus, alertmanager, sink, programs, never):
    (folder / "alertmanager.yml").write_text("route:\n  receiver: none\nreceivers:\n- name: none\n")
    listening = r'msg="Listening on" address=(\S+)'
    peer = Program([alertmanager, f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/am",
                    "--web.listen-address=127.0.0.1:0", "--cluster.listen-address="], listening, "stderr")
    programs.append(peer)
    (folder / "hotwell.toml").write_text(f"""
[media]
enabled = false
[monitor]
for = "1s"
clear_for = "1s"
thresholds.cpu = 100
thresholds.memory = 100
thresholds.disk = 0
thresholds.queue_depth = 1000
thresholds.burn_rate = 0
[[alerts.channel]]
name = "hook"
kind = "webhook"
url = "{sink.url}"
[[alerts.channel]]
name = "peer"
kind = "alertmanager"
url = "http://{peer.found}"
[[operation]]
name = "broken"
argv = ["false"]
permanent_exit_codes = [1]
""")
    serve = [bin_dir / "hotwell", "serve", "--config", folder / "hotwell.toml", "--listen", "127.0.0.1:0", "--data",
             folder / "data"]
    daemon = Program(serve, r"listening on (http://\S+)", "stdout")
    programs.append(daemon)
    url = daemon.found

    _, metrics = ask(f"{url}/metrics")
    promtool = subprocess.run(["promtool", "check", "metrics"], input=metrics, text=True, capture_output=True, check=False)
    check("promtool finds nothing to say about /metrics", promtool.returncode == 0 and not promtool.stderr, promtool.stderr)
    known = families(metrics)
    check(f"/metrics has {len(known)} families, at least 40", len(known) >= 40)
    for file in ("prometheus/alerts.yml", "grafana/hotwell.json"):
        used = names_used((source / "deploy" / file).read_text())
        check(f"deploy/{file} asks only for families that there are", used and used <= known, used - known)
    dashboard = json.loads((source / "deploy/grafana/hotwell.json").read_text())
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in dashboard["panels"]]
    check("no two panels of the dashboard stand on one place", len(places) == len(set(places)), places)
    for what, file in (("rules", "alerts.yml"), ("config", "prometheus.yml")):
        told = subprocess.run(["promtool", "check", what, source / "deploy/prometheus" / file], text=True,
                              capture_output=True, check=False)
        check(f"promtool takes deploy/prometheus/{file}", told.returncode == 0, told.stdout + told.stderr)

    config = (source / "deploy/prometheus/prometheus.yml").read_text()
    config = config.replace("127.0.0.1:8080", url.removeprefix("http://")).replace("15s", "1s")
    (folder / "prometheus.yml").write_text(config)
    shutil.copy(source / "deploy/prometheus/alerts.yml", folder)
    watcher = Program([prometheus, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/prometheus",
                       "--web.listen-address=127.0.0.1:0"], listening, "stderr")
    programs.append(watcher)

    status, answer = ask(f"{url}/v1/alerts/test", {"channel": "hook"})
    check("a test notification reaches the webhook", status == 200, answer)
    sink.wait_for_body(lambda body: body["alerts"][0]["labels"]["alertname"] == "test")
    status, answer = ask(f"{url}/v1/alerts/test", {"channel": "nobody"})
    check("a channel that is not there is told so", status == 404, answer)

    for _ in range(20):
        ask(f"{url}/v1/jobs?wait=30", {"operation": "broken"})
    fired = sink.wait_for_body(lambda body: body["status"] == "firing")["alerts"][0]
    check("failing jobs raise errorRate at the webhook", fired["labels"]["alertname"] == "errorRate", fired)

    def at_peer():
        _, alerts = ask(f"http://{peer.found}/api/v2/alerts")
        return next((each for each in alerts if each["labels"]["alertname"] == "errorRate"), None)

    theirs = until("Alertmanager has the alert", at_peer, never)
    check("Alertmanager computes the same fingerprint", theirs["fingerprint"] == fired["fingerprint"], theirs)
    _, alerts = ask(f"{url}/v1/alerts")
    ours = next(each for each in alerts["alerts"] if each["type"] == "errorRate")
    check("/v1/alerts tells it", ours["status"] == "firing" and ours["told"], ours)

    def scraped():
        _, answer = ask(f"http://{watcher.found}/api/v1/query?query=hotwell_requests_total%7Boutcome%3D%22failed%22%7D")
        return [each for each in answer["data"]["result"] if float(each["value"][1]) >= 20]

    check("Prometheus has scraped the failures", bool(until("Prometheus has the failures", scraped, never)))

    daemon.kill()
    before = len(sink.heard)
    daemon = Program(serve, r"listening on (http://\S+)", "stdout")
    programs.append(daemon)
    url = daemon.found
    status, silence = ask(f"{url}/v1/alerts/silences", {"matchers": {"alertname": "errorRate"}, "duration": 600})
    check("a silence begins", status == 201, silence)
    ended = sink.wait_for_body(lambda body: body["status"] == "resolved" and body["alerts"][0]["labels"]["alertname"] == "errorRate")
    check("after kill -9 and a restart its end is told, silence or not", ended["alerts"][0]["startsAt"] == fired["startsAt"],
          ended)
    again = [body for body in sink.heard[before:] if body["status"] == "firing"]
    check("and its firing no second time", not again, again)
    status, _ = ask(f"{url}/v1/alerts/silences/{silence['id']}", method="DELETE")
    check("a silence ends", status == 204)
    _, series = ask(f"{url}/v1/series?name=requests.rate,cpu&window=24h")
    check("the past has its shape", series["step"] == 60 and len(series["series"][0]["values"]) == series["count"] == 1440)
    daemon.end()
    check("the daemon ends well", daemon.process.returncode == 0, daemon.process.returncode)


main()
