/* SPDX-License-Identifier: Apache-2.0 */

/* What the compressor writes is unpacked by zlib and is what was given, however it is cut. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/mem.h"
#include "store/gzip.h"

#define PAGE_BYTES ((size_t)300 * 1000)

/* The same numbers in each run, so that what failed fails again. */
static size_t random_below(size_t bound) {
    static uint64_t seed = 1;
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(seed >> 33) % bound;
}

/* Text like a page's: HELP lines, many alike, with numbers. */
static char *make_page(size_t size) {
    struct strbuf text = {0};
    for (unsigned i = 0; text.len < size; i++) {
        if (i % 8 == 0) {
            strbuf_printf(&text, "# HELP family_%u Something that a server counts.\n", i / 8);
        }
        strbuf_printf(&text, "family_%u{datname=\"orders\",mode=\"m%u\"} %u\n", i / 8, i % 8,
                      i * 2654435761u);
    }
    text.len = size;
    return strbuf_take(&text);
}

/* Asserts that the bytes are one gzip member without anything behind it, and of this text. */
static void assert_unpacks(const char *data, size_t len, const char *text, size_t text_len) {
    z_stream z = {0};
    char *out = mem_alloc(text_len + 1);
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    z.next_in = (z_const Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)len;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)(text_len + 1);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END); /* compares length and checksum, too */
    assert_int_equal(z.avail_in, 0);
    assert_int_equal(z.total_out, text_len);
    assert_memory_equal(out, text, text_len);
    inflateEnd(&z);
    free(out);
}

static struct buffer *buffer_of(const char *text, size_t len) {
    struct strbuf copy = {0};
    strbuf_reserve(&copy, 1);
    strbuf_add(&copy, text, len);
    return buffer_new(&copy);
}

static void check_whole(const char *text, size_t len) {
    struct buffer *plain = buffer_of(text, len);
    struct buffer *packed = gzip_whole(plain);
    assert_non_null(packed);
    assert_unpacks(packed->data, packed->len, text, len);
    buffer_unref(packed);
    buffer_unref(plain);
}

/* Compresses in pieces of in_step and writes at most out_step bytes at a time; 0: random ones. */
static void check_pieces(const char *text, size_t len, size_t in_step, size_t out_step) {
    struct strbuf out = {0};
    struct str rest = {text, len}, piece = {text, 0};
    bool ended = false;
    size_t idle = 0;
    struct gzip_stream *stream = gzip_stream_new();
    assert_non_null(stream);
    while (!ended) {
        if (piece.len == 0) {
            size_t most = in_step != 0 ? in_step : 1 + random_below(4000);
            piece.len = most < rest.len ? most : rest.len;
            rest.data += piece.len;
            rest.len -= piece.len;
        }
        size_t size = out_step != 0 ? out_step : 1 + random_below(3000);
        char *to = strbuf_reserve(&out, size);
        struct str before = piece;
        size_t written = gzip_stream_step(stream, &piece, rest.len == 0, to, size, &ended);
        assert_true(written <= size);
        out.len += written;
        idle = written == 0 && piece.len == before.len ? idle + 1 : 0;
        assert_true(idle < 8); /* it goes on, or would never end */
    }
    gzip_stream_free(stream);
    assert_unpacks(out.data, out.len, text, len);
    strbuf_deinit(&out);
}

static void unpacks_to_what_was_given(void **state) {
    char *page = make_page(PAGE_BYTES);
    check_whole(page, PAGE_BYTES);
    free(page);
}

static void texts_of_every_small_length_unpack(void **state) {
    char *page = make_page(2000);
    for (size_t len = 0; len <= 2000; len++) {
        check_whole(page, len);
    }
    free(page);
}

static void noise_unpacks(void **state) {
    char *noise = mem_alloc(PAGE_BYTES);
    for (size_t i = 0; i < PAGE_BYTES; i++) {
        noise[i] = (char)random_below(256);
    }
    check_whole(noise, PAGE_BYTES);
    check_pieces(noise, PAGE_BYTES, 0, 0);
    free(noise);
}

static void one_character_repeated_unpacks(void **state) {
    char *same = mem_alloc(PAGE_BYTES);
    check_whole(same, PAGE_BYTES);
    check_pieces(same, PAGE_BYTES, 0, 0);
    free(same);
}

static void pieces_unpack_however_they_are_cut(void **state) {
    static const size_t steps[][2] = {{1, 100},    {7, 1},          {100, 7},       {1400, 16384},
                                      {16384, 19}, {PAGE_BYTES, 1}, {0, PAGE_BYTES}};
    char *page = make_page(PAGE_BYTES);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        check_pieces(page, PAGE_BYTES, steps[i][0], steps[i][1]);
    }
    for (int i = 0; i < 20; i++) {
        check_pieces(page, random_below(PAGE_BYTES), 0, 0);
    }
    free(page);
}

static void an_empty_stream_unpacks(void **state) {
    check_pieces("", 0, 1, 1);
    check_pieces("", 0, 1, 1000);
}

/* No sanitizer looks into a library's own loads: a page without access stands behind the text. */
static void reads_nothing_behind_the_text(void **state) {
    const size_t size = 64 * 1024, page_size = (size_t)sysconf(_SC_PAGESIZE);
    char *room =
        mmap(NULL, size + page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(room, MAP_FAILED);
    assert_int_equal(mprotect(room + size, page_size, PROT_NONE), 0);
    char *text = make_page(size);
    memcpy(room, text, size);
    for (size_t len = 0; len < 600; len++) {
        check_pieces(room + size - len, len, size, size);
    }
    check_pieces(room, size, size, size);
    check_pieces(room, size, 0, 0);
    free(text);
    assert_int_equal(munmap(room, size + page_size), 0);
}

static void a_page_shrinks_well(void **state) {
    char *page = make_page(PAGE_BYTES);
    struct buffer *plain = buffer_of(page, PAGE_BYTES);
    struct buffer *packed = gzip_whole(plain);
    assert_true(packed->len < PAGE_BYTES / 4);
    buffer_unref(packed);
    buffer_unref(plain);
    free(page);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unpacks_to_what_was_given),
        cmocka_unit_test(texts_of_every_small_length_unpack),
        cmocka_unit_test(noise_unpacks),
        cmocka_unit_test(one_character_repeated_unpacks),
        cmocka_unit_test(pieces_unpack_however_they_are_cut),
        cmocka_unit_test(an_empty_stream_unpacks),
        cmocka_unit_test(reads_nothing_behind_the_text),
        cmocka_unit_test(a_page_shrinks_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
