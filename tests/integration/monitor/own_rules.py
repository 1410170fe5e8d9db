#!/usr/bin/env python3
"""Alerts of one's own: read, judged, told, changed by SIGHUP while the daemon runs, and added to it by API and CLI.

    own_rules.py BIN_DIR
"""
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
from daemon import Daemon  # noqa: E402 (of tests/support)
from webhook import Webhook  # noqa: E402

CONFIG = """
[media]
enabled = false
[pool]
min_workers = 0
[monitor]
for = "0s"
clear_for = "0s"
thresholds = {{ cpu = 100, memory = 100, error_rate = 100, disk = 0, burn_rate = 0 }}
[[alerts.channel]]
name = "hook"
kind = "webhook"
url = "{hook}"
"""
BUSY = """
[[alerts.rule]]
name = "busy"
series = "requests.rate"
endpoint = "GET /v1/cache/{key*}"
level = 0.2
window = "5s"
severity = "critical"
message = "Somebody asks the cache:"
"""
QUIET = """
[[alerts.rule]]
name = "quiet"
series = "requests.rate"
op = "<"
level = 1e9
window = "5s"
severity = "info"
"""


def check(what, truth, said=""):
    print(("ok: " if truth else "NOT SO: ") + what, flush=True)
    if not truth:
        raise SystemExit(f"{said}")


def about(body, name, status):
    return any(alert["labels"]["alertname"] == name and alert["status"] == status for alert in body["alerts"])


def rules(daemon):
    return {rule["type"]: rule for rule in json.loads(daemon.ask("GET", "/v1/alerts")[1])["rules"] if rule["own"]}


def reload(daemon, text):
    daemon.config.write_text(text, encoding="utf-8")
    daemon.process.send_signal(signal.SIGHUP)


def channels(daemon, base, hook):
    """SIGHUP brings another to tell, and takes it away."""
    second = Webhook()
    try:
        channel = f'[[alerts.channel]]\nname = "second"\nkind = "webhook"\nurl = "{second.url}"\n'
        reload(daemon, base + channel + QUIET.replace('"quiet"', '"still"'))
        second.wait_for_body(lambda each: about(each, "still", "firing"))
        names = [each["name"] for each in json.loads(daemon.ask("GET", "/v1/alerts")[1])["channels"]]
        check("SIGHUP brings a channel, which is told", sorted(names) == ["hook", "second"], names)
        reload(daemon, base)
        hook.wait_for_body(lambda each: about(each, "still", "resolved"))
        names = [each["name"] for each in json.loads(daemon.ask("GET", "/v1/alerts")[1])["channels"]]
        check("and takes it away", names == ["hook"], names)
        check("who was taken away heard nothing more", not any(about(each, "still", "resolved") for each in second.heard), second.heard)
    finally:
        second.shutdown()


def hotwell(bin_dir, daemon, *words):
    return subprocess.run([bin_dir / "hotwell", "alerts", *words, "--server", daemon.url], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, check=False)


