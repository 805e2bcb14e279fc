# SPDX-License-Identifier: Apache-2.0
"""The servers of a sandbox: where their programs are, how each is created, started and asked."""
import glob
import json
import os
import pwd
import shlex
import shutil
import socket
import subprocess
import threading

import sandbox_config as config
from sandbox_proc import Failure, Family, wait_for, write_pid_file
from sandbox_redis import RedisLink

NAMES = ["primary", "replica", "pgbouncer", "redis", "redis-replica", "sentinel"]
MARKER = ".dbvitals-sandbox"
START_SECONDS = 30


def find_program(variable, names, folders, package):
    """A program that the caller names, or the first one that is installed."""
    named = os.environ.get(variable)
    for path in [named] if named else [f"{d}/{n}" for n in names for d in folders]:
        if os.access(path, os.X_OK):
            return path
    raise Failure(f"{named or names[0]} is not installed (package {package})", 77)


def postgres_program(name):
    variable = os.environ.get("DBVITALS_PG_BINDIR")
    versions = sorted(glob.glob("/usr/lib/postgresql/*/bin"),
                      key=lambda d: float(d.split("/")[4]), reverse=True)
    path = os.pathsep.join([variable] if variable else versions + [os.environ.get("PATH", "")])
    found = shutil.which(name, path=path)
    if not found:
        raise Failure(f"{name} is not installed (package postgresql)", 77)
    return found


def find_programs(names):
    bin_folders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    programs = {"openssl": find_program("DBVITALS_OPENSSL", ["openssl"], bin_folders, "openssl")}
    for name in names:
        if name in ("primary", "replica"):
            programs[name] = postgres_program("postgres")
        elif name == "pgbouncer":
            programs[name] = find_program("DBVITALS_PGBOUNCER", ["pgbouncer"], bin_folders,
                                          "pgbouncer")
        else:
            # The checking tool is the server program itself under another name.
            programs[name] = find_program("DBVITALS_REDIS_SERVER",
                                          ["redis-server", "redis-check-rdb"], bin_folders,
                                          "redis-tools")
    return programs


def server_user():
    """PostgreSQL refuses to run as root: (user id, group id, name) of whom the servers run as."""
    if os.geteuid() != 0:
        entry = (os.geteuid(), os.getegid())
        try:
            return (*entry, pwd.getpwuid(entry[0]).pw_name)
        except KeyError:
            return (*entry, str(entry[0]))
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
            return (entry.pw_uid, entry.pw_gid, name)
        except KeyError:
            pass
    raise Failure("root needs a user 'postgres' or 'nobody' to run the servers as")


