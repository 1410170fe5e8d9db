"""Media over HTTP, cold and cached, against ffmpeg and ffprobe started for the same work, alternating in one run.

Hotwell's side is a daemon of its own on a free port, asked over one keep-alive connection; its times include HTTP.
ffmpeg's side is one process for each picture, as people write it: seek before the input, one frame, scaled, as JPEG.
"""
import json
import os
import pathlib
import random
import shutil
import signal
import statistics
import subprocess
import time
import urllib.parse
import urllib.request

WIDTH = 320
SEED = 7


def run(*command, **options):
    return subprocess.run([str(c) for c in command], check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          **options)


class Daemon:
    """`hotwell serve` over a folder of media; stopped and swept away at the end."""

    def __init__(self, bin_dir, folder):
        self.log = open(folder / "daemon.log", "w", encoding="utf-8")
        self.process = subprocess.Popen(
            [bin_dir / "hotwell", "serve", "--listen", "127.0.0.1:0", "--data", folder / "data", "--media-root",
             folder / "media"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("listening on http://"):
            raise SystemExit(f"the daemon did not start; its log is {self.log.name}")
        self.url = line.split()[-1]

    def metrics(self):
        with urllib.request.urlopen(f"{self.url}/performance/metrics?format=raw", timeout=30) as answer:
            return json.load(answer)

    def memory(self):
        """Bytes of the daemon, its spawner and its workers: proportional set size, shared pages counted once."""
        parents = {}
        for status in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = status.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(status.parent.name)] = int(fields[1])
        family, grew = {self.process.pid}, True
        while grew:
            more = {pid for pid, parent in parents.items() if parent in family} - family
            family |= more
            grew = bool(more)
        total = 0
        for pid in family:
            try:
                rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:
                continue
            total += sum(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))
        return total

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)
        self.log.close()


