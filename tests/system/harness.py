# SPDX-License-Identifier: Apache-2.0
"""What the system tests share: the sandbox's servers, the daemon, its answers, and TAP.

A test is a function in a list; its name is the sentence.  Nothing sleeps to wait: eventually() polls
with a deadline.  The daemon under test is $DBVITALS (default build/dbvitals).
"""
import contextlib
import ctypes
import http.client
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.error
import urllib.request

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SANDBOX = os.path.join(ROOT, "tests", "support", "sandbox")
DBVITALS = os.environ.get("DBVITALS") or os.path.join(ROOT, "build", "dbvitals")
# Sanitizers and a loaded machine take their time; nothing waits so long when all is well.
PATIENCE = 15.0


class Skip(Exception):
    """This case cannot run here; the text says why."""


def run_tests(tests):
    """Runs the functions in order, prints TAP, and ends the process."""
    failed = 0
    print(f"1..{len(tests)}", flush=True)
    for number, test in enumerate(tests, 1):
        name = test.__name__.replace("_", " ")
        began = time.monotonic()
        try:
            test()
            print(f"ok {number} - {name}", flush=True)
        except Skip as reason:
            print(f"ok {number} - {name} # SKIP {reason}", flush=True)
        except BaseException as problem:  # noqa: BLE001 - the next cases still count
            failed += 1
            for line in traceback.format_exc().splitlines():
                print(f"# {line}")
            print(f"not ok {number} - {name}", flush=True)
            if isinstance(problem, KeyboardInterrupt):
                break
        print(f"# {time.monotonic() - began:.1f} s: {name}", flush=True)
    sys.exit(1 if failed else 0)


def eventually(condition, seconds=PATIENCE, what=None):
    """Polls until condition() is true (or returns something) and returns that."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what or condition.__name__}")
        time.sleep(0.02)


def throughout(condition, seconds, what=None):
    """The condition holds at every look for so long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), what or condition.__name__
        time.sleep(0.05)


def folder():
    """A scratch folder that any user may enter; removed at exit."""
    path = tempfile.mkdtemp(prefix="dbv")
    os.chmod(path, 0o755)
    _FOLDERS.callback(shutil.rmtree, path, True)
    return path


_FOLDERS = contextlib.ExitStack()
import atexit  # noqa: E402
atexit.register(_FOLDERS.close)


class Sandbox:
    """Real servers; ended when the process ends, whatever happens."""

    def __init__(self, only=None):
        self.dir = os.path.join(folder(), "s")
        command = [SANDBOX, "up", "--dir", self.dir, "--while-pid", str(os.getpid())]
        if only:
            command += ["--only", only]
        done = subprocess.run(command, capture_output=True, text=True, timeout=90)
        if done.returncode == 77:
            print(f"1..0 # SKIP {done.stderr.strip() or done.stdout.strip()}")
            sys.exit(0)
        if done.returncode != 0:
            print(f"Bail out! sandbox: {done.stdout}{done.stderr}")
            sys.exit(1)
        _FOLDERS.callback(self.down)
        with open(os.path.join(self.dir, "sandbox.json"), encoding="utf-8") as file:
            about = json.load(file)
        self.servers = about["servers"]
        self.passwords = about["passwords"]
        self.spare_ports = about["spare_ports"]
        self.run = about["run"]
        self.config = os.path.join(self.dir, "dbvitals.yml")

    def down(self):
        subprocess.run([SANDBOX, "down", "--dir", self.dir], capture_output=True, timeout=60)

    def control(self, *words):
        done = subprocess.run([SANDBOX, *words, "--dir", self.dir], capture_output=True, text=True,
                              timeout=60)
        assert done.returncode == 0, f"sandbox {' '.join(words)}: {done.stdout}{done.stderr}"

    def sql(self, statement, server="primary", database="postgres", dsn=None):
        """Runs SQL as the superuser over the unix socket; rows as lists of text."""
        connection = dsn or re.sub(r"dbname=\S+", f"dbname={database}",
                                   self.servers[server]["dsn_super"])
        done = subprocess.run(["psql", "-XAtq", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-d",
                               connection, "-c", statement], capture_output=True, text=True,
                              timeout=30)
        assert done.returncode == 0, done.stderr
        return [line.split("\t") for line in done.stdout.splitlines()]

    def redis(self, *words, server="redis"):
        """One command as the default user over the unix socket (which needs a password on the
        replica)."""
        command = ["redis-cli", "-p", str(self.servers[server]["port"])]
        if server == "redis-replica":
            command += ["-a", self.passwords["redis_replica"], "--no-auth-warning"]
        done = subprocess.run(command + list(words), capture_output=True, text=True, timeout=30)
        return done.stdout.strip()


SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)')


def unescape(text):
    return re.sub(r'\\(.)', lambda m: "\n" if m.group(1) == "n" else m.group(1), text)


