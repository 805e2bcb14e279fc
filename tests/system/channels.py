#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Notifications arrive at receivers, in full, whatever their servers do."""
import asyncio
import email
import email.policy
import http.server
import json
import os
import ssl
import subprocess
import threading
import time
import urllib.request

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

from harness import Alertmanager, Skip, eventually, folder, peer_path, run_tests

TELL = os.environ["DBVITALS_TELL"]
PLACE = folder()
SLOW = 2  # seconds; the loop must not feel them


def tell(kind, *words):
    """Return: for each attempt what became of it, Retry-After and why; how long the loop stood."""
    done = subprocess.run([TELL, kind, *words], stdout=subprocess.PIPE, text=True, timeout=60,
                          check=True)
    *lines, stood = done.stdout.splitlines()
    print("\n".join("# " + line for line in lines))
    attempts = [(outcome, int(wait), why)
                for outcome, wait, why in (line.split(" ", 2) for line in lines)]
    return attempts, int(stood)


def tell_once(kind, *words):
    return tell(kind, *words)[0][0]


# ---- http

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):  # noqa: N802 - the library's name
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, dict(self.headers), json.loads(body)))
        if self.server.behaviour == "hang":
            self.server.released.wait(20)
            self.close_connection = True
            return
        status, headers, answer = self.server.behaviour
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        endless = answer == "endless"
        self.send_header("Content-Length", str(10 ** 9 if endless else len(answer)))
        self.end_headers()
        try:
            self.wfile.write(b"" if endless else answer.encode())
            while endless:
                self.wfile.write(bytes(65536))
        except OSError:
            self.close_connection = True

    def log_message(self, *_):
        pass


def fake(behaviour=(200, {}, "ok"), context=None):
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.daemon_threads = True
    made.behaviour, made.requests = behaviour, []
    made.released = threading.Event()
    if context is not None:
        made.socket = context.wrap_socket(made.socket, server_side=True)
    made.url = f"{'https' if context else 'http'}://127.0.0.1:{made.server_port}"
    threading.Thread(target=made.serve_forever, daemon=True).start()
    return made


def an_alertmanager_would_post_the_same():
    program = peer_path("alertmanager")
    if program is None:
        raise Skip("there is no Alertmanager")
    hook = fake()
    server = Alertmanager(program, f"""
route: {{receiver: ops, group_by: [cluster], group_wait: 0s}}
receivers: [{{name: ops, webhook_configs: [{{url: "{hook.url}/real"}}]}}]
""", ["--web.external-url=http://me:9719", "--web.route-prefix=/"])
    try:
        alert = {"labels": {"alertname": "D\u00f6wn", "cluster": "orders", "severity": "critical",
                            "target": "orders-1"},
                 "annotations": {"description": "caf\u00e9 <b>&\n.\nFrom x",
                                 "summary": 'it is "down"'},
                 "startsAt": "2026-01-02T03:04:05.678Z",
                 "generatorURL": "http://me:9719/graph?g0.expr=pg_up+%3D%3D+0&g0.tab=1"}
        urllib.request.urlopen(urllib.request.Request(
            server.url + "/api/v2/alerts", json.dumps([alert]).encode(),
            {"Content-Type": "application/json"}), timeout=5).close()
        eventually(lambda: hook.requests, what="Alertmanager's webhook")
        assert tell_once("webhook", f"url={hook.url}/ours")[0] == "delivered"
        (_, _, theirs), (path, headers, ours) = hook.requests[0], hook.requests[-1]
        theirs.pop("notification_reason", None)  # newer versions add it
        assert path == "/ours"
        assert ours == theirs, (ours, theirs)
        assert list(ours["alerts"][0]) == list(theirs["alerts"][0]) and list(ours) == list(theirs)
        assert headers["Content-Type"] == "application/json", headers
        assert headers["Idempotency-Key"] == "0000000000000abc", headers
    finally:
        server.end()


def slack_and_pagerduty_get_their_forms():
    hook = fake((200, {}, "ok"))
    assert tell_once("slack", f"url={hook.url}/services/T0/B0/abc")[0] == "delivered"
    hook.behaviour = (202, {}, '{"status":"success"}')
    for words in ((), ("resolved=1",)):
        assert tell_once("pagerduty", f"url={hook.url}/v2/enqueue", "routing_key=R",
                         *words)[0] == "delivered"
    slack, trigger, resolve = [body for _, _, body in hook.requests]
    assert slack["attachments"][0]["title"] == "[FIRING:1] D\u00f6wn (orders, orders-1)", slack
    assert "caf\u00e9 &lt;b&gt;&amp;" in slack["attachments"][0]["text"], slack
    assert trigger["event_action"] == "trigger" and resolve["event_action"] == "resolve"
    assert trigger["dedup_key"] == resolve["dedup_key"]
    assert trigger["payload"]["severity"] == "critical", trigger


