# SPDX-License-Identifier: Apache-2.0
"""Servers that speak their protocol well enough to get as far as the harm they mean.  A switch that
all processes share makes them sane."""
import mmap
import os
import struct

SANE = mmap.mmap(-1, 1)


def be_sane(yes):
    SANE[0] = 1 if yes else 0


def message(kind, body=b""):
    return kind + struct.pack("!I", len(body) + 4) + body


def text(word):
    return word.encode() + b"\0"


# ---- PostgreSQL ----

def row_description(names):
    column = struct.pack("!IHIhih", 0, 0, 25, -1, -1, 0)
    return message(b"T", struct.pack("!H", len(names)) +
                   b"".join(text(name) + column for name in names))


def data_row(cells):
    body = struct.pack("!H", len(cells))
    for cell in cells:
        body += struct.pack("!i", -1) if cell is None else struct.pack("!I", len(cell)) + cell
    return message(b"D", body)


def error(code="42501", words="no", severity="ERROR"):
    return message(b"E", b"S" + text(severity) + b"V" + text(severity) + b"C" + text(code) +
                   b"M" + text(words) + b"\0")


def notice(words):
    return message(b"N", b"SNOTICE\0VNOTICE\0C00000\0M" + words + b"\0\0")


def parameter(name, value):
    return message(b"S", text(name) + text(value))


READY = message(b"Z", b"I")
COMPLETE = message(b"C", b"SELECT 1\0")
BOUND = message(b"1") + message(b"2")
VITAL = ("in_recovery", "start_time", "version", "version_num", "wal_file", "received_timeline")


def greeting(version):
    return (message(b"R", struct.pack("!I", 0)) + parameter("server_version", version) +
            parameter("client_encoding", "UTF8") + parameter("server_encoding", "UTF8") +
            parameter("standard_conforming_strings", "on") +
            message(b"K", struct.pack("!II", 4711, 1)))


class PgPeer:
    """One connection of a client to a server of PostgreSQL; its pipeline is answered query by
    query."""

    def __init__(self, peer, version="15.4"):
        self.peer = peer
        self.buffer = b""
        self.greeting = greeting(version)

    def take(self, count):
        while len(self.buffer) < count:
            more = self.peer.recv(65536)
            if not more:
                os._exit(0)
            self.buffer += more
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def startup(self):
        length = struct.unpack("!I", self.take(4))[0]
        self.take(length - 4)

    def say(self, data):
        self.peer.sendall(data)

    def next(self):
        """(kind, text of the query if it is one)"""
        kind = self.take(1)
        body = self.take(struct.unpack("!I", self.take(4))[0] - 4)
        return kind, body

    def begin(self):
        self.startup()
        self.say(self.greeting + READY)

    def sane_answer(self, sql):
        if "pg_backend_pid" in sql:
            return (row_description(["pid", "version", "name"]) +
                    data_row([b"4711", b"150004", b"jit"]) + COMPLETE)
        if "set_config" in sql:
            return row_description(["set"]) + data_row([b"on"]) + COMPLETE
        if "pg_is_in_recovery() AS in_recovery," in sql and "start_time" in sql:
            return row_description(VITAL) + data_row(
                [b"f", b"1.5", b"PostgreSQL 15.4", b"150004", b"000000010000000000000001",
                 None]) + COMPLETE
        return None

    def serve(self, hostile):
        """Answers like a server.  Unless it is to be sane, hostile(self, sql, answer) decides what
        is said instead; None is the error of a missing right."""
        prepared = {}
        sql, failed = "", False
        while True:
            kind, body = self.next()
            if kind == b"P":
                name, rest = body.split(b"\0", 1)
                prepared[name] = rest.split(b"\0", 1)[0].decode()
                if not failed:
                    self.say(message(b"1"))
            elif kind == b"B" and not failed:
                sql = prepared.get(body.split(b"\0")[1], "")
                self.say(message(b"2"))
            elif kind == b"E" and not failed:
                answer = self.sane_answer(sql)
                if not SANE[0]:
                    answer = hostile(self, sql, answer)
                if answer is None:
                    failed = True
                    answer = error()
                self.say(answer)
            elif kind == b"S":
                failed = False
                self.say(READY)
            elif kind == b"Q":
                sql = body[:-1].decode()
                self.say((hostile(self, sql, None) if not SANE[0] else None) or console(sql))
                self.say(READY)
            elif kind == b"X":
                os._exit(0)


def console(sql):
    """What a sane PgBouncer says."""
    if sql.startswith("SHOW LISTS"):
        return row_description(["list", "items"]) + data_row([b"pools", b"2"]) + COMPLETE
    return error("08P01", "not here")


def postgres(hostile):
    def handle(peer):
        server = PgPeer(peer)
        server.begin()
        server.serve(hostile)
    return handle


def pgbouncer(hostile):
    def handle(peer):
        server = PgPeer(peer, "1.18.0/bouncer")
        server.begin()
        server.serve(hostile)
    return handle


# ---- Redis ----

INFO = (b"# Server\r\nredis_version:7.0.15\r\nuptime_in_seconds:5\r\n# Replication\r\nrole:master\r\n"
        b"master_repl_offset:5\r\n")


def bulk(data):
    return b"$%d\r\n%s\r\n" % (len(data), data)


def array(items):
    return b"*%d\r\n%s" % (len(items), b"".join(items))


class RedisPeer:
    def __init__(self, peer):
        self.peer = peer
        self.buffer = b""

    def line(self):
        while b"\r\n" not in self.buffer:
            self.more()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def more(self):
        more = self.peer.recv(65536)
        if not more:
            os._exit(0)
        self.buffer += more

    def command(self):
        words = []
        for _ in range(int(self.line()[1:])):
            length = int(self.line()[1:])
            while len(self.buffer) < length + 2:
                self.more()
            words.append(self.buffer[:length])
            self.buffer = self.buffer[length + 2:]
        return words

    def say(self, data):
        self.peer.sendall(data)

    def sane_answer(self, words):
        first = words[0].upper()
        if first in (b"AUTH", b"CLIENT"):
            return b"+OK\r\n"
        if first == b"PING":
            return b"+PONG\r\n"
        if first == b"INFO":
            return bulk(INFO)
        if first == b"SENTINEL":
            return b"*0\r\n"
        return b"-ERR unknown command\r\n"


def redis(hostile):
    def handle(peer):
        server = RedisPeer(peer)
        while True:
            words = server.command()
            answer = server.sane_answer(words)
            if not SANE[0] and words[0] not in (b"AUTH", b"CLIENT", b"PING"):
                answer = hostile(server, words, answer)
            server.say(answer)
    return handle
