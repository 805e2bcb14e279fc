#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Servers that mean harm: memory stays small, the daemon goes on answering, and the target is up as
soon as its server is sane."""
import os
import struct
import time

from harness import PATIENCE, Daemon, FakeServer, eventually, run_tests
from hostile_peers import (COMPLETE, INFO, READY, SANE, PgPeer, array, be_sane, bulk, data_row,
                           error, message, notice, parameter, pgbouncer, postgres, redis,
                           row_description)

ASAN = "asan" in os.environ.get("DBVITALS", "")
MOST_MEGABYTES = 100
SLOW_SECONDS = 0.250 if ASAN else 0.050
# Of harm: what one round leaves behind meets the next. So many answers at least are timed meanwhile.
HARM_ROUNDS, LOOKS = 2, 150
BLOCK = b"x" * 65536
# meson lets the C library fill what it hands out, and so use what is only set aside.
os.environ["MALLOC_PERTURB_"] = "0"


def config(kind, port, rounds="interval: 1s, timeout: 800ms"):
    address = f'url: "redis://127.0.0.1:{port}"' if kind in ("redis", "sentinel") else \
        f'dsn: "postgresql://m:x@127.0.0.1:{port}/d?sslmode=disable"'
    return (f"global: {{{rounds}}}\n"
            f"targets: [{{name: fake, type: {kind}, {address}}}]\n")


def resident_most(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def suffers(kind, handle, reasons=None):
    """Lets such a server do harm for some rounds, then makes it sane."""
    be_sane(False)
    server = FakeServer(handle)
    daemon = Daemon(config(kind, server.port))
    seconds = []

    def found():
        return {p["reason"] for name in ("dbvitals_target_errors_total",
                                         "dbvitals_collector_errors_total")
                for p, _ in daemon.page("fake").find(name)}

    def harmed():
        for _ in range(20):
            seconds.append(daemon.get("/healthz").own)
            time.sleep(0.005)
        rounds = daemon.page("fake").value("dbvitals_rounds_total") or 0
        return rounds >= HARM_ROUNDS and len(seconds) >= LOOKS and \
            (reasons is None or found() & reasons)
    try:
        try:
            eventually(harmed)
        except AssertionError:  # a machine that is busy takes longer until it is too much
            daemon.write_config(config(kind, server.port, "interval: 5s, timeout: 4900ms"))
            daemon.reload()
            eventually(harmed, 4 * PATIENCE)
    except AssertionError:
        rounds = daemon.page("fake").value("dbvitals_rounds_total")
        raise AssertionError(f"{rounds} rounds, found {found()}: {daemon.log()[-2000:]}") from None
    slow = sum(s > SLOW_SECONDS for s in seconds)
    assert slow <= len(seconds) // 10, f"{slow} of {len(seconds)} answers were slow"
    megabytes = resident_most(daemon.process.pid)
    assert ASAN or megabytes < MOST_MEGABYTES, f"{megabytes:.0f} MB"
    be_sane(True)
    daemon.wait_up("fake")
    daemon.end(0)
    server.end()


def but_vital(hostile):
    """Answers what makes the target up, and is hostile to the other questions."""
    return lambda server, sql, answer: answer if answer is not None else hostile(server, sql)


def pour(server, chunk, number=0):
    """Says what chunk(i) returns, for i = 0, 1, ..., for as long as it may."""
    while not SANE[0]:
        server.say(chunk(number))
        number += 1
    os._exit(0)


def some_parameters(i):
    return b"".join(parameter(f"p{os.getpid()}_{i * 500 + k}", "v") for k in range(500))


def huge_notice(i):
    return b"N" + struct.pack("!I", 1 << 30) + b"SNOTICE\0M" if i == 0 else BLOCK


NULLS = row_description([f"c{i}" for i in range(1000)]), data_row([None] * 1000) * 100
FAT = row_description(["datname", "x"]), data_row([b"d", b"y" * 1000]) * 16000 + COMPLETE
THIN = row_description(["a"]), data_row([b"x"]) * 2000
COLUMNS = row_description([f"c{i}" for i in range(6000)]) + COMPLETE
NOTICE = notice(b"n" * 1000000)


def endless_rows(server, sql):
    server.say(THIN[0])
    pour(server, lambda i: THIN[1])


def rows_of_nulls(server, sql):
    server.say(NULLS[0])
    for _ in range(190):
        server.say(NULLS[1])
    return COMPLETE


def a_row_of_a_gigabyte(server, sql):
    server.say(THIN[0] + b"D" + struct.pack("!IHI", 1 << 30, 1, (1 << 30) - 10))
    pour(server, lambda i: BLOCK)


def before_the_log_in(chunk):
    def handle(peer):
        server = PgPeer(peer)
        server.startup()
        if not SANE[0]:
            server.say(message(b"R", struct.pack("!I", 0)))
            pour(server, chunk)
        server.say(server.greeting + READY)
        server.serve(None)
    return handle


def scram(peer):
    """Wants the password to be hashed two billion times."""
    server = PgPeer(peer)
    server.startup()
    if not SANE[0]:
        server.say(message(b"R", struct.pack("!I", 10) + b"SCRAM-SHA-256\0\0"))
        nonce = server.next()[1].split(b"r=")[1]
        server.say(message(b"R", struct.pack("!I", 11) + b"r=" + nonce + b"abc,s=c2FsdA==,"
                           b"i=2000000000"))
        server.next()
    server.say(server.greeting + READY)
    server.serve(None)


def endless_rows_end():
    suffers("postgres", postgres(but_vital(endless_rows)))


def empty_cells_have_their_price():
    suffers("postgres", postgres(but_vital(rows_of_nulls)), {"too_large"})


def many_large_replies_are_too_much_together():
    suffers("postgres", postgres(but_vital(lambda server, sql: FAT[0] + FAT[1])), {"too_large"})


def a_row_of_a_gigabyte_is_not_read():
    suffers("postgres", postgres(but_vital(a_row_of_a_gigabyte)), {"too_large"})


def too_many_columns_are_refused():
    suffers("postgres", postgres(but_vital(lambda server, sql: COLUMNS)), {"too_large"})


def a_flood_of_parameters_is_cut_off():
    suffers("postgres", postgres(but_vital(lambda server, sql: pour(server, some_parameters))))


def a_flood_of_notices_is_cut_off():
    suffers("postgres", postgres(but_vital(lambda server, sql: pour(server, lambda i: NOTICE))),
            {"too_large"})


def nothing_endless_comes_before_the_log_in():
    for chunk in (huge_notice, some_parameters, lambda i: NOTICE):
        suffers("postgres", before_the_log_in(chunk), {"protocol"})


def a_password_is_not_hashed_for_ever():
    suffers("postgres", scram, {"protocol"})


def a_last_word_ends_the_connection():
    suffers("postgres", postgres(but_vital(
        lambda server, sql: error("57P01", "bye", "FATAL"))), {"shutdown"})
    suffers("pgbouncer", pgbouncer(
        lambda server, sql, answer: error("57P01", "bye", "FATAL")), {"shutdown"})


def messages_in_the_wrong_place_are_errors():
    for said in (READY * 50, b"D\xff\xff\xff\xff", b"T\0\0\0\0", message(b"G", b"\0\0\0"),
                 row_description(["a"]) + b"D" + struct.pack("!I", 10) + b"\0\5\xff\xff\xff\xf0",
                 data_row([b"x"]) + COMPLETE,
                 # libpq 15 itself forgets 2 KB for this one, which the sanitizer would report.
                 *([] if ASAN else [row_description(["a"])]),
                 row_description(["a"]) + data_row([b"x"]) + error("57014")):
        suffers("postgres", postgres(lambda server, sql, answer, said=said: said))


def a_hostile_console_does_no_harm():
    for hostile in (endless_rows, rows_of_nulls, a_row_of_a_gigabyte,
                    lambda server, sql: pour(server, some_parameters),
                    lambda server, sql: READY * 30):
        suffers("pgbouncer", pgbouncer(lambda server, sql, answer, h=hostile: h(server, sql)))


def an_endless_info_is_refused():
    for info in (bulk(INFO + b"a:1\r\n" * 2900000),
                 bulk(INFO + b"".join(b"f%d:%d\r\n" % (i, i) for i in range(900000))),
                 bulk(INFO + b"".join(b"db%d:keys=%d,expires=1,avg_ttl=5\r\n" % (i, i)
                                      for i in range(100000)))):
        suffers("redis", redis(lambda server, words, answer, info=info: info), {"too_large"})


def replies_of_another_form_are_errors():
    for said in (b"*1\r\n" * 100000, b"$-5\r\n*-7\r\n$-9999999999999999999\r\n",
                 b"*5000000\r\n" + b":1\r\n" * 5000000, b":1\r\n" * 1000):
        suffers("redis", redis(lambda server, words, answer, said=said: said),
                {"too_large", "protocol"})


def a_role_that_nobody_knows_does_no_harm():
    for role in (b"3", b"-1", b"999999999999"):
        suffers("redis", redis(lambda server, words, answer, role=role: bulk(
            INFO.replace(b"role:master", b"role:" + role))))


def names_with_control_characters_stay_labels():
    odd = b"".join(b"cmdstat_\x01\"\\{}%c:calls=1,usec=1,usec_per_call=5.0\r\n" % i
                   for i in range(1, 256) if i not in (10, 13, 58))
    suffers("redis", redis(lambda server, words, answer: bulk(
        INFO + b"# Commandstats\r\n" + odd + b"# Keyspace\r\ndb0\"}:keys=1,expires=0\r\n")))


def sentinels_do_not_explode():
    def masters(reply, follow_up=b"*0\r\n"):
        def hostile(server, words, answer):
            if words[0] == b"INFO":
                return answer
            return reply if words[1] == b"MASTERS" else follow_up
        return redis(hostile)
    keys = [x for k in range(999) for x in (bulk(b"k%06d" % k), b":1\r\n")]
    large = array([array([bulk(b"flags"), bulk(b"x" * 100)] * 50) for _ in range(300)])
    suffers("sentinel", masters(array([array([bulk(b"name"), bulk(b"m%d" % i)])
                                       for i in range(20000)])))
    suffers("sentinel", masters(array([array(keys)] + [array(keys[-2:]) for _ in range(9000)])),
            {"too_large"})
    suffers("sentinel", masters(array([array(keys + keys[-2:] * 9000)])), {"too_large"})
    suffers("sentinel", masters(array([array([bulk(b"name"), bulk(b"m%d" % i)])
                                       for i in range(30)]), large))


run_tests([
    endless_rows_end,
    empty_cells_have_their_price,
    many_large_replies_are_too_much_together,
    a_row_of_a_gigabyte_is_not_read,
    too_many_columns_are_refused,
    a_flood_of_parameters_is_cut_off,
    a_flood_of_notices_is_cut_off,
    nothing_endless_comes_before_the_log_in,
    a_password_is_not_hashed_for_ever,
    a_last_word_ends_the_connection,
    messages_in_the_wrong_place_are_errors,
    a_hostile_console_does_no_harm,
    an_endless_info_is_refused,
    replies_of_another_form_are_errors,
    a_role_that_nobody_knows_does_no_harm,
    names_with_control_characters_stay_labels,
    sentinels_do_not_explode,
])
