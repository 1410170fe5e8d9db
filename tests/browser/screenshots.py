#!/usr/bin/env python3
"""Makes the guide's pictures of the dashboard, from a real daemon under load.

    tests/browser/screenshots.py [PROGRAMS [FOLDER]]      by default build/release/bin and docs/guide

Takes about a minute: the charts want something to show.
"""
import os
import subprocess
import sys

import chromium
from gated import Gated

READY = "!document.getElementById('page').hidden && document.querySelector('#view > *')"
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def main():
    programs = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else f"{TOP}/build/release/bin")
    folder = os.path.abspath(sys.argv[2] if len(sys.argv) > 2 else f"{TOP}/docs/guide")
    if not chromium.find():
        print("there is no Chromium on this machine: the package chromium brings it", file=sys.stderr)
        return 2
    with Gated(programs, max_workers=4, queue_depth=4) as daemon, chromium.Browser() as browser:
        clip = f"{daemon.home}/media/clip.mp4"
        subprocess.run([f"{programs}/hotwell-sample-clip", clip], check=True)
        load = [f"{programs}/hotwell", "bench", "--server", daemon.url, "--rate", "120", "--keys", "400", "--size", "1KiB-32KiB",
                "--mix", "get=88,put=4,media=6,job=2", "--media", "thumbnail/clip.mp4?width={n}",
                "--job", '{"operation":"upper","params":{"n":"{n}"}}']
        subprocess.run([*load, "--duration", "40s"], check=True, stdout=subprocess.DEVNULL)
        daemon.submit("transcode", input="clip.mp4", params={"width": 1280})
        thumbnail = daemon.submit("thumbnail", input="clip.mp4", params={"width": 480, "format": "png"})
        with subprocess.Popen([*load, "--duration", "20s", "--seed", "2"], stdout=subprocess.DEVNULL):
            page = browser.open(daemon.url + "/", width=1280, height=860)
            page.wait(READY)
            page.wait("document.getElementById('live').textContent === 'live' && document.querySelector('.legend b').textContent !== '–'")
            page.screenshot(f"{folder}/dashboard.png", full=True)
            page.js(f"location.hash = '#/jobs/{thumbnail}'")
            page.wait("document.querySelector('.result img')?.naturalWidth > 0", frames=6000)
            page.screenshot(f"{folder}/dashboard-jobs.png")
        # More than the workers can do, for an alert that fires.
        for n in range(9):
            daemon.submit("wait", params={"n": n}, priority=["high", "normal", "low"][n % 3])
        page = browser.open(daemon.url + "/", width=1280, height=860, scheme="dark")
        page.wait("document.getElementById('firing')?.textContent !== ''")
        page.wait("document.querySelector('.legend b').textContent !== '–'")
        page.screenshot(f"{folder}/dashboard-alert.png")
        phone = browser.open(daemon.url + "/", width=390, height=844, scheme="dark", mobile=True)
        phone.wait(READY)
        phone.wait("document.querySelector('.legend b').textContent !== '–'")
        phone.screenshot(f"{folder}/dashboard-phone.png")
    for name in ("dashboard", "dashboard-jobs", "dashboard-alert", "dashboard-phone"):
        print(f"{folder}/{name}.png: {os.path.getsize(f'{folder}/{name}.png') // 1024} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
