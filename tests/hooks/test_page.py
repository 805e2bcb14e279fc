#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""page against a real listener: what arrives, and what is worth another attempt."""
import http.server
import json
import os
import threading

from hook import Hook
from harness import run_tests

EVENT = json.dumps({"event": "post", "cluster": "orders", "reason": "it's \"gone\" $(id)"}) + "\n"


class Webhook(http.server.BaseHTTPRequestHandler):
    status, seen = 200, []

    def do_POST(self):  # noqa: N802 - the name that the library calls
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        Webhook.seen.append((self.path, self.headers["Content-Type"], body))
        self.send_response(Webhook.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Webhook)
threading.Thread(target=server.serve_forever, daemon=True).start()
URL = f"http://127.0.0.1:{server.server_port}/hook?key=a%20b&x=$y"


def the_event_arrives_as_it_is():
    hook = Hook("page", "post", f"PAGE_URL='{URL}'\n")
    hook.run(stdin=EVENT, expect=0)
    path, kind, body = Webhook.seen.pop()
    assert (path, kind, body) == ("/hook?key=a%20b&x=$y", "application/json", EVENT)


def an_address_may_stand_in_a_file():
    hook = Hook("page", "failed")
    with open(f"{hook.dir}/url", "w", encoding="utf-8") as file:
        file.write(URL + "\n")
    hook.set(f"PAGE_URL_FILE={hook.dir}/url\n")
    hook.run(stdin=EVENT, expect=0)
    assert Webhook.seen.pop()[2] == EVENT
    os.unlink(f"{hook.dir}/url")
    hook.run(stdin=EVENT, expect=1)


def what_may_be_over_soon_is_tried_again():
    hook = Hook("page", "post", f"PAGE_URL='{URL}'\n")
    Webhook.status = 503
    hook.run(stdin=EVENT, expect=75)
    Webhook.status = 200
    Webhook.seen.clear()
    hook.set("PAGE_URL=http://127.0.0.1:1/\n")
    hook.run(stdin=EVENT, expect=75)


def strange_addresses_are_refused():
    for url in ("", "ftp://127.0.0.1/", "file:///etc/passwd", "http://a b/", "http://",
                'http://a/"', "http://a/\\n", "http://a/\nproxy=x"):
        hook = Hook("page", "post", f"PAGE_URL='{url}'\n")
        hook.run(stdin=EVENT, expect=1)


def a_dry_run_sends_nothing():
    hook = Hook("page", "post", f"PAGE_URL='{URL}'\n")
    _, output = hook.run(stdin=EVENT, dry_run="1", expect=0)
    assert f"would post {len(EVENT)} bytes about 'post'" in output, output
    assert Webhook.seen == []
    hook.refuses_other_events()


run_tests([
    the_event_arrives_as_it_is,
    an_address_may_stand_in_a_file,
    what_may_be_over_soon_is_tried_again,
    strange_addresses_are_refused,
    a_dry_run_sends_nothing,
])
