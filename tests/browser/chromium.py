"""A headless Chromium, driven over the DevTools protocol's pipe: messages are JSON, each ended by a zero byte.

Waits are for conditions, looked at once a frame by the page itself, or for the protocol's own events. Nothing sleeps.
"""
import base64
import json
import os
import select
import shutil
import subprocess
import tempfile

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--no-default-browser-check",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
         "--disable-dev-shm-usage", "--hide-scrollbars", "--force-color-profile=srgb", "--remote-debugging-pipe"]
DOMAINS = ("Page", "Runtime", "Log", "Network", "Accessibility", "DOM")  # what is heard of a page
PATIENCE = 120  # seconds without a word: a hang, not a slow machine


def find():
    """The browser's path, or None."""
    return os.environ.get("HOTWELL_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


class ProtocolError(Exception):
    """The browser refused a command, or a script in the page failed."""


class Browser:
    def __init__(self):
        self.home = tempfile.TemporaryDirectory(prefix="hotwell-chromium-", ignore_cleanup_errors=True)
        to_read, self.to_write = os.pipe()
        self.from_read, from_write = os.pipe()

        def wire():  # the browser reads descriptor 3 and writes descriptor 4
            os.dup2(to_read, 13)
            os.dup2(from_write, 14)
            os.dup2(13, 3)
            os.dup2(14, 4)
            for fd in (3, 4):
                os.set_inheritable(fd, True)

        environment = {**os.environ, "HOME": self.home.name, "XDG_CONFIG_HOME": self.home.name, "XDG_CACHE_HOME": self.home.name}
        self.process = subprocess.Popen([find(), *FLAGS, f"--user-data-dir={self.home.name}/profile", "about:blank"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        preexec_fn=wire, close_fds=False, env=environment)
        os.close(to_read)
        os.close(from_write)
        self.pending = b""
        self.last_id = 0
        self.pages = {}
        self.contexts = []

    def close_pages(self):
        """Ends every page with all that it stored."""
        for context in self.contexts:
            self.command("Target.disposeBrowserContext", browserContextId=context)
        self.contexts.clear()
        self.pages.clear()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.command("Browser.close")
        except (ProtocolError, OSError):
            self.process.kill()
        self.process.wait()
        os.close(self.to_write)
        os.close(self.from_read)
        self.home.cleanup()

    def read(self):
        """One message of the browser."""
        while b"\0" not in self.pending:
            if not select.select([self.from_read], [], [], PATIENCE)[0]:
                raise ProtocolError(f"the browser said nothing for {PATIENCE} s")
            some = os.read(self.from_read, 1 << 16)
            if not some:
                raise ProtocolError("the browser ended")
            self.pending += some
        text, _, self.pending = self.pending.partition(b"\0")
        return json.loads(text)

    def command(self, method, session=None, **params):
        self.last_id += 1
        message = {"id": self.last_id, "method": method, "params": params, **({"sessionId": session} if session else {})}
        os.write(self.to_write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer.get("id") == self.last_id:
                if "error" in answer:
                    raise ProtocolError(f"{method}: {answer['error'].get('message')}")
                return answer["result"]
            if "method" in answer and (page := self.pages.get(answer.get("sessionId"))):
                page.on_event(answer["method"], answer["params"])

    def open(self, url, width=1360, height=900, scheme="light", scale=1, mobile=False, domains=DOMAINS):
        context = self.command("Target.createBrowserContext")["browserContextId"]
        self.contexts.append(context)
        target = self.command("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.command("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session)
        self.pages[session] = page
        for domain in domains:
            page.command(f"{domain}.enable")
        page.command("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=mobile)
        page.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        page.go(url)
        return page


class Page:
    def __init__(self, browser, session):
        self.browser, self.session = browser, session
        self.complaints = []   # what the console would show in red
        self.responses = {}    # by request: address, status, bytes over the wire
        self.loaded = 0

    def on_event(self, method, params):
        if method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.complaints.append(" ".join(str(a.get("value", a.get("description"))) for a in params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{params['entry']['text']} ({params['entry'].get('url', '')})")
        elif method == "Network.responseReceived":
            self.responses[params["requestId"]] = {"url": params["response"]["url"], "status": params["response"]["status"], "bytes": 0}
        elif method == "Network.loadingFinished" and params["requestId"] in self.responses:
            self.responses[params["requestId"]]["bytes"] = params["encodedDataLength"]
        elif method == "Page.loadEventFired":
            self.loaded += 1

    def command(self, method, **params):
        return self.browser.command(method, self.session, **params)

    def go(self, url):
        """Loads an address; it must not be the same page with another #."""
        self.load("Page.navigate", url=url)

    def reload(self):
        self.load("Page.reload")

    def load(self, method, **params):
        before = self.loaded
        self.command(method, **params)
        while self.loaded == before:
            message = self.browser.read()
            if message.get("sessionId") == self.session and "method" in message:
                self.on_event(message["method"], message["params"])

    def js(self, expression):
        """The value of an expression, or of the promise that it is."""
        answer = self.command("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, userGesture=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise ProtocolError(details.get("exception", {}).get("description") or details["text"])
        return answer["result"].get("value")

    def wait(self, condition, frames=2400):
        """Until the page finds `condition` true, looked at once a frame; its value. Fails after `frames`."""
        value = self.js(f"""new Promise((resolve) => {{ let left = {frames}; const look = () => {{
            let value; try {{ value = ({condition}); }} catch {{ value = undefined; }}
            if (value) resolve(value); else if (--left > 0) requestAnimationFrame(look); else resolve(null); }}; look(); }})""")
        if value is None:
            raise AssertionError(f"never came true: {condition}\nthe page says: {self.js('document.body.innerText')[:3000]}")
        return value

    def text(self, selector):
        return self.js(f"document.querySelector({json.dumps(selector)})?.innerText")

    def click(self, selector):
        """A real click, with the mouse, in the middle of an element."""
        box = self.wait(f"""(() => {{ const e = document.querySelector({json.dumps(selector)}); if (!e) return null; e.scrollIntoView({{block: 'nearest'}});
            const b = e.getBoundingClientRect(); return b.width ? [b.x + b.width / 2, b.y + b.height / 2] : null; }})()""")
        for kind in ("mousePressed", "mouseReleased"):
            self.command("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    def move(self, x, y):
        self.command("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def type(self, selector, text):
        self.js(f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.focus(); e.select && e.select(); }})()")
        self.command("Input.insertText", text=text)

    def press(self, key):
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowRight": 39, "+": 187}
        for kind in ("keyDown", "keyUp"):
            self.command("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=codes[key],
                         **({"text": "\r"} if key == "Enter" and kind == "keyDown" else {}))

    def choose(self, selector, value):
        self.js(f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.value = {json.dumps(value)}; e.dispatchEvent(new Event('change', {{bubbles: true}})); }})()")

    def screenshot(self, path, full=False):
        options = {"format": "png", "optimizeForSpeed": False}
        if full:
            size = self.command("Page.getLayoutMetrics")["cssContentSize"]
            options.update(captureBeyondViewport=True, clip={"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1})
        data = base64.b64decode(self.command("Page.captureScreenshot", **options)["data"])
        with open(path, "wb") as file:
            file.write(data)
