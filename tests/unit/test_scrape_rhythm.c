/* SPDX-License-Identifier: Apache-2.0 */

/* The rhythm of scrapes: what is learned from their times, and what fits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "web/scrape_rhythm.h"

#define SECOND ((uint64_t)1000 * 1000)

static void says_nothing_before_five_scrapes(void **state) {
    struct scrape_rhythm rhythm = {0};
    for (uint64_t i = 1; i <= 4; i++) {
        assert_int_equal(scrape_rhythm_note(&rhythm, 7, i * 15 * SECOND), 0);
    }
    assert_int_equal(scrape_rhythm_note(&rhythm, 7, 5 * 15 * SECOND), 15 * SECOND);
}

static void one_late_scrape_does_not_disturb(void **state) {
    struct scrape_rhythm rhythm = {0};
    const uint64_t times[] = {15, 30, 45, 60, 90, 105, 120, 135};
    uint64_t median = 0;
    for (size_t i = 0; i < 8; i++) {
        median = scrape_rhythm_note(&rhythm, 7, times[i] * SECOND);
    }
    assert_int_equal(median, 15 * SECOND);
}

static void irregular_scrapes_have_no_rhythm(void **state) {
    struct scrape_rhythm rhythm = {0};
    const uint64_t times[] = {1, 15, 16, 30, 31, 45, 46, 60};
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(scrape_rhythm_note(&rhythm, 7, times[i] * SECOND), 0);
    }
}

static void scrapers_are_kept_apart(void **state) {
    struct scrape_rhythm rhythm = {0};
    uint64_t a = 0, b = 0;
    for (uint64_t i = 1; i <= 5; i++) {
        a = scrape_rhythm_note(&rhythm, 1, i * 10 * SECOND);
        b = scrape_rhythm_note(&rhythm, 2, i * 60 * SECOND);
    }
    assert_int_equal(a, 10 * SECOND);
    assert_int_equal(b, 60 * SECOND);
}

static void takes_no_more_scrapers_than_it_holds_until_one_is_gone(void **state) {
    struct scrape_rhythm rhythm = {0};
    for (uint64_t key = 1; key <= RHYTHM_MOST_SCRAPERS; key++) {
        scrape_rhythm_note(&rhythm, key, key * SECOND);
    }
    for (uint64_t i = 0; i < 6; i++) {
        assert_int_equal(scrape_rhythm_note(&rhythm, 100, (20 + i * 5) * SECOND), 0);
    }
    uint64_t distance = 0;
    for (uint64_t i = 0; i < 5; i++) {
        distance = scrape_rhythm_note(&rhythm, 100, (1000 + i * 5) * SECOND);
    }
    assert_int_equal(distance, 5 * SECOND);
}

static void multiples_of_the_interval_fit(void **state) {
    assert_true(scrape_rhythm_fits(15 * SECOND, 5 * SECOND));
    assert_true(scrape_rhythm_fits(15 * SECOND + SECOND / 3, 5 * SECOND));
    assert_true(scrape_rhythm_fits(10 * SECOND, 10 * SECOND));
    assert_false(scrape_rhythm_fits(15 * SECOND, 10 * SECOND));
    assert_false(scrape_rhythm_fits(3 * SECOND, 10 * SECOND));
    assert_false(scrape_rhythm_fits(12 * SECOND, 5 * SECOND));
}

static void advises_an_interval_that_divides_the_distance(void **state) {
    assert_int_equal(scrape_rhythm_advise(15 * SECOND, 10 * SECOND), 5 * SECOND);
    assert_int_equal(scrape_rhythm_advise(60 * SECOND, 45 * SECOND), 30 * SECOND);
    assert_int_equal(scrape_rhythm_advise(SECOND / 2, 5 * SECOND), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_nothing_before_five_scrapes),
        cmocka_unit_test(one_late_scrape_does_not_disturb),
        cmocka_unit_test(irregular_scrapes_have_no_rhythm),
        cmocka_unit_test(scrapers_are_kept_apart),
        cmocka_unit_test(takes_no_more_scrapers_than_it_holds_until_one_is_gone),
        cmocka_unit_test(multiples_of_the_interval_fit),
        cmocka_unit_test(advises_an_interval_that_divides_the_distance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
