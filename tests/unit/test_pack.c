/* SPDX-License-Identifier: Apache-2.0 */

/* Values as bytes: what goes in comes out, and nothing is read past the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/pack.h"

static void values_come_out_as_they_went_in(void **state) {
    struct strbuf bytes = {0};
    double nan_in = NAN, nan_out;
    pack_u64(&bytes, UINT64_MAX);
    pack_i64(&bytes, INT64_MIN);
    pack_double(&bytes, -0.1);
    pack_double(&bytes, nan_in);
    pack_str(&bytes, str_of("a text"));
    pack_str(&bytes, str_of(""));
    struct unpacker in = {strbuf_view(&bytes), false};
    assert_true(unpack_u64(&in) == UINT64_MAX);
    assert_true(unpack_i64(&in) == INT64_MIN);
    assert_true(unpack_double(&in) == -0.1);
    nan_out = unpack_double(&in);
    assert_memory_equal(&nan_in, &nan_out, sizeof(double));
    assert_true(str_is(unpack_str(&in), "a text"));
    assert_true(str_is(unpack_str(&in), ""));
    assert_false(in.bad);
    assert_int_equal(in.rest.len, 0);
    strbuf_deinit(&bytes);
}

static void numbers_are_little_endian_everywhere(void **state) {
    struct strbuf bytes = {0};
    pack_u64(&bytes, 0x0102030405060708);
    assert_int_equal(bytes.len, 8);
    assert_memory_equal(bytes.data, "\x08\x07\x06\x05\x04\x03\x02\x01", 8);
    strbuf_deinit(&bytes);
}

static void what_is_short_is_bad_and_stays_bad(void **state) {
    struct strbuf bytes = {0};
    pack_u64(&bytes, 7);
    for (size_t len = 0; len < 8; len++) {
        struct unpacker in = {{bytes.data, len}, false};
        assert_int_equal(unpack_u64(&in), 0);
        assert_true(in.bad);
    }
    pack_u64(&bytes, 8);
    struct unpacker in = {{bytes.data, 15}, false};
    assert_int_equal(unpack_u64(&in), 7);
    assert_int_equal(unpack_u64(&in), 0);
    in.rest = strbuf_view(&bytes);
    assert_int_equal(unpack_u64(&in), 0);
    assert_int_equal(unpack_str(&in).len, 0);
    assert_true(unpack_double(&in) == 0);
    strbuf_deinit(&bytes);
}

static void a_length_beyond_the_end_is_bad(void **state) {
    static const uint64_t lengths[] = {4, 1000, UINT64_MAX, UINT64_MAX - 7};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        struct strbuf bytes = {0};
        pack_u64(&bytes, lengths[i]);
        strbuf_add_text(&bytes, "abc");
        struct unpacker in = {strbuf_view(&bytes), false};
        assert_int_equal(unpack_str(&in).len, 0);
        assert_true(in.bad);
        strbuf_deinit(&bytes);
    }
}

static void counts_fit_into_what_follows(void **state) {
    static const struct {
        uint64_t count;
        bool good;
    } cases[] = {{0, true}, {3, true}, {4, false}, {UINT64_MAX, false}, {UINT64_MAX / 8, false}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct strbuf bytes = {0};
        pack_u64(&bytes, cases[i].count);
        strbuf_add(&bytes, "123456781234567812345678", 24);
        struct unpacker in = {strbuf_view(&bytes), false};
        assert_int_equal(unpack_count(&in, 8), cases[i].good ? cases[i].count : 0);
        assert_int_equal(in.bad, !cases[i].good);
        strbuf_deinit(&bytes);
    }
}

/* RFC 3720, B.4. */
static void checksums_are_castagnolis(void **state) {
    unsigned char bytes[32];
    assert_int_equal(crc32c("123456789", 9), 0xe3069283);
    assert_int_equal(crc32c("", 0), 0);
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(crc32c(bytes, sizeof(bytes)), 0x8a9136aa);
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(crc32c(bytes, sizeof(bytes)), 0x62a8ab43);
    for (int i = 0; i < 32; i++) {
        bytes[i] = (unsigned char)i;
    }
    assert_int_equal(crc32c(bytes, sizeof(bytes)), 0x46dd794e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_out_as_they_went_in),
        cmocka_unit_test(numbers_are_little_endian_everywhere),
        cmocka_unit_test(what_is_short_is_bad_and_stays_bad),
        cmocka_unit_test(a_length_beyond_the_end_is_bad),
        cmocka_unit_test(counts_fit_into_what_follows),
        cmocka_unit_test(checksums_are_castagnolis),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