def what_a_receiver_answers_decides():
    hook = fake()
    cases = [((204, {}, ""), ("delivered", 0, "")),
             ((200, {}, "endless"), ("delivered", 0, "")),
             ((500, {}, "sorry"), ("retry", 0, "it answered 500: sorry")),
             ((429, {"Retry-After": "7"}, ""), ("retry", 7, "it answered 429")),
             ((301, {"Location": hook.url}, ""), ("refused", 0, "it answered 301")),
             ((403, {}, "token s3cr3ts3cr3ts3cr3t is bad"),
              ("refused", 0, "it answered 403: token *** is bad"))]
    for behaviour, expected in cases:
        hook.behaviour = behaviour
        before = len(hook.requests)
        assert tell_once("webhook", f"url={hook.url}/s3cr3ts3cr3ts3cr3t") == expected, behaviour
        assert len(hook.requests) == before + 1
    hook.behaviour = "hang"
    outcome, _, why = tell_once("webhook", f"url={hook.url}/s3cr3t", "timeout_ms=300")
    hook.released.set()
    assert outcome == "retry" and "deadline" in why and "s3cr3t" not in why, why


def make_certificate():
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost", "-keyout", f"{PLACE}/key.pem",
                    "-out", f"{PLACE}/cert.pem"], check=True, stderr=subprocess.DEVNULL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{PLACE}/cert.pem", f"{PLACE}/key.pem")
    return context


def a_webhooks_certificate_is_looked_at():
    hook = fake(context=CONTEXT)
    words = [f"url={hook.url}/", f"ca_file={PLACE}/cert.pem"]
    assert tell_once("webhook", words[0])[0] == "retry"
    assert tell_once("webhook", *words)[0] == "retry", "of another name"
    assert not hook.requests
    assert tell_once("webhook", *words, "server_name=localhost")[0] == "delivered"


# ---- mail

class Mails:
    """Takes mails; users called late, full or nobody are not there."""

    def __init__(self):
        self.taken, self.seconds = [], 0

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        reply = {"late": "450 4.2.0 come back later", "nobody": "550 5.1.1 no such user"}.get(
            address.split("@")[0], "250 OK")
        if reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        time.sleep(self.seconds)  # this server's thread serves nobody else
        self.taken.append((envelope, session.ssl is not None, session.authenticated))
        return "250 OK"


class MailServer(Controller):
    def factory(self):
        return SMTP(self.handler, hostname="mail.test", **self.SMTP_kwargs)


def check_login(server, session, envelope, mechanism, data):
    return AuthResult(success=data.login == b"me" and data.password == b"pa ss", handled=False)


def mail_server(**options):
    handler = Mails()
    server = MailServer(handler, hostname="127.0.0.1", port=0, **options)
    # Its start() would connect to the port that it was given, and that is 0.
    loop = asyncio.new_event_loop()
    made = loop.run_until_complete(loop.create_server(server.factory, "127.0.0.1", 0))
    threading.Thread(target=loop.run_forever, daemon=True).start()
    handler.port = made.sockets[0].getsockname()[1]
    return handler


def mail_words(server, *to, scheme="smtp", host="127.0.0.1"):
    return [f"url={scheme}://{host}:{server.port}", "from=dbvitals <me@example.org>",
            *(f"to={one}" for one in to)]


def read_mail(envelope):
    return email.message_from_bytes(envelope.content, policy=email.policy.default)


def a_mail_arrives_in_two_versions():
    server = mail_server()
    to = ["Ops Team <ops@example.org>", "night@example.org"]
    assert tell_once("email", *mail_words(server, *to))[0] == "delivered"
    (envelope, _, _), = server.taken
    assert envelope.mail_from == "me@example.org", envelope.mail_from
    assert envelope.rcpt_tos == ["ops@example.org", "night@example.org"], envelope.rcpt_tos
    mail = read_mail(envelope)
    assert mail["Subject"] == "[FIRING:1] D\u00f6wn (orders, orders-1)", mail["Subject"]
    assert mail["To"] == "Ops Team <ops@example.org>, night@example.org", mail["To"]
    assert mail["Message-ID"] == "<dbvitals.0000000000000abc@example.org>", mail["Message-ID"]
    assert mail["Date"].datetime.isoformat() == "2026-01-02T03:05:10+00:00", mail["Date"]
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content_type() == "multipart/alternative", mail
    text, html = mail.iter_parts()
    assert text.get_content_type() == "text/plain" and html.get_content_type() == "text/html"
    assert "caf\u00e9 <b>&\n  .\n  From x" in text.get_content().replace("\r\n", "\n")
    assert "caf\u00e9 &lt;b&gt;&amp;<br>\n.<br>\nFrom x" in html.get_content().replace("\r\n", "\n")
    assert not mail.defects and not text.defects and not html.defects
    assert max(map(len, envelope.content.splitlines())) <= 200


