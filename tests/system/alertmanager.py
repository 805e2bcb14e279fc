#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Alerts arrive at a real Alertmanager, whatever its neighbours do."""
import http.server
import os
import ssl
import subprocess
import threading

from harness import Alertmanager, find_peer, folder, run_tests

NOTIFY = os.environ["DBVITALS_NOTIFY"]
alertmanager = Alertmanager(find_peer("alertmanager"))
url = alertmanager.url
place = folder()


def alerts():
    """Those that fire, by name."""
    return {a["labels"]["alertname"]: a for a in alertmanager.alerts()}


def notify(lines, *urls, options=(), seconds=10):
    """Return: exit code, and the metrics by the URL's port and name."""
    done = subprocess.run([NOTIFY, str(seconds), *options, *urls], input=lines, stdout=subprocess.PIPE,
                          text=True, timeout=30, check=False)
    print("\n".join("# " + line for line in done.stdout.splitlines()))
    return done.returncode, dict(line.rsplit(" ", 1) for line in done.stdout.splitlines())


def sent(metrics, to):
    return float(metrics[f'dbvitals_notifications_sent_total{{alertmanager="{to}"}}'])


def failed(metrics, to):
    return float(metrics[f'dbvitals_notifications_errors_total{{alertmanager="{to}"}}'])


def a_firing_alert_arrives():
    code, _ = notify("fire 1 Down\nfire 2 Full\n", url)
    assert code == 0
    now = alerts()
    assert set(now) == {"Down", "Full"}, now
    alert = now["Down"]
    assert alert["labels"] == {"alertname": "Down", "zone": "b"}, alert
    assert alert["annotations"] == {"summary": 'caf\u00e9 "x"\n'}, alert
    assert alert["generatorURL"] == "http://me:9719/graph?g0.expr=up+%3D%3D+0&g0.tab=1", alert
    assert alert["status"]["state"] == "active", alert


def a_resolved_one_goes():
    notify("fire 1 Down\nresolve 1 Down\n", url)
    assert set(alerts()) == {"Full"}, alerts()


def many_arrive_in_batches():
    code, metrics = notify("".join(f"fire {i} Many{i}\n" for i in range(600)), url)
    assert code == 0
    assert sent(metrics, url) == 600, metrics
    assert float(metrics[f'dbvitals_notifications_requests_total{{alertmanager="{url}"}}']) == 3
    assert len([name for name in alerts() if name.startswith("Many")]) == 600


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers as its server says: hang, 500, redirect, endless, ok."""
    protocol_version = "HTTP/1.1"

    def do_POST(self):  # noqa: N802 - the library's name
        self.rfile.read(int(self.headers["Content-Length"]))
        behaviour = self.server.behaviour
        self.server.requests += 1
        self.server.host = self.headers["Host"]
        if behaviour == "hang":
            self.server.released.wait(20)
            self.close_connection = True
        elif behaviour == "endless":
            self.send_response(200)
            self.send_header("Content-Length", str(10 ** 9))
            self.end_headers()
            try:
                while True:
                    self.wfile.write(bytes(65536))
                    self.server.written += 65536
            except OSError:
                self.close_connection = True
        else:
            self.send_response({"500": 500, "redirect": 302, "ok": 200}[behaviour])
            if behaviour == "redirect":
                self.send_header("Location", url + "/api/v2/alerts")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def log_message(self, *_):
        pass


def fake(behaviour, context=None):
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.daemon_threads = True
    made.behaviour, made.requests, made.written = behaviour, 0, 0
    made.released = threading.Event()
    if context is not None:
        made.socket = context.wrap_socket(made.socket, server_side=True)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    return made


def bad_neighbours_hold_nobody_up():
    fakes = [fake(b) for b in ("hang", "500", "redirect", "endless")]
    code, metrics = notify("fire 7 Seventh\n", *[f"http://127.0.0.1:{f.server_port}" for f in fakes],
                           url, seconds=6)
    for made in fakes:
        made.released.set()
        assert made.requests >= 2, (made.behaviour, made.requests)
        assert sent(metrics, f"http://127.0.0.1:{made.server_port}") == 0, made.behaviour
    assert code == 1, "alerts that nobody took still wait"
    assert sent(metrics, url) == 1
    assert "Seventh" in alerts()
    assert fakes[3].written < 64 * 10 ** 6, fakes[3].written


def a_certificate_must_be_of_a_trusted_authority():
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost", "-keyout", f"{place}/key.pem",
                    "-out", f"{place}/cert.pem"], check=True, stderr=subprocess.DEVNULL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{place}/cert.pem", f"{place}/key.pem")
    made = fake("ok", context)
    secure = f"https://localhost:{made.server_port}"
    code, metrics = notify("fire 1 A\n", secure, options=["--ca", f"{place}/cert.pem"])
    assert code == 0 and sent(metrics, secure) == 1, metrics
    before = made.requests
    code, metrics = notify("fire 1 A\n", secure, seconds=2)
    assert code == 1 and made.requests == before, "sent to an untrusted server"
    assert failed(metrics, secure) > 1, metrics
    wrong_name = f"https://127.0.0.1:{made.server_port}"
    code, metrics = notify("fire 1 A\n", wrong_name, options=["--ca", f"{place}/cert.pem"], seconds=2)
    assert code == 1 and made.requests == before, "sent to a server of another name"
    assert failed(metrics, wrong_name) > 1, metrics
    code, metrics = notify("fire 1 A\n", wrong_name,
                           options=["--ca", f"{place}/cert.pem", "--name", "localhost"])
    assert code == 0 and sent(metrics, wrong_name) == 1, metrics
    assert made.host == f"127.0.0.1:{made.server_port}", made.host


run_tests([a_firing_alert_arrives, a_resolved_one_goes, many_arrive_in_batches,
           bad_neighbours_hold_nobody_up, a_certificate_must_be_of_a_trusted_authority])
