#!/usr/bin/env python3
"""The dashboard in a real Chromium, over a real daemon.

    page_test.py PROGRAMS [CASE...]     PROGRAMS: the folder of hotwell; exit status 77 where there is no browser

Every case has a daemon, a browsing context and a page of its own; one browser serves them all.
"""
import os
import subprocess
import sys
import time
import traceback

import accessibility
import chromium
from gated import Gated

VIEWS = ["overview", "jobs", "alerts", "knobs", "events"]
READY = "!document.getElementById('page').hidden && document.querySelector('#view > *')"


def check(condition, *what):
    if not condition:
        raise AssertionError(" ".join(str(w) for w in what))


def silent(page, but=""):
    """The console stayed empty, but for lines that hold `but`."""
    odd = [line for line in page.complaints if not but or but not in line]
    check(not odd, "the console says:", *odd)


def every_view_shows_without_a_word_on_the_console(programs, browser):
    with Gated(programs) as daemon:
        page = browser.open(daemon.url + "/")
        page.wait(READY)
        for name, sign in {"overview": "What to do", "jobs": "Submit a job", "alerts": "No alert fires", "knobs": "pool.max_workers", "events": "Events"}.items():
            page.click(f"#views a[href='#/{name}']")
            page.wait(f"document.getElementById('view').innerText.includes({sign!r})")
            check(page.text("#views a[aria-current]").strip().startswith(name.capitalize()), name, "is not marked as current")
        silent(page)