def a_slow_mail_server_holds_nobody_up():
    server = mail_server()
    server.seconds = SLOW
    ((outcome, _, why),), stood = tell("email", *mail_words(server, "a@example.org"))
    assert outcome == "delivered", why
    assert stood < SLOW * 1000 / 4, f"the loop stood still for {stood} ms"
    outcome, _, why = tell_once("email", *mail_words(server, "a@example.org"), "timeout_ms=500")
    assert outcome == "retry", why


def refused_recipients_keep_nobody_from_theirs():
    server = mail_server()
    assert tell_once("email", *mail_words(server, "nobody@x.org", "a@x.org"))[0] == "delivered"
    assert server.taken.pop()[0].rcpt_tos == ["a@x.org"]
    assert tell_once("email", *mail_words(server, "nobody@x.org")) == (
        "refused", 0, "the mail server answered 550 5.1.1 no such user")
    assert not server.taken
    attempts, _ = tell("email", "attempts=2", *mail_words(server, "a@x.org", "late@x.org"))
    assert [outcome for outcome, _, _ in attempts] == ["retry", "retry"], attempts
    (envelope, _, _), = server.taken
    assert envelope.rcpt_tos == ["a@x.org"], "told twice"


def starttls_and_login():
    server = mail_server(tls_context=CONTEXT, require_starttls=True, auth_required=True,
                         authenticator=check_login)
    words = [*mail_words(server, "a@x.org", host="localhost"), "require_tls=1", "user=me"]
    trusted = f"ca_file={PLACE}/cert.pem"
    outcome, _, why = tell_once("email", *words, "password=pa ss")
    assert outcome == "retry" and not server.taken, why
    outcome, _, why = tell_once("email", *words, trusted, "password=wrong")
    assert outcome == "refused" and "535" in why and "wrong" not in why, why
    assert tell_once("email", *words, trusted, "password=pa ss")[0] == "delivered"
    assert tell_once("email", *mail_words(server, "a@x.org"), "user=me", "password=pa ss", trusted,
                     "server_name=localhost")[0] == "delivered"
    assert [(tls, login) for _, tls, login in server.taken] == [(True, True)] * 2, server.taken
    plain = mail_server()
    outcome, _, why = tell_once("email", *mail_words(plain, "a@x.org"), "require_tls=1")
    assert outcome == "retry" and not plain.taken, why


def nobody_there_is_tried_again():
    server = mail_server()
    server.port = 1
    outcome, _, why = tell_once("email", *mail_words(server, "a@x.org"))
    assert outcome == "retry" and why, why


# ---- commands

def a_command_is_run():
    out = os.path.join(PLACE, "out")
    assert tell_once("exec", "command=/bin/sh", "command=-c",
                     f"command=cat >{out}; env | grep ^DBVITALS_ | sort >{out}.env",
                     "alerts=3")[0] == "delivered"
    with open(out, encoding="utf-8") as f:
        assert len(json.load(f)["alerts"]) == 3
    with open(out + ".env", encoding="utf-8") as f:
        variables = dict(line.rstrip("\n").split("=", 1) for line in f)
    assert variables["DBVITALS_RECEIVER"] == "ops" and variables["DBVITALS_STATUS"] == "firing"
    assert variables["DBVITALS_ALERT_COUNT"] == "3", variables
    assert variables["DBVITALS_ALERT_NAME"] == "D\u00f6wn", variables
    ((outcome, _, why),), stood = tell("exec", "command=/bin/sleep", "command=60", "timeout_ms=300")
    assert outcome == "retry" and stood < 250, (why, stood)


CONTEXT = make_certificate()
run_tests([an_alertmanager_would_post_the_same, slack_and_pagerduty_get_their_forms,
           what_a_receiver_answers_decides, a_webhooks_certificate_is_looked_at,
           a_mail_arrives_in_two_versions, a_slow_mail_server_holds_nobody_up,
           refused_recipients_keep_nobody_from_theirs, starttls_and_login,
           nobody_there_is_tried_again, a_command_is_run])
