# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus over given series, and our own engine over the same.

The series go in by remote write, which keeps every bit of a value, the stale marker too.
"""
import contextlib
import http.client
import json
import os
import socket
import struct
import subprocess
import time
import urllib.parse

from promql_generate import Stale

STALE_BITS = 0x7FF0000000000002
SECONDS_TO_START = 30


def _varint(value):
    out = bytearray()
    value &= (1 << 64) - 1
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(number, data):
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _write_request(series):
    out = []
    for labels, samples in series:
        body = [_field(1, _field(1, name.encode()) + _field(2, value.encode()))
                for name, value in sorted(labels.items())]
        for t_ms, value in samples:
            bits = STALE_BITS if value is Stale else struct.unpack("<Q", struct.pack("<d", value))[0]
            body.append(_field(2, b"\x09" + struct.pack("<Q", bits) + b"\x10" + _varint(t_ms)))
        out.append(_field(1, b"".join(body)))
    return b"".join(out)


def _snappy(data):
    """The block format with literals only."""
    out = [_varint(len(data))]
    for at in range(0, len(data), 65536):
        part = data[at:at + 65536]
        out.append(b"\xf4" + struct.pack("<H", len(part) - 1) + part)
    return b"".join(out)


def _spare_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Prometheus:
    """Runs in a folder that is given; stop() ends it."""

    def __init__(self, program, home, series, features=()):
        self.port = _spare_port()
        config = os.path.join(home, "prometheus.yml")
        with open(config, "w", encoding="utf-8") as file:
            file.write("storage: {tsdb: {out_of_order_time_window: 7d}}\n")
        command = [program, f"--config.file={config}", f"--storage.tsdb.path={home}/data",
                   f"--web.listen-address=127.0.0.1:{self.port}",
                   "--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=100y"]
        if features:
            command.append("--enable-feature=" + ",".join(features))
        with open(os.path.join(home, "log"), "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL, stderr=log)
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            self._wait()
            self._write(series)
        except BaseException:
            self.stop()
            raise

    def stop(self):
        self.connection.close()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def _request(self, method, path, body=None, headers=None):
        try:
            self.connection.request(method, path, body, headers or {})
            answer = self.connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            raise

    def _wait(self):
        deadline = time.monotonic() + SECONDS_TO_START
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self._request("GET", "/-/ready")[0] == 200:
                    return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("Prometheus does not start")
            time.sleep(0.05)

    def _write(self, series):
        headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy",
                   "X-Prometheus-Remote-Write-Version": "0.1.0"}
        status, body = self._request("POST", "/api/v1/write", _snappy(_write_request(series)),
                                     headers)
        if status != 204:
            raise RuntimeError(f"Prometheus refuses the series: {status} {body[:300]}")

    def ask(self, endpoint, **parameters):
        """The parsed JSON answer, an error's too."""
        status, body = self._request(
            "POST", f"/api/v1/{endpoint}", urllib.parse.urlencode(parameters),
            {"Content-Type": "application/x-www-form-urlencoded"})
        del status
        return json.loads(body)

    def answer(self, kind, expression, start, end, step):
        if kind == "instant":
            found = self.ask("query", query=expression, time=start / 1000)
        else:
            found = self.ask("query_range", query=expression, start=start / 1000, end=end / 1000,
                             step=step / 1000)
        if found["status"] != "success":
            return {"error": found["error"], "parsed": found["errorType"] != "bad_data"}
        data, rows = found["data"], []
        result = data["result"]
        if data["resultType"] in ("scalar", "string"):
            rows.append({"labels": {}, "samples": [result]})
        else:
            for entry in result:
                samples = entry["values"] if "values" in entry else [entry["value"]]
                rows.append({"labels": entry["metric"], "samples": samples})
        for row in rows:
            row["samples"] = [(round(t * 1000), float(v)) for t, v in row["samples"]]
        return {"type": data["resultType"], "rows": rows,
                "warnings": found.get("warnings", []), "infos": found.get("infos", [])}


def _quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def write_series(path, series):
    with open(path, "w", encoding="utf-8") as file:
        for labels, samples in series:
            pairs = ",".join(f"{name}={_quoted(value)}" for name, value in labels.items()
                             if name != "__name__")
            values = " ".join(f"{t}={'stale' if v is Stale else repr(v)}" for t, v in samples)
            file.write(f"{labels['__name__']}{{{pairs}}} {values}\n")


class Ours:
    """tests/promql/answer.c as a process that is asked and answers."""

    def __init__(self, program, path, features=()):
        self.process = subprocess.Popen([program, path, *features], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)

    def stop(self):
        self.process.stdin.close()
        self.process.wait(20)

    def _ask(self, question):
        self.process.stdin.write(question.encode() + b"\0")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"our engine ended with {self.process.wait()} at: {question}")
        return json.loads(line)

    def answer(self, kind, expression, start, end, step):
        times = f"{start}" if kind == "instant" else f"{start} {end} {step}"
        found = self._ask(f"{kind} {times} {expression}")
        for row in found.get("rows", []):
            row["samples"] = [(t, float(v)) for t, v in row["samples"]]
        if kind == "range" and found.get("type") in ("scalar", "vector"):
            found["type"] = "matrix"
        return found

    def printed(self, kind, expression):
        return self._ask(f"{kind} {expression}")
