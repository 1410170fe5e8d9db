"""A receiver of alerts that a test holds in its hand: it answers, refuses, or holds its answer back."""
import http.server
import json
import threading

LIMIT = 60  # seconds that anything may take before the test says that it hangs


class Webhook(http.server.ThreadingHTTPServer):
    """Keeps the bodies that are posted to it, in order: `heard` all, `answered` those whose sender was told 200."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.heard, self.answered = [], []
        self.mode = "answer"  # or "refuse" (503), or "hold" until the mode is another
        self.changed = threading.Condition()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/hook"

    def set(self, mode):
        with self.changed:
            self.mode = mode
            self.changed.notify_all()

    def wait(self, what, wanted):
        """Waits until wanted() is true; its value."""
        with self.changed:
            found = self.changed.wait_for(wanted, LIMIT)
            if not found:
                raise SystemExit(f"waited in vain until {what}; heard: {self.heard}")
            return found

    def wait_for_body(self, fits):
        return self.wait("a body fits", lambda: next(filter(fits, self.heard), None))

    def handle_error(self, request, client_address):
        """Whoever asked may be gone: killed, that is what these tests are for."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            server = self.server
            with server.changed:
                server.heard.append(body)
                server.changed.notify_all()
                server.changed.wait_for(lambda: server.mode != "hold", LIMIT)
                refused = server.mode == "refuse"
                if not refused:
                    server.answered.append(body)
                    server.changed.notify_all()
            self.send_response(503 if refused else 200)
            self.end_headers()

        def log_message(self, *_):
            pass
