"""What the monitor reaches beside its peers: recording, scrapes, its cost, alerts, and the page. A part of bench/run;
bench/monitor runs it alone.

Alerts and the page are measured at a daemon of their own. Figures are seconds, bytes and ratios.
"""
import contextlib
import http.client
import http.server
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/browser"))
HEADER = ["what", "Hotwell", "beside", "ratio", "goal"]
PARTS = ("calls", "prom_client", "live", "alerts", "page")

CONFIG = """
[media]
enabled = false
[pool]
max_workers = 1
[monitor]
thresholds = {{ cpu = 100, memory = 100, error_rate = 100, queue_depth = 3, disk = 0 }}
for = "1s"
clear_for = "0s"
[[alerts.channel]]
name = "hook"
kind = "webhook"
url = "{hook}"
[[operation]]
name = "wait"
argv = ["sh", "-c", "read line < {home}/gate"]
cache = false
"""


@contextlib.contextmanager
def daemon(bin_dir, folder, config=""):
    """`hotwell serve` in a folder: its address and its process."""
    (folder / "hotwell.toml").write_text(config, encoding="utf-8")
    with open(folder / "log", "a", encoding="utf-8") as log:
        process = subprocess.Popen(
            [bin_dir / "hotwell", "serve", "--config", folder / "hotwell.toml", "--listen", "127.0.0.1:0", "--data", folder / "data"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            line = process.stdout.readline()
            if not line.startswith("listening on http://"):
                raise SystemExit(f"the daemon did not start: {(folder / 'log').read_text()}")
            yield line.split()[-1], process
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def ask(url, method, target, body=None):
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    connection.request(method, target, None if body is None else json.dumps(body))
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.status >= 300:
        raise SystemExit(f"{method} {target}: {answer.status} {text[:200]}")
    return json.loads(text)


class Sink(http.server.ThreadingHTTPServer):
    """Notes when which body came."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.heard = []
        self.changed = threading.Condition()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            came = time.monotonic()
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()
            with self.server.changed:
                self.server.heard.append((came, body["status"]))
                self.server.changed.notify_all()

        def log_message(self, *_):
            pass

    def wait(self, count):
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.heard) >= count, 60):
                raise SystemExit(f"the webhook heard only {self.heard}")
            return self.heard[count - 1]


def calls(bin_dir, _):
    if not (bin_dir / "hotwell-bench-monitor").exists():  # prometheus-cpp was not there
        return None
    return json.loads(subprocess.run([bin_dir / "hotwell-bench-monitor"], check=True, capture_output=True, text=True).stdout)


def live(bin_dir, _):
    if not (bin_dir / "hotwell-bench-monitor-live").exists():
        return None
    return json.loads(subprocess.run([bin_dir / "hotwell-bench-monitor-live", bin_dir / "hotwell-bench-worker"], check=True,
                                     capture_output=True, text=True).stdout)


def prom_client(_, folder):
    """Nanoseconds an observation, or None where npm is not here or brings nothing."""
    if not shutil.which("npm") or not shutil.which("node"):
        return None
    shutil.copy(TOP / "bench/scenario/prom_client.mjs", folder)
    (folder / "package.json").write_text('{"private":true}')
    done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent", "prom-client@15"], cwd=folder, check=False)
    if done.returncode != 0:
        return None
    told = subprocess.run(["node", "prom_client.mjs"], cwd=folder, check=True, capture_output=True, text=True)
    return statistics.median(json.loads(told.stdout))


def alerts(bin_dir, folder):
    """Seconds from the cause of an alert to the receiver's knowing, its `for` taken off."""
    sink = Sink()
    os.mkfifo(folder / "gate")
    hook = f"http://127.0.0.1:{sink.server_address[1]}/"
    late = []
    with daemon(bin_dir, folder, CONFIG.format(hook=hook, home=folder)) as (url, _):
        for n in range(5):
            began = time.monotonic()
            jobs = [ask(url, "POST", "/v1/jobs", {"operation": "wait"})["id"] for _ in range(6)]
            came, status = sink.wait(2 * n + 1)
            if status != "firing":
                raise SystemExit(f"heard {status} instead of firing")
            late.append(came - began - 1.0)
            for job in jobs:
                ask(url, "DELETE", f"/v1/jobs/{job}")
            sink.wait(2 * n + 2)
    sink.shutdown()
    return {"beyond_for": late}


def processor_seconds(pids):
    """What these processes and all that they started have used."""
    children = {}
    used = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(stat.parent.name)
        children.setdefault(int(fields[1]), []).append(pid)
        used[pid] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    total, todo = 0.0, list(pids)
    while todo:
        pid = todo.pop()
        total += used.get(pid, 0.0)
        todo += children.get(pid, [])
    return total


def page(bin_dir, folder):
    """The dashboard in Chromium over a day of data, or None without a Chromium."""
    import chromium  # noqa: PLC0415 (stands beside the browser tests)
    if not chromium.find() or not (bin_dir / "hotwell-bench-monitor").exists():
        return None
    subprocess.run([bin_dir / "hotwell-bench-monitor", "fill", folder / "data/monitor"], check=True)
    with daemon(bin_dir, folder, "[media]\nenabled = false\n") as (url, process), chromium.Browser() as browser:
        began = time.monotonic()
        before = processor_seconds([process.pid])
        # What only a test listens to costs the browser much: a tree of accessibility kept for it, each answer reported.
        page = browser.open(url + "/", width=1440, height=900, domains=("Page", "Runtime", "Network"))
        page.wait("!document.getElementById('page').hidden && document.querySelector('.tile .value')?.textContent")
        shown = page.js("performance.getEntriesByName('figures')[0].startTime") / 1e3
        paint = page.js("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0") / 1e3
        weight = sum(r["bytes"] for r in page.responses.values() if "/v1/" not in r["url"] and "/performance/" not in r["url"])
        everything = sum(r["bytes"] for r in page.responses.values())
        figures = {"first_paint": paint, "first_figures": shown, "static_bytes": weight, "all_bytes": everything,
                   "opened": time.monotonic() - began, "server_open": processor_seconds([process.pid]) - before}
        page.command("Network.disable")
        page.click("#ranges button:nth-child(3)")
        page.wait("document.querySelector('#ranges button:nth-child(3)').getAttribute('aria-pressed') === 'true'")
        # A browser that has just started is busy with itself for some seconds.
        page.js("new Promise((done) => setTimeout(done, 10000))")
        for name in ("24h", "5m"):
            page.click(f"#ranges button:nth-child({3 if name == '24h' else 1})")
            page.js("new Promise((done) => { let left = 120; const tick = () => --left > 0 ? requestAnimationFrame(tick) : done(); tick(); })")
            began, server, seen = time.monotonic(), processor_seconds([process.pid]), processor_seconds([browser.process.pid])
            page.js("new Promise((done) => { const end = performance.now() + 20000; const look = setInterval(() => { if (performance.now() >= end) { clearInterval(look); done(); } }, 1000); })")
            passed = time.monotonic() - began
            figures[name] = {"server": (processor_seconds([process.pid]) - server) / passed,
                             "browser": (processor_seconds([browser.process.pid]) - seen) / passed}
    return figures


def measure(bin_dir, say, parts=PARTS):
    results = {}
    for part in parts:
        say(f"monitor: {part}")
        with tempfile.TemporaryDirectory(prefix="hotwell-bench-", ignore_cleanup_errors=True) as folder:
            results[part] = globals()[part](bin_dir, pathlib.Path(folder))
    return results


def rows(results):
    """Rows of (what, Hotwell, beside, ratio, goal)."""
    found = []

    def add(what, ours, beside="", ratio="", goal=""):
        found.append([what, ours, beside, ratio, goal])

    def ns(value):
        return f"{value:,.1f} ns"

    def ms(value):
        return f"{value / 1e6:.2f} ms"

    def pairs(of):
        low, middle, high = of["pairs"]
        return f"{middle:.3f}x ({low:.3f} to {high:.3f})"

    if some := results.get("calls"):
        one, two = some["recording"]["1"], some["recording"]["2"]
        add("record a duration, one thread", ns(one["hotwell"]), "", "", "at most 5 ns")
        add("the same, two threads", ns(two["hotwell"]), f"one thread {ns(one['hotwell'])}", f"{two['hotwell'] / one['hotwell']:.2f}x",
            "no slower")
        add("the same, by the endpoint's name", ns(one["hotwell_by_name"]))
        add("allocations while recording", str(some["recording"]["allocations"]), "", "", "0")
        for name, label, goal in (("prometheus_histogram", "prometheus-cpp Histogram", 10), ("prometheus_summary", "its Summary", 100)):
            add(f"beside {label}, two threads", ns(two["hotwell"]), f"{ns(two[name])} (one thread {ns(one[name])})",
                f"{two[name] / two['hotwell']:.0f}x", f"at least {goal}x")
        if client := results.get("prom_client"):
            add("beside prom-client's histogram", ns(one["hotwell"]), ns(client), f"{client / one['hotwell']:.0f}x", "at least 20x")
        worst = max(some["quantile_errors"].items(), key=lambda each: each[1])
        add("quantiles p50 to p99.9, 6 distributions, 14 windows", f"{worst[1]:.2%} off at most ({worst[0]})", "exact ranks", "", "within 1 %")
        add("counts lost of 10^8 on two threads", str(some["lost"]), "", "", "0")
        scrape = some["scrape"]
        add("15,000 lines of histograms, written", ms(scrape["hotwell"]), f"prometheus-cpp {ms(scrape['prometheus'])}",
            f"{scrape['hotwell'] / scrape['prometheus']:.2f}x", "at most 0.33x")
        add(f"a whole monitor's {scrape['whole_lines']:,} lines, computed and written", ms(scrape["whole_hotwell"]),
            f"prometheus-cpp {ms(scrape['whole_prometheus'])}", f"{scrape['whole_hotwell'] / scrape['whole_prometheus']:.2f}x", "at most 0.33x")
        memory, more = some["memory"], some["memory_with_operations"]
        add("memory, 256 endpoints", f"{memory['bytes'] / 1e6:.1f} MB", "", "", "at most 64 MB")
        add("the same, and 256 operations", f"{more['bytes'] / 1e6:.1f} MB")
        add("a second's work with them", ms(more["tick"]))
    if some := results.get("live"):
        scrape, jobs, rate = some["scrape"], some["jobs"], some["throughput"]
        add(f"{scrape['lines']:,} lines over HTTP", ms(scrape["hotwell"]), f"prometheus-cpp {ms(scrape['prometheus'])}",
            f"{scrape['hotwell'] / scrape['prometheus']:.2f}x", "at most 0.33x")
        add("p99 of a job while one scrapes each second", f"{jobs['p99_scraped'] / 1e3:.0f} us", f"without {jobs['p99'] / 1e3:.0f} us",
            pairs(jobs), "within 1.05x")
        add("requests with the monitor's seconds", f"{rate['with']:,.0f}/s", f"without {rate['without']:,.0f}/s", pairs(rate), "at least 0.95x")
    if some := results.get("alerts"):
        late = sorted(some["beyond_for"])
        add("an alert at its receiver, beyond `for`", f"{late[len(late) // 2]:.2f} s, at most {late[-1]:.2f} s", "", "", "at most 2 s")
    if some := results.get("page"):
        add("page: first paint, first figures", f"{some['first_paint']:.2f} s, {some['first_figures']:.2f} s", "", "", "under 1 s")
        add("page: its files; with its first answers", f"{some['static_bytes'] / 1e3:.0f} kB; {some['all_bytes'] / 1e3:.0f} kB", "", "", "under 200 kB")
        for name in ("5m", "24h"):
            add(f"page open at {name}, of a core", f"server {some[name]['server']:.1%}, browser {some[name]['browser']:.1%}", "", "", "under 5 % each")
    return found