def tcp_open(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


class Servers:
    """The servers of one folder: their files, their processes, and how each is made."""

    def __init__(self, folder):
        self.folder = os.path.abspath(folder)
        self.state = {}
        self.last_error = ""

    # --- files -------------------------------------------------------------------------------

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def write(self, path, text, mode=0o600, user=None):
        """Replaces a file as a whole; the user is the one that the servers run as, if given."""
        new = path + ".new"
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(fd, "w", encoding="utf-8") as f:
            if user and os.geteuid() == 0:
                os.fchown(f.fileno(), *user[:2])
            f.write(text)
        os.rename(new, path)

    def make_folder(self, path, mode, user=None):
        os.mkdir(path, mode)
        os.chmod(path, mode)
        if user and os.geteuid() == 0:
            os.chown(path, *user[:2])

    def is_ours(self):
        return os.path.exists(self.path(MARKER))

    def load(self):
        try:
            with open(self.path("sandbox.json"), encoding="utf-8") as f:
                self.state = json.load(f)
        except (OSError, ValueError):
            self.state = {}
        return self.state

    def save(self):
        """Writes what users of the sandbox read; pids are looked up anew each time."""
        for name, server in self.state["servers"].items():
            server["pid"] = self.family(name).main()
        self.write(self.path("sandbox.json"), json.dumps(self.state, indent=2) + "\n")
        values = {"SANDBOX_DIR": self.folder, "SANDBOX_RUN": self.path("run"),
                  "SANDBOX_CONFIG": self.path("dbvitals.yml"),
                  "SANDBOX_CA": self.path("tls/server.crt"),
                  "SANDBOX_SPARE_PORTS": " ".join(map(str, self.state["spare_ports"]))}
        for name, server in self.state["servers"].items():
            for key, value in server.items():
                label = f"SANDBOX_{name}_{key}".upper().replace("-", "_")
                values[label] = "" if value is None else str(value)
        for name, password in self.state["passwords"].items():
            values[f"SANDBOX_PASSWORD_{name}".upper()] = password
        self.write(self.path("env"),
                   "".join(f"{k}={shlex.quote(v)}\n" for k, v in sorted(values.items())))

    def family(self, name):
        server = self.state["servers"][name]
        return Family(self.path("pids", name), self.state["uid"], self.path(name),
                      server["program"])

    def is_up(self, name):
        return self.family(name).main() is not None

    def server(self, name):
        if name not in self.state.get("servers", {}):
            raise Failure(f"no server '{name}' in {self.folder}")
        return self.state["servers"][name]

    def log_tail(self, name):
        try:
            with open(self.state["servers"][name]["log"], encoding="utf-8", errors="replace") as f:
                lines = f.readlines()[-20:]
        except (OSError, KeyError):
            return ""
        return "".join(f"    {name}: {line.rstrip()}\n" for line in lines)

    # --- processes ---------------------------------------------------------------------------

    def spawn(self, argv, name):
        """Starts a process of a server as the user of all servers, in the server's folder, by
        which it is found even if nobody lives to write its pid down."""
        env = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "REDIS", "LC_"))}
        env.update(HOME=self.path(name), LC_ALL="C.UTF-8", PATH="/usr/sbin:/usr/bin:/sbin:/bin")
        identity = {}
        if os.geteuid() == 0:
            identity = {"user": self.state["uid"], "group": self.state["gid"], "extra_groups": []}
        with open(self.state["servers"][name]["log"], "ab") as out:
            return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                    cwd=self.path(name), env=env, umask=0o077,
                                    start_new_session=True, **identity)

    def run(self, argv, name):
        """Runs a helper of a server to its end."""
        process = self.spawn(argv, name)
        if process.wait(timeout=60) != 0:
            raise Failure(f"{name}: {os.path.basename(argv[0])} failed")

    def launch(self, name, argv):
        process = self.spawn(argv, name)
        write_pid_file(self.path("pids", name), process.pid)
        # Reaps the server should it end while we wait for it; later init does.
        threading.Thread(target=process.wait, daemon=True).start()

    def sibling(self, name, program):
        return os.path.join(os.path.dirname(self.state["servers"][name]["program"]), program)

    def psql(self, name, sql, database="postgres", url=None):
        """Output of a statement, or None when it failed."""
        if url is None:
            port = self.state["servers"][name]["port"]
            url = f"host={self.path('run')} port={port} user=postgres dbname={database}"
        psql = self.sibling("primary", "psql")
        if not os.access(psql, os.X_OK):
            psql = shutil.which("psql") or psql
        env = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        env["PGCONNECT_TIMEOUT"] = "5"
        process = subprocess.run([psql, "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", url],
                                 input=sql, capture_output=True, text=True, env=env,
                                 timeout=30, check=False)
        if process.returncode != 0:
            self.last_error = process.stderr.strip()
            return None
        return process.stdout.strip()

    # --- starting servers --------------------------------------------------------------------

    def configure_postgres(self, name):
        server, data = self.state["servers"][name], self.path(name, "data")
        user = (self.state["uid"], self.state["gid"])
        text = config.POSTGRES.format(port=server["port"], run=self.path("run"),
                                      tls=self.path("tls"),
                                      cluster_name={"primary": "orders-1"}.get(name, "orders-2"))
        if name == "replica":
            text += (f"primary_conninfo = 'host=127.0.0.1 port={self.server('primary')['port']} "
                     f"user=replicator password={config.PASSWORDS['replicator']} "
                     "sslmode=prefer application_name=replica'\n"
                     "primary_slot_name = 'replica'\n")
        self.write(f"{data}/postgresql.conf", text, user=user)
        self.write(f"{data}/pg_hba.conf", config.POSTGRES_HBA, user=user)

    def start_postgres(self, name):
        """Starts it and returns what tells whether it is ready."""
        server = self.state["servers"][name]
        data = self.path(name, "data")
        # Nothing of ours runs in here.  Leftovers of a killed server would only make the new
        # one take a process of the same pid, or an unreaped one, for its predecessor.
        for path in (f"{data}/postmaster.pid",
                     self.path("run", f".s.PGSQL.{server['port']}.lock")):
            try:
                os.unlink(path)
            except FileNotFoundError:
                pass
        self.launch(name, [server["program"], "-D", data])

        def ready():
            try:
                with open(f"{data}/postmaster.pid", encoding="utf-8") as f:
                    return f.read().splitlines()[7].strip() == "ready"
            except (OSError, IndexError):
                return False
        return ready

    def start_server(self, name):
        """Starts a server whose files exist and waits until it answers."""
        server = self.state["servers"][name]
        if server["program"].endswith("/postgres"):
            ready = self.start_postgres(name)
        elif name == "pgbouncer":
            self.launch(name, [server["program"], self.path(name, "pgbouncer.ini")])

            def ready():
                return tcp_open(server["port"])
        else:
            program = self.path("bin", "redis-sentinel" if name == "sentinel" else "redis-server")
            self.launch(name, [program, self.path(name, "redis.conf")])

            def ready():
                try:
                    with RedisLink(server["port"]) as link:
                        return not link.ask("PING").startswith("-LOADING")
                except OSError:
                    return False
        family = self.family(name)
        wait_for(f"start of {name}", ready, START_SECONDS, alive=lambda: family.main() is not None)

    def create_primary(self):
        self.run([self.sibling("primary", "initdb"), "-D", self.path("primary", "data"),
                  "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync",
                  "--auth-local=trust", "--auth-host=scram-sha-256"], "primary")
        self.configure_postgres("primary")
        self.start_server("primary")
        if self.psql("primary", config.schema()) is None:
            raise Failure(f"primary: {self.last_error}")

    def create_replica(self):
        primary = self.server("primary")
        self.run([self.sibling("replica", "pg_basebackup"), "-D", self.path("replica", "data"),
                  "-h", self.path("run"), "-p", str(primary["port"]), "-U", "postgres",
                  "-S", "replica", "-X", "stream", "-c", "fast", "--no-sync"], "replica")
        self.configure_postgres("replica")
        self.write(self.path("replica", "data", "standby.signal"), "",
                   user=(self.state["uid"], self.state["gid"]))
        self.start_server("replica")
        wait_for("streaming to replica", lambda: self.psql(
            "primary", "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' "
            "AND replay_lsn >= pg_current_wal_lsn()") == "1", START_SECONDS)

    def create_pgbouncer(self):
        server, folder = self.state["servers"]["pgbouncer"], self.path("pgbouncer")
        user = (self.state["uid"], self.state["gid"])
        self.write(f"{folder}/userlist.txt", config.userlist(), user=user)
        self.write(f"{folder}/pgbouncer.ini", config.PGBOUNCER.format(
            port=server["port"], primary_port=self.server("primary")["port"],
            run=self.path("run"), tls=self.path("tls"), folder=folder), user=user)
        self.start_server("pgbouncer")
        if self.psql("primary", "SELECT 1", url=server["dsn_app"]) != "1":
            raise Failure(f"pgbouncer: {self.last_error}")

    def create_redis(self, name):
        server, folder = self.state["servers"][name], self.path(name)
        user = (self.state["uid"], self.state["gid"])
        if name == "sentinel":
            text = config.SENTINEL.format(port=server["port"], tls_port=server["tls_port"],
                                          folder=folder, tls=self.path("tls"),
                                          redis_port=self.server("redis")["port"])
        else:
            text = config.REDIS.format(
                port=server["port"], tls_port=server["tls_port"], folder=folder, name=name,
                run=self.path("run"), tls=self.path("tls"),
                monitor_hash=config.redis_hash("redis_monitor"),
                link_hash=config.redis_hash("redis_link"))
        if name == "redis-replica":
            text += (f"replicaof 127.0.0.1 {self.server('redis')['port']}\n"
                     f"requirepass \"{config.PASSWORDS['redis_replica']}\"\n")
        self.write(f"{folder}/redis.conf", text, user=user)
        self.start_server(name)
        if name == "redis-replica":
            def linked():
                with RedisLink(server["port"], config.PASSWORDS["redis_replica"]) as link:
                    return "master_link_status:up" in link.ask("INFO", "replication")
            wait_for("link of redis-replica", linked, START_SECONDS)
        if name == "sentinel":
            def complete():
                with RedisLink(server["port"]) as link:
                    words = link.ask("SENTINEL", "MASTER", "cache")
                return dict(zip(words[::2], words[1::2])).get("num-slaves") == "1"
            wait_for("replicas known to sentinel", complete, START_SECONDS)

    def make_certificate(self, openssl):
        key, certificate = self.path("tls/server.key"), self.path("tls/server.crt")
        process = subprocess.run(
            [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "30", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-keyout", key, "-out", certificate],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if process.returncode != 0:
            raise Failure(f"openssl: {process.stderr.strip()}")
        os.chmod(key, 0o600)
        if os.geteuid() == 0:
            for path in (key, certificate):
                os.chown(path, self.state["uid"], self.state["gid"])

    def create_all(self, names, openssl):
        self.make_certificate(openssl)
        errors = []

        def chain(*steps):
            def body():
                try:
                    for function, *arguments in steps:
                        function(*arguments)
                except Exception as e:  # handed to the main thread
                    errors.append(e)
            thread = threading.Thread(target=body)
            thread.start()
            return thread

        redis_steps = [(self.create_redis, n) for n in NAMES[3:] if n in names]
        threads = [chain(*redis_steps)]
        if "primary" in names:
            self.create_primary()
            threads += [chain((function,)) for name, function in
                        (("replica", self.create_replica), ("pgbouncer", self.create_pgbouncer))
                        if name in names]
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