def the_page_is_light_and_comes_from_the_server_alone(programs, browser):
    with Gated(programs) as daemon:
        page = browser.open(daemon.url + "/")
        page.wait(READY)
        files = [r for r in page.responses.values() if not r["url"].startswith("data:")]
        check(all(r["url"].startswith(daemon.url) for r in files), "something came from elsewhere:", files)
        static = [r for r in files if "/v1/" not in r["url"] and "/performance/" not in r["url"]]
        weight = sum(r["bytes"] for r in static)
        check(len(static) == 3 and 10_000 < weight < 200_000, weight, "bytes:", static)
        paint = page.wait("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
        print(f"{weight} bytes, first paint after {paint:.0f} ms")
        silent(page)


def figures_change_while_one_looks(programs, browser):
    with Gated(programs) as daemon:
        page = browser.open(daemon.url + "/")
        page.wait(READY)
        tile = "[...document.querySelectorAll('.tile')].find((t) => t.firstChild.textContent === 'Requests')"
        check(page.wait(f"{tile}.innerText.includes('0 in')"), "there were requests before the first")
        for i in range(20):
            check(daemon.ask("PUT", f"/v1/cache/k{i}", "x" * 1000)[0] in (200, 201, 204))
            check(daemon.ask("GET", f"/v1/cache/k{i}")[0] == 200)
        page.wait(f"{tile}.innerText.includes('40 in')")
        page.wait("document.body.innerText.includes('GET /v1/cache/{key*}')")
        daemon.submit("wait", params={"n": 0})
        page.wait("document.querySelector('.workers li[data-state=busy]')?.innerText.includes('wait')")
        page.wait("document.getElementById('live').textContent === 'live'")
        silent(page)


def one_cursor_runs_through_all_charts(programs, browser):
    with Gated(programs) as daemon:
        page = browser.open(daemon.url + "/")
        page.wait(READY)
        page.js("document.querySelector('.chart .plot').focus()")
        page.press("ArrowLeft")
        moments = "[...document.querySelectorAll('.chart .when')].map((e) => e.textContent)"
        page.wait(f"{moments}.every((t) => t.includes(':'))")
        check(len(set(page.js(moments))) == 1, "the charts stand at different moments:", page.js(moments))
        page.press("Escape")
        page.wait(f"{moments}.every((t) => t === '')")
        silent(page)


def dragging_zooms_all_charts_and_a_button_ends_it(programs, browser):
    with Gated(programs) as daemon:
        page = browser.open(daemon.url + "/")
        page.wait(READY)
        page.wait("document.querySelector('.chart .plot').getBoundingClientRect().width > 100")
        x, y, width, height = page.js("(() => { const b = document.querySelector('.chart .plot').getBoundingClientRect(); return [b.x, b.y, b.width, b.height]; })()")
        pressed = {"y": y + height / 2, "button": "left", "clickCount": 1}
        page.command("Input.dispatchMouseEvent", type="mousePressed", x=x + width * 0.5, **pressed)
        page.command("Input.dispatchMouseEvent", type="mouseMoved", x=x + width * 0.7, buttons=1, **pressed)
        page.command("Input.dispatchMouseEvent", type="mouseReleased", x=x + width * 0.7, **pressed)
        page.wait("!document.getElementById('zoom-out').hidden")
        page.wait("document.querySelectorAll('#ranges [aria-pressed=true]').length === 0")
        page.click("#zoom-out")
        page.wait("document.getElementById('zoom-out').hidden && document.querySelector('#ranges [aria-pressed=true]').textContent === '5m'")
        page.js("document.querySelector('.chart .plot').focus()")
        page.press("+")
        page.wait("!document.getElementById('zoom-out').hidden")
        page.press("Escape")
        page.wait("document.getElementById('zoom-out').hidden")
        silent(page)


def workers_tell_what_they_use(programs, browser):
    with Gated(programs) as daemon:
        daemon.submit("wait", params={"n": 0})
        page = browser.open(daemon.url + "/")
        page.wait(r"/\d % of a core, .*[KM]iB/.test(document.querySelector('.workers li[data-state=busy]')?.innerText)")
        silent(page)


def an_alert_of_ones_own_stands_beside_the_others(programs, browser):
    rule = '[[alerts.rule]]\nname = "manyDescriptors"\nseries = "files.open"\nlevel = 2\nwindow = "3s"\nfor = "0s"\nmessage = "Descriptors in use:"'
    with Gated(programs, more=rule) as daemon:
        page = browser.open(daemon.url + "/#/alerts")
        page.wait("document.querySelector('.alerts li')?.innerText.includes('Descriptors in use:')")
        page.wait("[...document.querySelectorAll('tbody tr')].some((row) => row.innerText.includes('manyDescriptors') && row.innerText.includes('above 2'))")
        page.wait("document.getElementById('verdict').innerText.includes('Many descriptors')")
        silent(page)


def an_alert_fires_and_resolves_before_ones_eyes(programs, browser):
    with Gated(programs, max_workers=1, queue_depth=2) as daemon:
        page = browser.open(daemon.url + "/")
        page.wait("document.getElementById('verdict').dataset.level === 'good'")
        for n in range(6):
            daemon.submit("wait", params={"n": n})
        page.wait("document.getElementById('verdict').dataset.level === 'bad'")
        check("queue" in page.text("#verdict-title"), page.text("#verdict-title"))
        check("jobs wait" in page.text("#verdict-why"), page.text("#verdict-why"))
        check(page.text("#firing") == "1", page.text("#firing"))
        check(page.js("document.title").startswith("!"), "the tab does not tell")
        page.click("#views a[href='#/alerts']")
        page.wait("document.querySelector('.alerts li')?.innerText.includes('firing')")
        for n in range(6):
            daemon.open_gate(n)
        page.wait("document.getElementById('verdict').dataset.level === 'good'")
        silent(page)


def a_silenced_alert_is_quiet_until_the_silence_ends(programs, browser):
    with Gated(programs, max_workers=1, queue_depth=2) as daemon:
        for n in range(5):
            daemon.submit("wait", params={"n": n})
        page = browser.open(daemon.url + "/#/alerts")
        page.wait("document.getElementById('verdict').dataset.level === 'bad'")
        page.click(".alerts li button")
        page.wait("document.querySelector('#view .answer').innerText.includes('is silenced for 1 h')")
        page.wait("document.querySelector('.alerts .tag').innerText === 'firing, silenced'")
        page.wait("document.getElementById('firing').textContent === ''")
        page.click("section:nth-of-type(3) .alerts li button")
        page.wait("document.getElementById('firing').textContent === '1'")
        silent(page)


def the_charts_know_what_was_before_the_page(programs, browser):
    with Gated(programs) as daemon:
        # A page of its own tells when the daemon has begun to remember, and that it has counted.
        before = browser.open(daemon.url + "/")
        before.wait("document.querySelector('.chart .plot')?.getAttribute('aria-label').includes('now: all 0')")
        for i in range(30):
            daemon.ask("PUT", f"/v1/cache/k{i}", "x")
        before.wait("document.getElementById('verdict-why').innerText.includes('30 requests')")
        page = browser.open(daemon.url + "/")
        label = "document.querySelector('.chart .plot')?.getAttribute('aria-label')"
        page.wait(f"{label}?.includes('now: all 0')")
        page.js("document.querySelector('.chart .plot').focus()")
        # Walking back comes to a second that was busy before the page was there.
        page.js(f"""(() => {{ for (let i = 0; i < 120 && !/at .*all [1-9]/.test({label}); ++i)
            document.querySelector('.chart .plot').dispatchEvent(new KeyboardEvent('keydown', {{ key: 'ArrowLeft' }})); }})()""")
        check(page.js(f"/at .*all [1-9]/.test({label})"), page.js(label))
        page.click("#ranges button:nth-child(3)")
        page.wait("document.querySelector('#ranges button:nth-child(3)').getAttribute('aria-pressed') === 'true'")
        silent(page)


def a_submitted_job_shows_its_text(programs, browser):
    with Gated(programs) as daemon:
        with open(f"{daemon.home}/media/notes.txt", "w", encoding="utf-8") as file:
            file.write("hello from the page")
        page = browser.open(daemon.url + "/#/jobs")
        page.wait("document.querySelectorAll('#job-operation option').length > 0")
        page.choose("#job-operation", "upper")
        page.type("#job-input", "notes.txt")
        page.click(".submit button")
        page.wait("document.querySelector('.detail pre')?.innerText.includes('HELLO FROM THE PAGE')")
        check("completed" in page.text(".detail .facts"), page.text(".detail .facts"))
        page.wait("document.querySelector('tr[aria-selected] .tag')?.innerText === 'completed'")
        silent(page)


def a_picture_and_a_player_show_what_came_out(programs, browser):
    with Gated(programs) as daemon:
        subprocess.run([f"{programs}/hotwell-sample-clip", f"{daemon.home}/media/clip.mp4"], check=True)
        page = browser.open(daemon.url + "/#/jobs")
        page.wait("document.querySelectorAll('#job-operation option').length > 0")
        page.choose("#job-operation", "thumbnail")
        page.type("#job-input", "clip.mp4")
        page.type("#job-params", "width=160 format=png")
        page.click(".submit button")
        page.wait("document.querySelector('.result img')?.naturalWidth === 160")
        transcode = daemon.submit("transcode", input="clip.mp4", params={"format": "webm", "width": 64, "duration": 1})
        page.js(f"location.hash = '#/jobs/{transcode}'")
        page.wait("document.querySelector('.result video')?.readyState >= 1 && document.querySelector('.result video').videoWidth === 64", frames=20000)
        silent(page)


def a_job_is_cancelled_and_tried_again(programs, browser):
    with Gated(programs) as daemon:
        job = daemon.submit("wait", params={"n": 7})
        page = browser.open(f"{daemon.url}/#/jobs/{job}")
        page.wait("document.querySelector('.detail .facts')?.innerText.includes('running')")
        page.click(".detail header button")
        page.wait("document.querySelector('.detail .facts').innerText.includes('cancelled')")
        page.click(".detail header button:nth-of-type(2)")
        page.wait("document.querySelector('.detail .facts').innerText.includes('running')")
        daemon.open_gate(7)
        page.wait("document.querySelector('.detail pre')?.innerText.includes('passed 7')")
        silent(page)


def a_failed_job_says_why(programs, browser):
    with Gated(programs) as daemon:
        job = daemon.submit("broken", retries=0)
        page = browser.open(f"{daemon.url}/#/jobs/{job}")
        page.wait("document.querySelector('.problem pre')?.innerText.includes('the moon is in the wrong house')")
        page.click("#views a[href='#/jobs']")
        page.type("#job-params", "nonsense")
        page.click(".submit button")
        page.wait("document.querySelector('.submit .answer').innerText.includes('expected name=value')")
        silent(page)


def a_knob_is_turned_and_the_event_seen(programs, browser):
    with Gated(programs) as daemon:
        page = browser.open(f"{daemon.url}/#/knobs/pool.max_workers")
        page.wait("document.activeElement?.id === 'knob-pool.max_workers'")
        page.wait("document.getElementById('live').textContent === 'live'")
        page.type("[id='knob-pool.max_workers']", "3")
        page.press("Enter")
        page.wait("document.querySelector('#view .answer').innerText.includes('pool.max_workers is 3 now')")
        page.type("[id='knob-pool.max_workers']", "0")
        page.press("Enter")
        page.wait("document.querySelector('#view .answer[data-level=bad]')")
        page.click("#views a[href='#/events']")
        page.wait("document.querySelector('.events')?.innerText.includes('pool.max_workers')")
        silent(page, but="400")


def a_token_lets_in_and_its_cookie_stays_out_of_reach(programs, browser):
    with Gated(programs, tokens=["s3cret-token"]) as daemon:
        page = browser.open(daemon.url + "/")
        page.wait("!document.getElementById('sign-in').hidden")
        page.wait("document.activeElement?.id === 'token'")
        page.type("#token", "wrong")
        page.press("Enter")
        page.wait("document.getElementById('sign-in-why').innerText.includes('none of the server')")
        page.type("#token", "s3cret-token")
        page.press("Enter")
        page.wait(READY)
        page.wait("document.getElementById('live').textContent === 'live'")
        check("s3cret" not in page.js("document.cookie + JSON.stringify({...localStorage, ...sessionStorage})"), "a script can read the token")
        check(page.js("document.cookie") == "", "the cookie is not HttpOnly")
        page.reload()
        page.wait(READY)
        silent(page, but="401")


def a_lost_server_is_told_at_once(programs, browser):
    with Gated(programs) as daemon:
        page = browser.open(daemon.url + "/")
        page.wait(READY)
        daemon.stop()
        page.wait("document.getElementById('verdict-title').innerText === 'The server does not answer'")
        check(page.js("document.body.classList.contains('stale')"), "old figures look like new ones")


def every_view_is_accessible_in_light_and_dark(programs, browser):
    with Gated(programs, max_workers=1, queue_depth=2) as daemon:
        for n in range(5):
            daemon.submit("wait", params={"n": n})
        broken = daemon.submit("broken", retries=0, priority="high")
        for scheme in ("light", "dark"):
            page = browser.open(daemon.url + "/", scheme=scheme)
            page.wait("document.getElementById('verdict').dataset.level === 'bad'")
            for view in [*VIEWS, f"jobs/{broken}"]:
                page.js(f"location.hash = '#/{view}'")
                page.wait("document.querySelector('#view > *')")
                page.js("new Promise(requestAnimationFrame)")
                found = accessibility.findings(page)
                check(not found, f"{view}, {scheme}:", *found)


def the_keyboard_reaches_everything_in_order(programs, browser):
    with Gated(programs) as daemon:
        page = browser.open(daemon.url + "/")
        page.wait(READY)
        walk = accessibility.focus_walk(page, 40)
        check("Skip" in walk[0]["what"], "the first stop is not the skip link:", walk[0])
        check(all(stop["seen"] for stop in walk), "focus that cannot be seen:", [s for s in walk if not s["seen"]])
        places = [stop["place"] for stop in walk]
        check(places == sorted(places), "the order jumps:", [s["what"] for s in walk])
        for wanted in ("Overview", "Events", "5m", "Latency"):
            check(any(wanted in stop["what"] for stop in walk), wanted, "is not reached:", [s["what"] for s in walk])


def a_phone_shows_every_view_without_sideways_scrolling(programs, browser):
    with Gated(programs) as daemon:
        daemon.submit("broken", retries=0)
        page = browser.open(daemon.url + "/", width=390, height=844, mobile=True)
        page.wait(READY)
        for view in VIEWS:
            page.js(f"location.hash = '#/{view}'")
            page.wait("document.querySelector('#view > *')")
            page.js("new Promise(requestAnimationFrame)")
            wide = page.js("document.documentElement.scrollWidth")
            check(wide <= 390, view, "is", wide, "pixels wide")
        silent(page)


CASES = [value for name, value in list(globals().items()) if callable(value) and getattr(value, "__module__", "") == "__main__" and name not in ("check", "silent")]


def main():
    programs, wanted = os.path.abspath(sys.argv[1]), sys.argv[2:]
    if not chromium.find():
        print("Skipped\nthere is no Chromium on this machine: the package chromium brings it")
        return 77
    unknown = set(wanted) - {case.__name__ for case in CASES}
    if unknown:
        print(f"there is no case {', '.join(unknown)}; there are {', '.join(case.__name__ for case in CASES)}", file=sys.stderr)
        return 2
    failed = 0
    with chromium.Browser() as browser:
        for case in CASES:
            if wanted and case.__name__ not in wanted:
                continue
            began = time.monotonic()
            try:
                case(programs, browser)
                print(f"passed {case.__name__} ({time.monotonic() - began:.1f} s)", flush=True)
            except Exception:  # each case is told, then the next one has its turn
                failed += 1
                print(f"FAILED {case.__name__}\n{traceback.format_exc()}", flush=True)
            browser.close_pages()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