class Page:
    """A parsed exposition."""

    def __init__(self, text):
        self.text = text
        self.samples = []
        self.types = {}
        for line in text.split("\n"):
            if line.startswith("# TYPE "):
                name, kind = line[7:].rsplit(" ", 1)
                assert name not in self.types, f"second TYPE of {name}"
                self.types[name] = kind
            elif line and not line.startswith("#"):
                match = SAMPLE.match(line)
                assert match, f"not a sample: {line!r}"
                name, labels, value = match.groups()
                pairs = {}
                end = 0
                for label in LABEL.finditer(labels or ""):
                    assert label.start() == end, f"bad labels: {line!r}"
                    end = label.end()
                    pairs[label.group(1)] = unescape(label.group(2))
                assert end == len(labels or ""), f"bad labels: {line!r}"
                self.samples.append((name, pairs, float(value)))

    def find(self, name, /, **labels):
        return [(pairs, value) for found, pairs, value in self.samples
                if found == name and all(pairs.get(k) == v for k, v in labels.items())]

    def value(self, name, /, **labels):
        """The only sample that fits, or None."""
        found = self.find(name, **labels)
        assert len(found) < 2, f"{len(found)} samples fit {name} {labels}"
        return found[0][1] if found else None

    def names(self):
        return {name for name, _, _ in self.samples}


def queued(pid):
    """Seconds that a process has waited for a processor; 0 where the kernel does not tell."""
    try:
        with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
            return int(file.read().split()[1]) / 1e9
    except OSError:
        return 0


class Answer:
    """seconds: that it took; own: without those in which the daemon or we waited for a processor,
    which others had."""

    def __init__(self, status, headers, body, seconds, own):
        self.status, self.headers, self.body = status, headers, body
        self.seconds, self.own = seconds, own

    @property
    def text(self):
        return self.body.decode("utf-8")

    @property
    def json(self):
        return json.loads(self.body)


class Daemon:
    """dbvitals run, on a port of its own; ended when the process ends."""

    def __init__(self, config=None, config_file=None, flags=(), environment=None, wait=True,
                 wrapper=(), level="debug"):
        self.folder = folder()
        self.config_file = config_file or os.path.join(self.folder, "dbvitals.yml")
        if config is not None:
            self.write_config(config)
        self.log_path = os.path.join(self.folder, "log")
        command = [*wrapper, DBVITALS, "run", "--web.listen-address=127.0.0.1:0",
                   "--storage.path", os.path.join(self.folder, "storage"), "--log.level", level,
                   *flags]
        if config is not None or config_file:
            command += ["--config.file", self.config_file]
        self.command, self.environment = command, {**os.environ, **(environment or {})}
        _FOLDERS.callback(self.end)
        self.start(wait)

    def start(self, wait=True):
        """Also again, after its end, with the same configuration and storage and a new log."""
        self.started = time.monotonic()
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env=self.environment)
        self.address = None
        if wait:
            match = eventually(self._listens, what="the daemon listens")
            self.address = match.group(1)

    def kill(self):
        """As by a crash: nothing is written any more."""
        self.process.kill()
        self.process.wait()

    def _listens(self):
        match = re.search(r"listens on (\S+) and", self.log())
        if not match and self.process.poll() is not None:
            raise AssertionError(f"exit {self.process.returncode}: {self.log()}")
        return match

    def write_config(self, text):
        with open(self.config_file, "w", encoding="utf-8") as file:
            file.write(text)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def logged(self, pattern):
        return re.findall(pattern, self.log())

    def get(self, path, method="GET", headers=None, body=None, timeout=10):
        host, port = self.address.rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=timeout)
        pids = (self.process.pid, os.getpid())
        start, others = time.monotonic(), sum(map(queued, pids))
        try:
            connection.request(method, path, body=body, headers=headers or {})
            reply = connection.getresponse()
            content = reply.read()
            seconds, others = time.monotonic() - start, sum(map(queued, pids)) - others
            return Answer(reply.status, reply.headers, content, seconds, max(0, seconds - others))
        finally:
            connection.close()

    def page(self, target=None):
        answer = self.get("/metrics" + (f"?target={target}" if target else ""))
        assert answer.status == 200, answer.body[:200]
        return Page(answer.text)

    def up(self, target):
        """1, 0, or None while a guessed target has not answered yet."""
        return self.page().value("dbvitals_target_up", target=target)

    def wait_up(self, *targets, seconds=PATIENCE):
        for target in targets:
            eventually(lambda t=target: self.up(t) == 1, seconds, f"target {target} is up")

    def wait_down(self, *targets, seconds=PATIENCE):
        for target in targets:
            eventually(lambda t=target: self.up(t) == 0, seconds, f"target {target} is down")

    def wait_view(self, cluster="orders"):
        """What would be known of a cluster after a restart has been written as it is now."""
        path = os.path.join(self.folder, "storage", f"failover-{cluster}.view")

        def seen():
            return os.stat(path).st_mtime_ns if os.path.exists(path) else 0
        for _ in range(2):  # one may have been on its way to the disk
            since = seen()
            eventually(lambda before=since: seen() > before, what=f"a view of '{cluster}'")

    def wait_ready(self):
        eventually(lambda: self.get("/-/ready").status == 200, what="ready")

    def signal(self, number):
        self.process.send_signal(number)

    def reload(self):
        """SIGHUP, and wait until the daemon has said what came of it."""
        before = len(self.logged(r"reload:|is loaded"))
        self.signal(signal.SIGHUP)
        eventually(lambda: len(self.logged(r"reload:|is loaded")) > before, what="reloaded")

    def end(self, expected=None):
        """Stops it and returns its exit code; sanitizers speak through it."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if expected is not None:
            assert self.process.returncode == expected, \
                f"exit {self.process.returncode}: {self.log()[-3000:]}"
        return self.process.returncode


def run(*words, environment=None, timeout=30):
    """A command of dbvitals that ends by itself."""
    return subprocess.run([DBVITALS, *words], capture_output=True, text=True, timeout=timeout,
                          env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL)


def peer_path(name):
    """The path of a program of others that tests need (prometheus, promtool, ...), or None."""
    path = shutil.which(name)
    if path:
        return path
    done = subprocess.run([os.path.join(ROOT, "tests", "support", "peers"), "path", name],
                          capture_output=True, text=True, timeout=300)
    return done.stdout.strip() if done.returncode == 0 else None


def find_peer(name):
    """The same; skips all tests where there is none."""
    path = peer_path(name)
    if path is None:
        print(f"1..0 # SKIP no {name} here: run 'tests/support/peers fetch {name}'")
        sys.exit(0)
    return path


def ask(address, path, form=None, timeout=60):
    """(status, JSON or None) of the HTTP API, ours or Prometheus'; OSError while nobody listens."""
    request = urllib.request.Request(f"http://{address}/api/v1/{path}", data=form)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        body = error.read()
        return error.code, json.loads(body) if body.startswith(b"{") else None


