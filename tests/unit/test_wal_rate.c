/* SPDX-License-Identifier: Apache-2.0 */

/* How fast a primary writes, by positions at times that the test says. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/duration.h"
#include "base/macros.h"
#include "failover/wal_rate.h"

#define T0 ((uint64_t)1000 * USEC_PER_SEC)

static struct wal_rate rate;

static int set_up(void **state) {
    rate = (struct wal_rate){0};
    return 0;
}

static uint64_t known(void) {
    uint64_t value = 0;
    assert_true(wal_rate_get(&rate, &value));
    return value;
}

static void assert_unknown(void) {
    uint64_t value;
    assert_false(wal_rate_get(&rate, &value));
}

/* Every half second, as probes do; each second so many bytes. Return: the time after the last. */
static uint64_t write_for(uint64_t from_usec, uint64_t *position, unsigned seconds,
                          uint64_t bytes) {
    uint64_t now = from_usec;
    for (unsigned i = 0; i < 2 * seconds; i++, now += USEC_PER_SEC / 2) {
        wal_rate_add(&rate, *position, now);
        *position += bytes / 2;
    }
    return now;
}

static void one_position_or_less_than_a_second_say_nothing(void **state) {
    assert_unknown();
    wal_rate_add(&rate, 1000, T0);
    assert_unknown();
    wal_rate_add(&rate, 2000, T0 + 900 * USEC_PER_MSEC);
    assert_unknown();
    wal_rate_add(&rate, 3000, T0 + USEC_PER_SEC);
    assert_int_equal(known(), 2000);
}

static void an_idle_one_writes_nothing(void **state) {
    uint64_t position = 5000;
    write_for(T0, &position, 10, 0);
    assert_int_equal(known(), 0);
}

static void the_last_minute_counts_and_what_was_before_does_not(void **state) {
    uint64_t position = 0;
    uint64_t now = write_for(T0, &position, 600, 1000);
    assert_in_range(known(), 999, 1001);
    now = write_for(now, &position, 30, 5000);
    assert_in_range(known(), 2900, 3100); /* half of it */
    write_for(now, &position, 61, 5000);
    assert_in_range(known(), 4990, 5010);
}

static void it_stands_as_of_the_last_position(void **state) {
    uint64_t position = 0;
    uint64_t now = write_for(T0, &position, 20, 700);
    assert_int_equal(known(), 700); /* and is not asked what time it is now */
    wal_rate_add(&rate, position, now + 3600 * USEC_PER_SEC);
    assert_unknown(); /* it was away for an hour: what it wrote then tells of no last minute */
    wal_rate_add(&rate, position + 300, now + 3602 * USEC_PER_SEC);
    assert_int_equal(known(), 150);
}

static void a_position_that_goes_back_begins_anew(void **state) {
    uint64_t position = 1000000;
    uint64_t now = write_for(T0, &position, 20, 700);
    wal_rate_add(&rate, 10, now);
    assert_unknown();
    wal_rate_add(&rate, 50, now + 2 * USEC_PER_SEC);
    assert_int_equal(known(), 20);
}

static void any_pace_of_probes_has_room(void **state) {
    static const uint64_t paces[] = {1, 10, 100, 333, 500, 1000, 1999, 2000, 5000, 30000};
    for (size_t i = 0; i < ARRAY_LEN(paces); i++) {
        uint64_t pace = paces[i] * USEC_PER_MSEC;
        rate = (struct wal_rate){0};
        for (uint64_t at = 0; at < 130 * USEC_PER_SEC; at += pace) {
            wal_rate_add(&rate, at / USEC_PER_MSEC, T0 + at);
            assert_in_range(rate.n_seen, 1, WAL_RATE_MOST);
            assert_true(rate.seen[rate.n_seen - 1].usec - rate.seen[0].usec <= 60 * USEC_PER_SEC);
        }
        assert_in_range(known(), 999, 1001);
        uint64_t span = rate.seen[rate.n_seen - 1].usec - rate.seen[0].usec;
        assert_true(span >= 57 * USEC_PER_SEC || pace > 2 * USEC_PER_SEC);
    }
}

static void huge_positions_do_not_overflow(void **state) {
    wal_rate_add(&rate, 0, T0);
    wal_rate_add(&rate, UINT64_MAX / 2, T0 + 2 * USEC_PER_SEC);
    assert_true(known() >= (uint64_t)4 << 60);
}

static void assert_words(struct wal_loss loss, const char *expected) {
    struct strbuf out = {0};
    wal_loss_words(&loss, &out);
    assert_string_equal(out.len > 0 ? out.data : "", expected);
    strbuf_deinit(&out);
}

static void says_what_may_be_lost(void **state) {
    assert_words((struct wal_loss){0}, "");
    assert_words((struct wal_loss){.has_age = true, .age_ms = 2040},
                 "the last position is 2.0 s old; how much was written is not known");
    assert_words((struct wal_loss){.has_rate = true, .bytes_per_second = 999},
                 "999 B/s were written");
    assert_words((struct wal_loss){true, true, 1234567, 2000},
                 "the last position is 2.0 s old; 1.2 MB/s were written, so about 2.5 MB more may "
                 "be lost");
    assert_words((struct wal_loss){true, true, 0, 1500},
                 "the last position is 1.5 s old; 0 B/s were written, so about 0 B more may be "
                 "lost");
    assert_words((struct wal_loss){true, true, 250000, 1000},
                 "the last position is 1.0 s old; 250 kB/s were written, so about 250 kB more may "
                 "be lost");
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        CASE(one_position_or_less_than_a_second_say_nothing),
        CASE(an_idle_one_writes_nothing),
        CASE(the_last_minute_counts_and_what_was_before_does_not),
        CASE(it_stands_as_of_the_last_position),
        CASE(a_position_that_goes_back_begins_anew),
        CASE(any_pace_of_probes_has_room),
        CASE(huge_positions_do_not_overflow),
        CASE(says_what_may_be_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
