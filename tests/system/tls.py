#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""TLS to real servers: what is trusted and what is not, and files that change while we run."""
import os
import re
import shutil
import subprocess

from harness import Daemon, FakeServer, Sandbox, eventually, folder, run_tests, throughout

sandbox = Sandbox(only="primary,redis,redis-replica,sentinel")
RIGHT_CA = os.path.join(sandbox.dir, "tls", "server.crt")
RIGHT_KEY = os.path.join(sandbox.dir, "tls", "server.key")
TLS_PORT = sandbox.servers["redis"]["tls_port"]
PLAIN_PORT = sandbox.servers["redis"]["port"]
# Asks clients for a certificate.
STRICT = "redis-replica"
STRICT_PORT = sandbox.servers[STRICT]["tls_port"]
FILES = folder()


def openssl(*words):
    done = subprocess.run(["openssl", *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def path(name):
    return os.path.join(FILES, name)


def make_authority(name):
    """NAME.crt, NAME.key: signed by itself, for localhost."""
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "2", "-subj", f"/CN={name}",
            "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-keyout", path(name + ".key"), "-out", path(name + ".crt"))
    os.chmod(path(name + ".key"), 0o644)  # the server runs as somebody else


def make_signed(name, authority, key):
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", f"/CN={name}", "-keyout", path(name + ".key"), "-out", path(name + ".csr"))
    openssl("x509", "-req", "-in", path(name + ".csr"), "-CA", authority, "-CAkey", key,
            "-set_serial", "4711", "-days", "2", "-out", path(name + ".crt"))


def put(source, name):
    """Replaces a file as certificate managers do."""
    shutil.copyfile(source, path(name + ".new"))
    os.rename(path(name + ".new"), path(name))


def redis(name, url, tls="", password=None, kind="redis"):
    words = [f"name: {name}", f"type: {kind}", f'url: "{url}"']
    words += [f"tls: {{{tls}}}"] if tls else []
    words += [f"password: {password!r}"] if password else []
    words += ["format: redis, keys: [orders]"] if kind == "breakers" else []
    return "  - {" + ", ".join(words) + "}\n"


def strict(name, tls, kind="redis"):
    return redis(name, f"rediss://localhost:{STRICT_PORT}", f"ca_file: {RIGHT_CA}" + tls,
                 sandbox.passwords["redis_replica"], kind)


def postgres(name, parameters):
    return (f'  - {{name: {name}, type: postgres, dsn: "port={sandbox.servers["primary"]["port"]} '
            f'user=monitor dbname=postgres {parameters}", password: '
            f"'{sandbox.passwords['monitor'].replace(chr(39), chr(39) * 2)}'}}\n")


for made in ("wrong", "renewed"):
    make_authority(made)
make_signed("client", RIGHT_CA, RIGHT_KEY)
make_signed("stranger", path("wrong.crt"), path("wrong.key"))
make_signed("client-renewed", path("renewed.crt"), path("renewed.key"))
put(path("wrong.crt"), "ca.pem")
put(path("wrong.crt"), "pg-ca.pem")
put(path("client.crt"), "renewing.crt")
put(path("client.key"), "renewing.key")
sandbox.redis("HSET", "orders", "state", "OPEN", "failures", "7")
sandbox.redis("CONFIG", "SET", "tls-auth-clients", "yes", server=STRICT)
mute = FakeServer(lambda peer: peer.recv(65536) and peer.sendall(b"-ERR what?\r\n"))

URL = f"rediss://127.0.0.1:{TLS_PORT}"
SENTINEL = f"rediss://localhost:{sandbox.servers['sentinel']['tls_port']}"
HEAD = "global: {interval: 300ms, timeout: 2s}\ntargets:\n"
TARGETS = "".join([
    redis("right", URL, f"ca_file: {RIGHT_CA}"),
    redis("by-name", f"rediss://localhost:{TLS_PORT}", f"ca_file: {RIGHT_CA}"),
    redis("named", URL, f"ca_file: {RIGHT_CA}, server_name: localhost"),
    redis("unchecked", URL, "insecure_skip_verify: true"),
    redis("wrong-ca", URL, f"ca_file: {path('wrong.crt')}"),
    redis("system-ca", URL),
    redis("wrong-name", URL, f"ca_file: {RIGHT_CA}, server_name: cache.example"),
    redis("wrong-address", URL, f"ca_file: {RIGHT_CA}, server_name: 127.0.0.2"),
    redis("sentinel", SENTINEL, f"ca_file: {RIGHT_CA}", kind="sentinel"),
    redis("sentinel-wrong-ca", SENTINEL, f"ca_file: {path('wrong.crt')}", kind="sentinel"),
    redis("no-file", URL, "ca_file: missing.pem"),
    redis("not-tls", f"rediss://127.0.0.1:{mute.port}", "insecure_skip_verify: true"),
    redis("changing", URL, "ca_file: ca.pem"),
    strict("shown", f", cert_file: {path('client.crt')}, key_file: {path('client.key')}"),
    strict("renewing", f", cert_file: {path('renewing.crt')}, key_file: {path('renewing.key')}"),
    strict("not-shown", ""),
    strict("stranger", f", cert_file: {path('stranger.crt')}, key_file: {path('stranger.key')}"),
    strict("other-key", f", cert_file: {path('client.crt')}, key_file: {path('stranger.key')}"),
    strict("app", f", cert_file: {path('client.crt')}, key_file: {path('client.key')}", "breakers"),
    strict("app-not-shown", "", "breakers"),
    redis("app-wrong-ca", URL, f"ca_file: {path('wrong.crt')}", kind="breakers"),
    postgres("pg-right", f"host=localhost sslmode=verify-full sslrootcert={RIGHT_CA}"),
    postgres("pg-wrong-ca", f"host=localhost sslmode=verify-full sslrootcert={path('wrong.crt')}"),
    postgres("pg-changing", f"host=localhost sslmode=verify-full sslrootcert={path('pg-ca.pem')}"),
    postgres("pg-wrong-name", "host=orders.example hostaddr=127.0.0.1 sslmode=verify-full "
             f"sslrootcert={RIGHT_CA}"),
])
# Paths begin at the folder of the configuration file.
with open(path("dbvitals.yml"), "w", encoding="utf-8") as file:
    file.write(HEAD + TARGETS)
daemon = Daemon(config_file=path("dbvitals.yml"))


def reasons(target):
    return {p["reason"]: v
            for p, v in daemon.page().find("dbvitals_target_errors_total", target=target)}


def says(target, sentence):
    """The target is down, by nothing but TLS, and the log says so."""
    daemon.wait_down(target)
    eventually(lambda: daemon.logged(f"target '{target}': [^\n]*{sentence}"),
               what=f"{target}: {sentence}")
    assert list(reasons(target)) == ["tls"], reasons(target)
    assert daemon.page().value("redis_up", target=target) in (0, None)


def a_trusted_server_is_up():
    daemon.wait_up("right", "by-name", "named")
    assert daemon.page("right").value("redis_up") == 1
    assert len(daemon.page("right").samples) > 150
    assert not reasons("right") and not reasons("by-name") and not reasons("named")


def an_unchecked_server_is_up():
    daemon.wait_up("unchecked")


def an_unknown_authority_is_refused():
    says("wrong-ca", r"certificate \(CN=localhost\) is not accepted: self-signed certificate")
    says("system-ca", r"certificate \(CN=localhost\) is not accepted: self-signed certificate")


def another_name_is_refused():
    says("wrong-name", "is not accepted: hostname mismatch")
    says("wrong-address", "is not accepted: IP address mismatch")


def a_sentinel_is_asked_over_tls_alike():
    daemon.wait_up("sentinel")
    page = daemon.page("sentinel")
    assert page.value("redis_sentinel_masters") == 1, page.names()
    assert page.value("redis_sentinel_master_slaves", master_name="cache") == 1, page.names()
    says("sentinel-wrong-ca", r"certificate \(CN=localhost\) is not accepted: self-signed")


def a_missing_file_is_named():
    says("no-file", f"{re.escape(path('missing.pem'))}'? cannot be opened")


def a_server_without_tls_is_told():
    says("not-tls", "what the server answers is not TLS")


def a_certificate_of_ours_is_shown_when_asked_for():
    daemon.wait_up("shown")
    says("not-shown", "refused: certificate required .it may want a certificate")
    says("stranger", "refused: [^\n]*our 'cert_file'")
    says("other-key", "is not the private key of the certificate in|private key in")


def breakers_of_applications_are_read_over_tls_alike():
    daemon.wait_up("app")
    page = daemon.page("app")
    assert page.value("dbvitals_app_breaker_state", app="app", name="orders", state="open") == 1
    assert page.value("dbvitals_app_breaker_failed_calls", app="app", name="orders") == 7
    says("app-not-shown", "refused: certificate required .it may want a certificate")
    says("app-wrong-ca", r"certificate \(CN=localhost\) is not accepted: self-signed certificate")


def a_replaced_file_is_used_without_reload():
    says("changing", "is not accepted")
    put(RIGHT_CA, "ca.pem")
    daemon.wait_up("changing")


def connects_again(target, server):
    """Ends the server's connections and waits for a new one of the target."""
    def opened():
        return daemon.page(target).value("dbvitals_connections_opened_total")
    before = opened()
    sandbox.redis("CLIENT", "KILL", "TYPE", "normal", server=server)
    eventually(lambda: opened() > before, what=f"{target} connects again")
    daemon.wait_up(target)


def a_certificate_of_ours_is_renewed_without_reload_and_half_a_file_changes_nothing():
    daemon.wait_up("renewing")
    with open(path("renewing.crt"), "r+", encoding="ascii") as file:
        file.truncate(300)
    connects_again("renewing", STRICT)
    damaged = re.escape(path("renewing.crt"))
    eventually(lambda: daemon.logged("certificates cannot be renewed, those read before stay in "
                                     f"use: '{damaged}' holds no certificate"),
               what="the log tells which file cannot be used")
    # First the certificate, then the key: in between they do not belong together.
    put(path("client-renewed.crt"), "renewing.crt")
    connects_again("renewing", STRICT)
    put(path("client-renewed.key"), "renewing.key")
    # From now on the server trusts nobody who shows the old one.
    sandbox.redis("CONFIG", "SET", "tls-ca-cert-file", path("renewed.crt"), server=STRICT)
    connects_again("renewing", STRICT)
    daemon.wait_down("shown")


def a_file_of_libpq_is_read_for_each_connection():
    says("pg-changing", "certificate verify failed")
    put(RIGHT_CA, "pg-ca.pem")
    daemon.wait_up("pg-changing")


def a_renewed_certificate_needs_a_new_authority_and_keeps_what_is_connected():
    sandbox.redis("CONFIG", "SET", "tls-cert-file", path("renewed.crt"),
                  "tls-key-file", path("renewed.key"))
    shown = sandbox.redis("CONFIG", "GET", "tls-cert-file")
    assert path("renewed.crt") in shown, shown
    put(path("renewed.crt"), "ca.pem")
    opened = daemon.page("changing").value("dbvitals_connections_opened_total")
    throughout(lambda: daemon.up("changing") == 1, 1.0)
    assert daemon.page("changing").value("dbvitals_connections_opened_total") == opened
    sandbox.redis("CLIENT", "KILL", "TYPE", "normal")
    eventually(lambda: daemon.page("changing").value("dbvitals_connections_opened_total") > opened,
               what="it connects again")
    daemon.wait_up("changing")
    daemon.wait_down("right")  # its authority is the old one
    eventually(lambda: daemon.logged(r"target 'right': [^\n]*\(CN=renewed\) is not accepted"),
               what="the old authority does not know the new certificate")


def a_plain_redis_says_nothing_to_a_handshake():
    daemon.write_config("global: {interval: 300ms, timeout: 300ms}\ntargets:\n" +
                        redis("plain", f"rediss://127.0.0.1:{PLAIN_PORT}"))
    daemon.reload()
    daemon.wait_down("plain")
    eventually(lambda: daemon.logged(r"target 'plain': [^\n]*still waiting for the TLS handshake"),
               what="the log tells what we wait for")
    assert list(reasons("plain")) == ["timeout"], reasons("plain")
    with open(path("dbvitals.yml"), "w", encoding="utf-8") as restored:
        restored.write(HEAD + TARGETS)
    daemon.reload()


def postgres_checks_by_the_dsn():
    daemon.wait_up("pg-right")
    says("pg-wrong-ca", "certificate verify failed")
    says("pg-wrong-name", "does not match host name")
    ours = sandbox.sql("SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
                       "WHERE usename = 'monitor' AND NOT ssl")
    assert ours == [["0"]], ours


def no_secret_is_logged():
    assert "PRIVATE KEY" not in daemon.log()
    assert sandbox.passwords["redis_replica"] not in daemon.log()


def it_stops_cleanly():
    daemon.end(0)


run_tests([
    a_trusted_server_is_up,
    an_unchecked_server_is_up,
    an_unknown_authority_is_refused,
    another_name_is_refused,
    a_sentinel_is_asked_over_tls_alike,
    a_missing_file_is_named,
    a_server_without_tls_is_told,
    a_certificate_of_ours_is_shown_when_asked_for,
    breakers_of_applications_are_read_over_tls_alike,
    a_replaced_file_is_used_without_reload,
    postgres_checks_by_the_dsn,
    a_file_of_libpq_is_read_for_each_connection,
    a_certificate_of_ours_is_renewed_without_reload_and_half_a_file_changes_nothing,
    a_renewed_certificate_needs_a_new_authority_and_keeps_what_is_connected,
    a_plain_redis_says_nothing_to_a_handshake,
    no_secret_is_logged,
    it_stops_cleanly,
])