def scrapes(daemon, joined=True):
    """Configuration of a Prometheus that scrapes a daemon every second: by /sd, and as a joined
    page."""
    text = f"""
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: databases
    http_sd_configs: [{{url: "http://{daemon.address}/sd", refresh_interval: 1s}}]
"""
    return text + (f"""
  - job_name: joined
    honor_labels: true
    static_configs: [{{targets: ["{daemon.address}"]}}]
""" if joined else "")


class Prometheus:
    """A real one, on one of the sandbox's spare ports; ended when the process ends."""

    def __init__(self, program, port, config, flags=()):
        self.folder = folder()
        self.address = f"127.0.0.1:{port}"
        self.log_path = os.path.join(self.folder, "log")
        config_file = os.path.join(self.folder, "prometheus.yml")
        with open(config_file, "w", encoding="utf-8") as file:
            file.write(config)
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [program, f"--config.file={config_file}",
                 f"--storage.tsdb.path={self.folder}/data",
                 f"--web.listen-address={self.address}", *flags],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        _FOLDERS.callback(self.end)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Alertmanager:
    """A real one, on a free port, without a cluster; ended when the process ends."""

    def __init__(self, program, config="route: {receiver: none}\nreceivers: [{name: none}]\n",
                 flags=()):
        self.folder = folder()
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        self.url = f"http://{self.address}"
        with open(os.path.join(self.folder, "am.yml"), "w", encoding="ascii") as file:
            file.write(config)
        # A program that is unpacked beside the system looks for its templates where its package
        # would have put them.
        share = os.path.join(os.path.dirname(os.path.dirname(program)), "share")
        wrapper = () if program.startswith("/usr/") else (
            "unshare", "--mount", "--map-root-user", "sh", "-c",
            'mount --bind "$0" /usr/share && exec "$@"', share)
        self.command = [*wrapper, program, f"--config.file={self.folder}/am.yml",
                        f"--storage.path={self.folder}/data",
                        f"--web.listen-address={self.address}", "--cluster.listen-address=", *flags]
        _FOLDERS.callback(self.end)
        self.start()

    def start(self):
        """Also again, after its end: it then knows of no alerts."""
        with open(os.path.join(self.folder, "log"), "wb") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log)
        eventually(self.is_ready, what="Alertmanager")

    def alerts(self):
        """What fires now, as its API tells it."""
        with urllib.request.urlopen(self.url + "/api/v2/alerts", timeout=5) as answer:
            return json.load(answer)

    def is_ready(self):
        with contextlib.suppress(OSError):
            self.alerts()
            return True
        return False

    def signal(self, number):
        self.process.send_signal(number)

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def end_with_parent():
    """Lets the kernel end this process with the one that forked it: whoever sleeps on would keep
    meson's pipe open, and meson would wait for that."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class FakeServer:
    """Listens on loopback and treats each connection as handle(socket) says, in a child process."""

    def __init__(self, handle):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.pid = os.fork()
        if self.pid == 0:
            end_with_parent()
            signal.alarm(120)
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            while True:
                peer, _ = self.socket.accept()
                if os.fork() == 0:
                    end_with_parent()
                    signal.alarm(120)
                    try:  # whatever happens, this process must not go on with the tests
                        with contextlib.suppress(OSError):
                            handle(peer)
                    except Exception:
                        traceback.print_exc()
                    finally:
                        os._exit(0)
                peer.close()
        _FOLDERS.callback(self.end)

    def end(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0
            self.socket.close()


def quote(words):
    return " ".join(shlex.quote(word) for word in words)