class Client:
    """hotwell-bench-http: one keep-alive connection that answers how long each request took."""

    def __init__(self, bin_dir, url):
        host, _, port = urllib.parse.urlsplit(url).netloc.rpartition(":")
        self.process = subprocess.Popen([bin_dir / "hotwell-bench-http", host, port], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def get(self, target):
        """Seconds that the request took, and its Cache-Status."""
        self.process.stdin.write(target + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().rstrip("\n").split(" ", 3)
        if len(answer) < 4 or answer[0] != "200":
            raise SystemExit(f"GET {target} was answered: {' '.join(answer) or 'nothing'}")
        return int(answer[2]) / 1e9, answer[3]

    def get_cold(self, target):
        """Seconds that a request took that must not have been cached."""
        took, status = self.get(target)
        if "hit" in status:
            raise SystemExit(f"{target} was to be cold, but was answered from the cache: {status}")
        return took

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)


def thumbnail(clip, at, width=WIDTH):
    return f"/media/thumbnail/{urllib.parse.quote(clip.name)}?at={at:.3f}&width={width}"


def ffmpeg(clip, at, out):
    return ["ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-ss", f"{at:.3f}", "-i", str(clip), "-frames:v", "1", "-vf",
            f"scale={WIDTH}:-2", "-q:v", "4", str(out)]


def timed(command, **options):
    began = time.perf_counter()
    run(*command, **options)
    return time.perf_counter() - began


def find_clip(bin_dir, folder):
    """MEDIA, or a real clip of the test data, or one of our own making."""
    data = pathlib.Path(os.environ.get("HOTWELL_TEST_DATA", "../shared/data"))
    for candidate in (os.environ.get("MEDIA"), data / "media" / "bbb-480p-30s.mp4"):
        if candidate and pathlib.Path(candidate).is_file():
            return pathlib.Path(candidate)
    made = folder / "sample.mp4"
    run(bin_dir / "hotwell-sample-clip", made, "--seconds", 30, "--size", "854x480")
    return made


def summary(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "n": len(values)}


def cold_at_random_times(client, clip, seconds, folder, count=41):
    hotwell, spawned = [], []
    random_ = random.Random(SEED)
    for at in [random_.uniform(0, seconds) for _ in range(count)]:
        hotwell.append(client.get_cold(thumbnail(clip, at)))
        spawned.append(timed(ffmpeg(clip, at, folder / "out.jpg")))
    return {"hotwell": summary(hotwell), "ffmpeg": summary(spawned)}


def cached(client, clip, seconds, count=2000):
    targets = [thumbnail(clip, seconds * (i + 0.5) / 20, WIDTH + 2) for i in range(20)]
    for target in targets:
        client.get(target)
    times = []
    for i in range(count):
        took, status = client.get(targets[i % len(targets)])
        if "hit" not in status:
            raise SystemExit(f"{targets[i % len(targets)]} was not cached: {status}")
        times.append(took)
    return {"hotwell": summary(times)}


def probe(client, copies):
    hotwell, spawned = [], []
    for copy in copies:
        hotwell.append(client.get_cold(f"/media/probe/{urllib.parse.quote(copy.name)}"))
        spawned.append(timed(["ffprobe", "-v", "error", "-print_format", "json", "-show_format", "-show_streams", copy]))
    return {"hotwell": summary(hotwell), "ffprobe": summary(spawned)}


def hundred_thumbnails(client, clip, seconds, folder, rounds=5):
    """The same 100 pictures, each round at times of its own so that it starts cold."""
    cold, warm, spawned = [], [], []
    out = folder / "pictures"
    out.mkdir()
    for number in range(rounds):
        times = [seconds * i / 100 + 0.001 * (number + 1) for i in range(100)]
        targets = [thumbnail(clip, at, WIDTH + 4) for at in times]
        for results, get in ((cold, client.get_cold), (warm, client.get)):
            began = time.perf_counter()
            for target in targets:
                get(target)
            results.append(time.perf_counter() - began)
        arguments = "\0".join("\0".join((f"{at:.3f}", str(out / f"{i}.jpg"))) for i, at in enumerate(times))
        command = " ".join(["exec", "ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-ss", '"$1"', "-i", '"$0"',
                            "-frames:v", "1", "-vf", f"scale={WIDTH + 4}:-2", "-q:v", "4", '"$2"'])
        began = time.perf_counter()
        subprocess.run(["xargs", "-0", "-P2", "-n2", "sh", "-c", command, str(clip)], input=arguments, text=True, check=True)
        spawned.append(time.perf_counter() - began)
        if len(list(out.iterdir())) != 100:
            raise SystemExit("ffmpeg did not make 100 pictures")
    return {"cold": summary(cold), "cached": summary(warm), "xargs": summary(spawned)}


def visitors(client, clip, seconds, count=2000, pictures=100):
    """Requests as a site has them: few pictures asked for often, many seldom (Zipf 1.0), starting with none."""
    random_ = random.Random(SEED)
    targets = [thumbnail(clip, seconds * (i + 0.25) / pictures, WIDTH + 6) for i in range(pictures)]
    random_.shuffle(targets)
    chosen = random_.choices(targets, [1 / rank for rank in range(1, pictures + 1)], k=count)
    hits, misses = [], []
    for target in chosen:
        took, status = client.get(target)
        (hits if "hit" in status else misses).append(took)
    return {"requests": count, "pictures": pictures, "hit_rate": len(hits) / count, "mean": statistics.mean(hits + misses),
            "cached": summary(hits), "uncached": summary(misses)}


def measure(bin_dir, folder, say):
    """Runs every scenario; `say` is told what is going on."""
    (folder / "media").mkdir()
    original = find_clip(bin_dir, folder)
    clip = folder / "media" / f"clip{original.suffix}"
    shutil.copyfile(original, clip)
    copies = [folder / "media" / f"copy-{i}{original.suffix}" for i in range(21)]
    for copy in copies:
        shutil.copyfile(original, copy)
    seconds = float(run("ffprobe", "-v", "error", "-show_entries", "stream=duration", "-select_streams", "v:0", "-of",
                        "csv=p=0", clip).stdout.split()[0].strip(","))
    last = max(0.0, seconds - 0.2)
    figures = {"clip": original.name, "clip_bytes": clip.stat().st_size, "clip_seconds": seconds}
    daemon = Daemon(bin_dir, folder)
    try:
        client = Client(bin_dir, daemon.url)
        client.get(thumbnail(clip, last / 2))  # the worker is up and has its libraries loaded
        client.get(f"/media/probe/{urllib.parse.quote(copies.pop().name)}")
        run(*ffmpeg(clip, last / 2, folder / "out.jpg"))  # ffmpeg's are in the page cache too
        run("ffprobe", "-v", "error", clip)
        say("thumbnails at random times, cold, and ffmpeg for the same")
        figures["cold"] = cold_at_random_times(client, clip, last, folder)
        say("cached thumbnails")
        figures["cached"] = cached(client, clip, last)
        say("probe, and ffprobe for the same")
        figures["probe"] = probe(client, copies)
        say("100 thumbnails in order of time, and xargs -P2 ffmpeg for the same")
        figures["hundred"] = hundred_thumbnails(client, clip, last, folder)
        say("visitors")
        figures["visitors"] = visitors(client, clip, last)
        client.close()
        figures["memory"] = daemon.memory()
        figures["metrics"] = daemon.metrics()
    finally:
        daemon.stop()
    return figures
