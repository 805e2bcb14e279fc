/* SPDX-License-Identifier: Apache-2.0 */

/* What INFO answers: any bytes give a table within the limits, or an error with a text. */

#include "fuzz.h"
#include "io/redis_info.h"

static const struct table_limits limits = {.max_rows = 50, .max_columns = 50, .max_bytes = 4096};

static void check(int r, const struct table *table, const struct error *err) {
    if (r != 0) {
        must(r < 0 && error_is_set(err) && err->text[0] != '\0' && table == NULL);
        return;
    }
    must(!error_is_set(err));
    must(table->n_rows <= limits.max_rows && table->n_columns <= limits.max_columns);
    size_t bytes = 0;
    for (size_t i = 0; i < table->n_rows * table->n_columns; i++) {
        bytes += table->cells[i].len;
    }
    must(bytes <= limits.max_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const records[] = {"cmdstat_", "db", "slave", "latency_percentiles_usec_"};
    struct str info = {(const char *)data, size};
    struct arena arena = {0};
    const struct table *table = NULL;
    struct error err = {0};
    int r = redis_info_pairs(info, &limits, &arena, &table, &err);
    check(r, table, &err);
    for (size_t i = 0; i < ARRAY_LEN(records); i++) {
        table = NULL;
        err = (struct error){0};
        r = redis_info_records(info, records[i], &limits, &arena, &table, &err);
        check(r, table, &err);
    }
    arena_deinit(&arena);
    return 0;
}