def added(bin_dir, daemon, hook):
    """Rules that come, outlive a kill, and go while the daemon runs."""
    status, text = daemon.ask("PUT", "/v1/alerts/rules/calm", json.dumps({"series": "requests.speed", "level": 1}))
    check("a rule over a series that is not there is refused", status == 400 and b"requests.speed" in text, text)
    status, text = daemon.ask("PUT", "/v1/alerts/rules/calm", json.dumps({"series": "requests.rate", "level": 1, "colour": 1}))
    check("and one with a member that is none", status == 400 and b"colour" in text, text)
    rule = {"series": "requests.rate", "op": "<", "level": 1e9, "window": 5, "severity": "info", "message": "It is calm:"}
    status, text = daemon.ask("PUT", "/v1/alerts/rules/calm", json.dumps(rule))
    check("a rule is added by API", status == 200 and json.loads(text)["name"] == "calm", text)
    hook.wait_for_body(lambda each: about(each, "calm", "firing"))
    check("it is judged and told", rules(daemon)["calm"]["added"], rules(daemon))
    said = hotwell(bin_dir, daemon, "add", "steep", "--series", "queue", "--level", "1e6", "--window", "60", "--severity", "critical")
    check("another by CLI", said.returncode == 0 and "stays so" in said.stdout, said)
    said = hotwell(bin_dir, daemon, "rules")
    check("both are listed", "calm" in said.stdout and "steep" in said.stdout and "added" in said.stdout, said)
    kept = json.loads(daemon.ask("GET", "/v1/alerts/rules")[1])["rules"]

    daemon.kill()
    daemon.start()
    check("they survive kill -9", json.loads(daemon.ask("GET", "/v1/alerts/rules")[1])["rules"] == kept, kept)
    check("one that fired still does", rules(daemon)["calm"]["status"] in ("firing", "clearing"), rules(daemon))
    said = hotwell(bin_dir, daemon, "remove", "steep")
    check("one is removed by CLI", said.returncode == 0 and "steep" not in rules(daemon), said)
    check("the other by API", daemon.ask("DELETE", "/v1/alerts/rules/calm")[0] == 204)
    hook.wait_for_body(lambda each: about(each, "calm", "resolved"))
    check("what is not there is not found", daemon.ask("DELETE", "/v1/alerts/rules/calm")[0] == 404)
    said = hotwell(bin_dir, daemon, "remove", "cpu")
    check("what comes with the monitor is not removed", said.returncode == 1 and "was not added" in said.stderr, said)


def main():
    bin_dir = pathlib.Path(sys.argv[1]).resolve()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hotwell-rules-"))
    hook = Webhook()
    daemon = Daemon(bin_dir, folder, CONFIG, hook=hook.url)
    base = daemon.config.read_text(encoding="utf-8")
    try:
        daemon.config.write_text(base + BUSY.replace("requests.rate", "requests.speed"), encoding="utf-8")
        refused = subprocess.run([bin_dir / "hotwell", "serve", "--config", daemon.config, "--data", folder / "data"],
                                 capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        check("a rule of a series that is not there is refused at the start",
              refused.returncode == 2 and 'alerts.rule "busy": there is no series "requests.speed"' in refused.stderr, refused)

        daemon.config.write_text(base + BUSY, encoding="utf-8")
        daemon.start()
        rule = rules(daemon)["busy"]
        check("the rule stands beside the others", (rule["threshold"], rule["unit"], rule["below"]) == (0.2, "1/s", False), rule)
        for _ in range(20):
            daemon.ask("GET", "/v1/cache/nothing")
        body = hook.wait_for_body(lambda each: about(each, "busy", "firing"))
        alert = body["alerts"][0]
        check("it is told, with its severity and in its words", alert["labels"]["severity"] == "critical" and
              alert["annotations"]["summary"].startswith("Somebody asks the cache: "), alert)

        reload(daemon, base + BUSY + QUIET)
        hook.wait_for_body(lambda each: about(each, "quiet", "firing"))
        check("SIGHUP brings a rule that looks below", rules(daemon)["quiet"]["below"])
        reload(daemon, base + QUIET.replace('"5s"', '"nonsense"'))
        reload(daemon, base)
        hook.wait_for_body(lambda each: about(each, "quiet", "resolved"))
        check("SIGHUP takes it away, and who was told hears of its end", "quiet" not in rules(daemon), rules(daemon))
        hook.wait_for_body(lambda each: about(each, "busy", "resolved"))
        check("no rule of one's own is left", not rules(daemon), rules(daemon))
        channels(daemon, base, hook)
        added(bin_dir, daemon, hook)
        daemon.stop()
    except BaseException:
        print(daemon.last_words(), file=sys.stderr)
        raise
    finally:
        if daemon.process:
            daemon.process.kill()
            daemon.process.wait()
        daemon.log.close()
        hook.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


main()
