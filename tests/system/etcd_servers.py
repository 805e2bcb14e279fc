# SPDX-License-Identifier: Apache-2.0
"""A real etcd of one or more members for the tests: over https, where clients have to show a
certificate, with users if that is wanted."""
import base64
import contextlib
import json
import os
import ssl
import subprocess
import urllib.request

from harness import eventually, folder

PROGRAM = "/usr/bin/etcd"


def in_base64(text):
    return base64.b64encode(text.encode()).decode()


def openssl(*words):
    done = subprocess.run(["openssl", *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


class Certificates:
    """ca.crt, and 'member' and 'client' (.crt, .key) that it has signed. With users etcd's gateway
    refuses whoever shows a CommonName, and the client's certificate has none."""

    def __init__(self):
        self.folder = folder()
        new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        openssl("req", "-x509", *new, "-days", "2", "-subj", "/CN=authority",
                "-keyout", self.path("ca.key"), "-out", self.path("ca.crt"))
        with open(self.path("names"), "w", encoding="ascii") as file:
            file.write("subjectAltName = DNS:localhost, IP:127.0.0.1\n")
        for name, subject in (("member", "/CN=member"), ("client", "/O=monitors")):
            openssl("req", "-new", *new, "-subj", subject, "-keyout",
                    self.path(f"{name}.key"), "-out", self.path(f"{name}.csr"))
            openssl("x509", "-req", "-in", self.path(f"{name}.csr"), "-CA", self.path("ca.crt"),
                    "-CAkey", self.path("ca.key"), "-CAcreateserial", "-days", "2",
                    "-extfile", self.path("names"), "-out", self.path(f"{name}.crt"))
        self.context = ssl.create_default_context(cafile=self.path("ca.crt"))
        self.context.load_cert_chain(self.path("client.crt"), self.path("client.key"))

    def path(self, name):
        return os.path.join(self.folder, name)


class Member:
    def __init__(self, command, url):
        self.command, self.url, self.process = command, url, None

    def start(self, log):
        with open(log, "ab") as file:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self.command], stdin=subprocess.DEVNULL,
                stdout=file, stderr=file)

    def end(self):
        self.process.kill()
        self.process.wait()

    def lives(self):
        return self.process is not None and self.process.poll() is None


class Etcd:
    """Two ports for each member; each ends when this process does. user: a name and a password,
    without which nothing is answered."""

    def __init__(self, ports, user=None):
        self.folder, self.certificates, self.user = folder(), Certificates(), user
        pairs = list(zip(ports[::2], ports[1::2]))
        peers = ",".join(f"m{i}=http://127.0.0.1:{peer}" for i, (_, peer) in enumerate(pairs))
        self.members = [self._member(i, peers, *pair) for i, pair in enumerate(pairs)]
        self.start()
        if user:
            self._demand_users()

    def _member(self, number, peers, client, peer):
        url, peer = f"https://localhost:{client}", f"http://127.0.0.1:{peer}"
        path = self.certificates.path
        return Member([PROGRAM, "--name", f"m{number}", "--data-dir",
                       os.path.join(self.folder, f"data{number}"),
                       "--listen-client-urls", f"https://127.0.0.1:{client}",
                       "--advertise-client-urls", url, "--listen-peer-urls", peer,
                       "--initial-advertise-peer-urls", peer, "--initial-cluster", peers,
                       "--client-cert-auth", "--trusted-ca-file", path("ca.crt"),
                       "--cert-file", path("member.crt"), "--key-file", path("member.key"),
                       "--bcrypt-cost", "4", "--unsafe-no-fsync"], url)

    def start(self):
        """Those that do not run."""
        for number, member in enumerate(self.members):
            if not member.lives():
                member.start(os.path.join(self.folder, f"log{number}"))
        for member in self.members:
            eventually(lambda m=member: self.is_healthy(m), 30, "etcd is healthy")

    def is_healthy(self, member):
        with contextlib.suppress(OSError):
            return b"true" in self._open(member.url + "/health")
        return False

    def _open(self, url, body=None, token=None):
        request = urllib.request.Request(url, data=None if body is None
                                         else json.dumps(body).encode(),
                                         headers={"Authorization": token} if token else {})
        with urllib.request.urlopen(request, timeout=5, context=self.certificates.context) as reply:
            return reply.read()

    def _ask(self, path, token=None, **body):
        """The first member that lives."""
        url = [member.url for member in self.members if member.lives()][0]
        return json.loads(self._open(url + "/v3" + path, body, token))

    def _demand_users(self):
        """Root has to be there; ours may do what he wants below /dbvitals/."""
        name, password = self.user
        for user, role in (("root", "root"), (name, "monitors")):
            self._ask("/auth/user/add", name=user, password=password)
            self._ask("/auth/role/add", name=role)
            self._ask("/auth/user/grant", user=user, role=role)
        self._ask("/auth/role/grant", name="monitors", perm={
            "permType": "READWRITE", "key": in_base64("/dbvitals/"),
            "range_end": in_base64("/dbvitals0")})
        self._ask("/auth/enable")

    def leader(self):
        """The member that the others follow."""
        for member in self.members:
            if member.lives():
                status = json.loads(self._open(member.url + "/v3/maintenance/status", {}))
                if status["header"]["member_id"] == status.get("leader"):
                    return member
        return None

    def key(self, name):
        """What stands there for the cluster, or None."""
        token = None
        if self.user:
            token = self._ask("/auth/authenticate", name=self.user[0], password=self.user[1])["token"]
        found = self._ask("/kv/range", token, key=in_base64(f"/dbvitals/orders/{name}")).get("kvs")
        return base64.b64decode(found[0]["value"]).decode() if found else None

    def options(self):
        """What a lock needs of it."""
        path = self.certificates.path
        login = f', user: {self.user[0]}, password: "{self.user[1]}"' if self.user else ""
        return (f"etcd: [{', '.join(member.url for member in self.members)}], "
                f"tls: {{ca_file: {path('ca.crt')}, cert_file: {path('client.crt')}, "
                f"key_file: {path('client.key')}}}{login}")

    def end(self):
        for member in self.members:
            if member.lives():
                member.end()
