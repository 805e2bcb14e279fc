/* SPDX-License-Identifier: Apache-2.0 */

/* Templates of alerts: refused with a place, or expanded with odd labels and values. */

#include <errno.h>
#include <math.h>

#include "base/error.h"
#include "fuzz.h"
#include "rules/template.h"

#define MOST_EXPANDED ((size_t)64 * 1024)
#define ERROR_BYTES   ((size_t)1024) /* that an error may add */

static const struct label labels[] = {
    {{"a", 1}, {"x y", 3}},
    {{"instance", 8}, {"db.example.org:5432", 19}},
};

static int query(void *userdata, struct str expr, int64_t t_ms, struct arena *arena,
                 struct template_sample **ret, size_t *ret_count, struct error *err) {
    if (expr.len > 8) {
        return error_set(err, -EINVAL, (struct position){0}, "no such query");
    }
    struct template_sample *samples = arena_array(arena, 2, sizeof(*samples));
    samples[0] = (struct template_sample){labels, ARRAY_LEN(labels), 3.5};
    samples[1] = (struct template_sample){labels, 1, (double)NAN};
    *ret = samples;
    *ret_count = expr.len % 3;
    return 0;
}

static void expand(const struct template *template, double value) {
    const struct template_data data = {
        .labels = labels,
        .n_labels = ARRAY_LEN(labels),
        .value = value,
        .external_labels = labels,
        .n_external_labels = 1,
        .external_url = str_of("http://127.0.0.1:9187/path"),
        .t_ms = 1700000000123,
        .query = query,
    };
    struct strbuf out = {0};
    struct error err = {0};
    int r = template_expand(template, &data, &out, &err);
    must(r == 0 || (err.text[0] != '\0' && out.len > 0));
    must(out.len <= MOST_EXPANDED + ERROR_BYTES);
    strbuf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const double values[] = {0, 12345678.9, -0.001, INFINITY, NAN, 1e300};
    struct template *template = NULL;
    struct arena arena = {0};
    struct error err = {0};
    if (template_new(fuzz_input(data, size), &arena, &template, &err) < 0) {
        must(template == NULL && err.text[0] != '\0');
        arena_deinit(&arena);
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        expand(template, values[i]);
    }
    arena_deinit(&arena);
    return 0;
}
