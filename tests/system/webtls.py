#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""HTTPS and passwords: a real Prometheus, curl and openssl as clients; certificates that are renewed,
handshakes that hang, and who may change something."""
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import time

from harness import DBVITALS, Daemon, Prometheus, ask, eventually, folder, peer_path, run, run_tests, \
    throughout, Skip

FILES = folder()
# Of "secret" and "admin".
HASHES = {
    "prom": "$2y$10$abcdefghijklmnopqrstuuqflPDzB6gcMhKa1rZqKiun2YGL5sa2u",
    "root": "$2b$10$zyxwvutsrqponmlkjihgfu9qYhSb6GWvAFQSb9AoVMC11jK/Tc172",
}
CONFIG = """
targets: [{name: host-1, type: host}]
rules: {files: [], parameters: {round_seconds: 3}}
web: {admin_users: [root]}
"""
RUNNING = []


def path(name):
    return os.path.join(FILES, name)


def openssl(*words):
    done = subprocess.run(["openssl", *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def make_authority(name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "2", "-subj", f"/CN={name}", "-keyout", path(name + ".key"),
            "-out", path(name + ".crt"))


def make_signed(name, authority, san, usage):
    with open(path("extensions"), "w", encoding="utf-8") as file:
        file.write(f"subjectAltName={san}\nextendedKeyUsage={usage}\n")
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", f"/CN={name}", "-keyout", path(name + ".key"), "-out", path(name + ".csr"))
    openssl("x509", "-req", "-in", path(name + ".csr"), "-CA", path(authority + ".crt"),
            "-CAkey", path(authority + ".key"), "-CAcreateserial", "-days", "2",
            "-extfile", path("extensions"), "-out", path(name + ".crt"))


def make_all():
    make_authority("ca")
    make_authority("stranger")
    for name in ("one", "two"):
        make_signed(name, "ca", "DNS:localhost,IP:127.0.0.1", "serverAuth")
    make_signed("client", "ca", "DNS:prometheus.test,IP:10.1.2.3", "clientAuth")
    make_signed("other", "ca", "DNS:other.test", "clientAuth")
    make_signed("server-only", "ca", "DNS:prometheus.test", "serverAuth")
    make_signed("strange", "stranger", "DNS:prometheus.test", "clientAuth")


def put(source, name):
    """Replaces a file as certificate managers do."""
    shutil.copyfile(path(source), path(name + ".new"))
    os.rename(path(name + ".new"), path(name))


def users(*names):
    return "basic_auth_users:\n" + "".join(f"  {name}: {HASHES[name]}\n" for name in names)


def tls(more=""):
    return f"tls_server_config: {{cert_file: server.crt, key_file: server.key{more}}}\n"


def write_web(text):
    with open(path("web.yml.new"), "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(path("web.yml.new"), path("web.yml"))


def start(text, **more):
    for daemon in RUNNING:  # of a case that failed
        daemon.end()
    RUNNING.clear()
    put("one.crt", "server.crt")
    put("one.key", "server.key")
    write_web(text)
    daemon = Daemon(CONFIG, flags=["--web.config.file", path("web.yml")], **more)
    RUNNING.append(daemon)
    return daemon


def curl(daemon, target="/healthz", *words):
    """(status, body, exit status of curl)"""
    port = daemon.address.rsplit(":", 1)[1]
    done = subprocess.run(["curl", "-sS", "--max-time", "10", "--cacert", path("ca.crt"), *words,
                           "-w", "\n%{http_code}", f"https://localhost:{port}{target}"],
                          capture_output=True, text=True, timeout=30)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body, done.returncode


def certified(name):
    return "--cert", path(name + ".crt"), "--key", path(name + ".key")


def served_by(daemon):
    """CN of the certificate that a new connection gets."""
    host, port = daemon.address.rsplit(":", 1)
    context = ssl.create_default_context(cafile=path("ca.crt"))
    with socket.create_connection((host, int(port)), 10) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as secure:
            return dict(pair[0] for pair in secure.getpeercert()["subject"])["commonName"]


def agrees(daemon, *words):
    """What openssl agrees on: "TLSv1.3 TLS_AES_128_GCM_SHA256", or None."""
    done = subprocess.run(["openssl", "s_client", "-connect", daemon.address, "-CAfile",
                           path("ca.crt"), *words], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=20)
    found = re.search(r"New, (TLSv[\d.]+), Cipher is (\S+)", done.stdout)
    return f"{found.group(1)} {found.group(2)}" if found else None


def everything_is_served_over_tls_and_knows_that():
    daemon = start(tls())
    assert curl(daemon)[0] == 200
    status, page, _ = curl(daemon, "/metrics")
    assert status == 200 and "dbvitals_target_up" in page
    assert curl(daemon, "/metrics", "--tlsv1.2", "--tls-max", "1.2", "--compressed")[1][:100] == page[:100]
    found = json.loads(curl(daemon, "/sd")[1])
    assert {entry["labels"]["__scheme__"] for entry in found} == {"https"}, found
    status, body, _ = curl(daemon, "/api/v1/query?query=vector(7)")
    assert status == 200 and '"7"' in body, body
    with socket.create_connection(tuple(daemon.address.rsplit(":", 1)), 10) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert plain.recv(100) == b""
    assert "no alternative certificate" in curl_error(daemon, "--connect-to", "example.org::localhost:")
    # Not on the control socket.
    done = subprocess.run([DBVITALS, "set", "round_seconds=4", "--storage.path",
                           os.path.join(daemon.folder, "storage")], capture_output=True, text=True,
                          timeout=30)
    assert done.returncode == 0, done.stderr
    daemon.end(0)


def curl_error(daemon, *words):
    port = daemon.address.rsplit(":", 1)[1]
    return subprocess.run(["curl", "-sS", "--max-time", "10", "--cacert", path("ca.crt"), *words,
                           f"https://example.org:{port}/"], capture_output=True, text=True,
                          timeout=30).stderr


def versions_and_suites_are_as_configured():
    daemon = start(tls())
    assert agrees(daemon) == "TLSv1.3 TLS_AES_128_GCM_SHA256"
    assert agrees(daemon, "-tls1_2") == "TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256"
    assert agrees(daemon, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0") is None
    assert agrees(daemon, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA") is None
    daemon.end(0)
    daemon = start(tls(", max_version: TLS12, curve_preferences: [CurveP384], cipher_suites: "
                       "[TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "
                       "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]"))
    assert agrees(daemon) == "TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384"
    assert agrees(daemon, "-tls1_3") is None
    assert agrees(daemon, "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256") is None
    assert agrees(daemon, "-curves", "X25519:P-256") is None
    assert agrees(daemon, "-curves", "P-256:P-384") is not None
    daemon.end(0)


def clients_must_have_a_certificate_that_is_good_for_it():
    daemon = start(tls(", client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.crt, "
                       "client_allowed_sans: [10.1.2.3, x.test]"))
    assert curl(daemon, "/healthz", *certified("client"))[0] == 200
    assert curl(daemon, "/healthz", *certified("client"), "--tls-max", "1.2")[0] == 200
    for words in ((), certified("strange"), certified("server-only"), certified("other")):
        for more in ((), ("--tls-max", "1.2")):
            status, _, code = curl(daemon, "/healthz", *words, *more)
            assert status == 0 and code != 0, words
    assert daemon.logged("refusing a client's certificate: The certificate is NOT trusted")
    assert daemon.logged("refusing a client's certificate: it has none of client_allowed_sans")
    daemon.end(0)


def the_other_types_of_client_certificates_mean_what_they_say():
    ca = ", client_ca_file: ca.crt"
    expected = {  # without one, a good one, one of strangers
        "NoClientCert": ("", 200, 200, 200),
        "RequestClientCert": ("", 200, 200, 200),
        "RequireAnyClientCert": ("", 0, 200, 200),
        "VerifyClientCertIfGiven": (ca, 200, 200, 0),
        "RequireAndVerifyClientCert": (ca, 0, 200, 0),
    }
    for kind, (more, *statuses) in expected.items():
        daemon = start(tls(f", client_auth_type: {kind}{more}"))
        found = [curl(daemon, "/healthz", *words)[0]
                 for words in ((), certified("client"), certified("strange"))]
        assert found == statuses, (kind, found)
        daemon.end(0)


def a_certificate_is_renewed_without_a_restart():
    daemon = start(tls())
    assert served_by(daemon) == "one"
    host, port = daemon.address.rsplit(":", 1)
    context = ssl.create_default_context(cafile=path("ca.crt"))
    kept = context.wrap_socket(socket.create_connection((host, int(port)), 10),
                               server_hostname="localhost")
    # The certificate first: nothing must happen, then half of the key, then all of it.
    put("two.crt", "server.crt")
    eventually(lambda: daemon.logged(r"web\.yml:1:\d+: the key does not belong to the certificate; "
                                     "what was read before stays in use"), 20)
    with open(path("two.key"), encoding="utf-8") as file:
        half = file.read()[:100]
    with open(path("server.key"), "w", encoding="utf-8") as file:
        file.write(half)
    eventually(lambda: daemon.logged("the key cannot be used"), 20)
    assert served_by(daemon) == "one"
    good = "dbvitals_web_config_last_read_successful"
    assert f"\n{good} 0\n" in curl(daemon, "/metrics?target=dbvitals")[1]
    daemon.signal(1)
    eventually(lambda: daemon.logged("reload: .*the key cannot be used.*the old configuration stays"))
    put("two.key", "server.key")
    eventually(lambda: served_by(daemon) == "two", 20)
    eventually(lambda: f"\n{good} 1\n" in curl(daemon, "/metrics?target=dbvitals")[1])
    assert len(daemon.logged("the key does not belong to the certificate; what")) == 1
    kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert kept.recv(1000).startswith(b"HTTP/1.1 200")
    kept.close()
    # At a reload it need not be waited for.
    put("one.crt", "server.crt")
    put("one.key", "server.key")
    daemon.reload()
    assert served_by(daemon) == "one"
    daemon.end(0)


def what_is_wrong_at_the_start_is_said_with_its_place():
    put("one.crt", "server.crt")
    put("two.key", "server.key")
    write_web(tls())
    for words in (("run", "--storage.path", ":memory:"), ("check-config",)):
        done = run(*words, "--web.config.file", path("web.yml"), "--config.file", write_config())
        assert done.returncode == 1, done
        assert re.search(r"web\.yml:1:54: the key does not belong to the certificate", done.stderr), \
            done.stderr
    write_web("basic_auth_users:\n  prom: hunter2\n")
    done = run("check-config", "--web.config.file", path("web.yml"), "--config.file", write_config())
    assert done.returncode == 1 and "web.yml:2:9: the password of user 'prom' is no bcrypt hash" in \
        done.stderr and "hunter2" not in done.stderr, done.stderr
    write_web(users("prom"))
    done = run("check-config", "--web.config.file", path("web.yml"), "--config.file", write_config())
    assert done.returncode == 0, done.stderr


def write_config():
    with open(path("dbvitals.yml"), "w", encoding="utf-8") as file:
        file.write(CONFIG)
    return path("dbvitals.yml")


def passwords_open_all_paths_and_users_change_without_a_restart():
    daemon = start(tls() + users("prom"))
    for target in ("/metrics", "/healthz", "/-/ready", "/", "/api/v1/query?query=1", "/nothing"):
        assert curl(daemon, target)[0] == 401, target
        assert curl(daemon, target, "-u", "prom:wrong")[0] == 401, target
    assert curl(daemon, "/healthz", "-u", "prom:secret")[0] == 200
    assert curl(daemon, "/nothing", "-u", "prom:secret")[0] == 404
    assert curl(daemon, "/healthz", "-u", "root:admin")[0] == 401
    write_web(tls() + users("root"))
    eventually(lambda: curl(daemon, "/healthz", "-u", "prom:secret")[0] == 401, 20)
    eventually(lambda: curl(daemon, "/healthz", "-u", "root:admin")[0] == 200, 20)
    for secret in ("prom:secret", HASHES["prom"], HASHES["root"], "Basic "):
        assert secret not in daemon.log(), secret
    daemon.end(0)


def only_an_administrator_changes_something_and_no_other_site_for_him():
    daemon = start(tls() + users("prom", "root"))
    put_json = ("-X", "PUT", "-d", '{"value": 9}', "-H", "Content-Type: application/json")
    target = "/api/v1/parameters/round_seconds"
    assert curl(daemon, target, *put_json)[0] == 401
    assert curl(daemon, target, *put_json, "-u", "prom:secret")[0] == 403
    assert curl(daemon, target, *put_json[:4], "-u", "root:admin")[0] == 415
    assert curl(daemon, target, *put_json[:4], "-u", "root:admin", "-H", "Content-Type: text/plain")[0] == 415
    status, body, _ = curl(daemon, target, *put_json, "-u", "root:admin")
    assert status == 200 and json.loads(body)["data"]["value"] == 9, body
    assert daemon.logged(r"parameter 'round_seconds' is now 9s, it was 3s \(by user 'root'\)")
    assert curl(daemon, "/-/reload", "-X", "POST", "-u", "prom:secret")[0] == 403
    daemon.end(0)


def hung_handshakes_delay_nobody():
    daemon = start(tls())
    host, port = daemon.address.rsplit(":", 1)
    hello = bytes.fromhex("16030100c8010000c40303") + bytes(20)  # the beginning of one
    hung = []
    for i in range(64):
        plain = socket.create_connection((host, int(port)), 10)
        plain.sendall(hello[:1 + i % len(hello)])
        hung.append(plain)
    context = ssl.create_default_context(cafile=path("ca.crt"))
    slowest = 0
    for i in range(100):
        began = time.monotonic()
        hung[i % 64].sendall(b"\0")  # they drip
        with context.wrap_socket(socket.create_connection((host, int(port)), 10),
                                 server_hostname="localhost") as secure:
            secure.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert secure.recv(100).startswith(b"HTTP/1.1 200")
        slowest = max(slowest, time.monotonic() - began)
    print(f"# slowest of 100 requests beside 64 hung handshakes: {slowest * 1000:.1f} ms")
    assert slowest < 1, slowest
    for plain in hung:
        plain.close()
    # More than there is room for: they make room.
    hung = [socket.create_connection((host, int(port)), 10) for _ in range(500)]
    time_out = time.monotonic() + 10
    while len(hung) < 700 and time.monotonic() < time_out:
        hung.append(socket.create_connection((host, int(port)), 10))
    eventually(lambda: curl(daemon)[0] == 200, 10, "somebody gets through")
    for plain in hung:
        plain.close()
    daemon.end(0)


def a_guesser_keeps_nobody_out_who_is_known():
    daemon = start(tls() + users("prom"))
    assert curl(daemon, "/healthz", "-u", "prom:secret")[0] == 200
    port = daemon.address.rsplit(":", 1)[1]
    guessing = [subprocess.Popen(
        ["curl", "-s", "--max-time", "20", "--cacert", path("ca.crt"), "-u", f"prom:guess{i}", "-o",
         "/dev/null", "-w", "%{http_code}", f"https://localhost:{port}/healthz"],
        stdout=subprocess.PIPE, text=True) for i in range(24)]
    throughout(lambda: curl(daemon, "/healthz", "-u", "prom:secret")[0] == 200, 0.5)
    statuses = {process.communicate(timeout=30)[0] for process in guessing}
    assert statuses <= {"401", "503"} and "401" in statuses, statuses
    daemon.end(0)


def prometheus_scrapes_with_certificate_and_password():
    program = peer_path("prometheus")
    if program is None:
        raise Skip("no prometheus here")
    daemon = start(tls(", client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.crt, "
                       "client_allowed_sans: [prometheus.test]") + users("prom"))
    access = f"""
    tls_config: {{ca_file: {path("ca.crt")}, cert_file: {path("client.crt")}, key_file: {path("client.key")}}}
    basic_auth: {{username: prom, password: secret}}"""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    prometheus = Prometheus(program, port, f"""
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: databases{access}
    http_sd_configs:
      - url: "https://{daemon.address}/sd"
        refresh_interval: 1s{access.replace("    ", "        ")}
  - job_name: stranger
    scheme: https
    tls_config: {{ca_file: {path("ca.crt")}}}
    static_configs: [{{targets: ["{daemon.address}"]}}]
""")

    def up():
        try:
            status, answer = ask(prometheus.address, "query?query=up")
        except OSError:
            return {}
        found = answer["data"]["result"] if status == 200 else []
        return {r["metric"].get("target", "stranger"): r["value"][1] for r in found}
    eventually(lambda: up() == {"host-1": "1", "dbvitals": "1", "stranger": "0"}, 30, "scrapes")
    prometheus.end()
    daemon.end(0)


make_all()
run_tests([
    everything_is_served_over_tls_and_knows_that,
    versions_and_suites_are_as_configured,
    clients_must_have_a_certificate_that_is_good_for_it,
    the_other_types_of_client_certificates_mean_what_they_say,
    a_certificate_is_renewed_without_a_restart,
    what_is_wrong_at_the_start_is_said_with_its_place,
    passwords_open_all_paths_and_users_change_without_a_restart,
    only_an_administrator_changes_something_and_no_other_site_for_him,
    hung_handshakes_delay_nobody,
    a_guesser_keeps_nobody_out_who_is_known,
    prometheus_scrapes_with_certificate_and_password,
])
