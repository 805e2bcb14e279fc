/* SPDX-License-Identifier: Apache-2.0 */

#include "web/api_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "base/utc.h"
#include "promql/label_space.h"

#define MOST_ANNOTATIONS 10
#define EXPONENT_BELOW   1e-6
#define EXPONENT_FROM    1e21

/* "1.5e-05" as "0.000015": digits without an exponent. */
static void write_expanded(struct strbuf *out, const char *text) {
    char digits[NUMBER_TEXT_SIZE];
    int n = 0;
    const char *e = strchr(text, 'e');
    int exponent = (int)strtol(e + 1, NULL, 10);
    for (const char *c = text; c < e; c++) {
        if (*c == '-') {
            strbuf_add_char(out, '-');
        } else if (*c != '.') {
            digits[n++] = *c;
        }
    }
    if (exponent < 0) {
        strbuf_add_text(out, "0.");
        for (int i = exponent + 1; i < 0; i++) {
            strbuf_add_char(out, '0');
        }
    }
    for (int i = 0; i < n || i <= exponent; i++) {
        if (exponent >= 0 && i == exponent + 1) {
            strbuf_add_char(out, '.');
        }
        strbuf_add_char(out, i < n ? digits[i] : '0');
    }
}

/* "1e-07": the shortest digits with an exponent. */
static void write_exponent(struct strbuf *out, double value) {
    char text[NUMBER_TEXT_SIZE];
    for (int precision = 0; precision <= 16; precision++) {
        snprintf(text, sizeof(text), "%.*e", precision, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    strbuf_add_text(out, text);
}

void api_write_value(struct strbuf *out, double value) {
    double size = fabs(value);
    strbuf_add_char(out, '"');
    if (isfinite(value) && size != 0 && (size < EXPONENT_BELOW || size >= EXPONENT_FROM)) {
        write_exponent(out, value);
    } else {
        char text[NUMBER_TEXT_SIZE];
        size_t len = number_format(value, text);
        if (isfinite(value) && memchr(text, 'e', len) != NULL) {
            write_expanded(out, text);
        } else {
            strbuf_add(out, text, len);
        }
    }
    strbuf_add_char(out, '"');
}

void api_write_time(struct strbuf *out, int64_t t_ms) {
    char text[24];
    size_t at = sizeof(text);
    uint64_t rest = t_ms < 0 ? 0 - (uint64_t)t_ms : (uint64_t)t_ms;
    if (rest % 1000 != 0) {
        for (int i = 0; i < 3; i++, rest /= 10) {
            text[--at] = (char)('0' + rest % 10);
        }
        text[--at] = '.';
    } else {
        rest /= 1000;
    }
    do {
        text[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (t_ms < 0) {
        text[--at] = '-';
    }
    strbuf_add(out, text + at, sizeof(text) - at);
}

void api_write_sample(struct strbuf *out, int64_t t_ms, double value) {
    strbuf_add_char(out, '[');
    api_write_time(out, t_ms);
    strbuf_add_char(out, ',');
    api_write_value(out, value);
    strbuf_add_char(out, ']');
}

/* Fractions without zeros at their end. */
static void add_fraction(char *out, size_t size, int ms) {
    int len = snprintf(out, size, ".%03d", ms);
    while (len > 0 && (out[len - 1] == '0' || out[len - 1] == '.')) {
        out[--len] = '\0';
    }
}

void api_write_rfc3339(struct json_writer *json, const char *key, int64_t t_ms) {
    char text[UTC_TEXT_BYTES] = "0001-01-01T00:00:00", fraction[16] = "", whole[96];
    if (t_ms > 0) {
        utc_format(t_ms, "%Y-%m-%dT%H:%M:%S", text);
        add_fraction(fraction, sizeof(fraction), (int)(t_ms % 1000));
    }
    snprintf(whole, sizeof(whole), "%s%sZ", text, fraction);
    json_text(json, key, whole);
}

void api_write_set(struct strbuf *out, const struct label_space *space,
                   const struct label_set *set) {
    strbuf_add_char(out, '{');
    for (size_t i = 0; i < set->n_pairs; i++) {
        if (i > 0) {
            strbuf_add_char(out, ',');
        }
        json_escape(out, label_space_text(space, set->pairs[i].name));
        strbuf_add_char(out, ':');
        json_escape(out, label_space_text(space, set->pairs[i].value));
    }
    strbuf_add_char(out, '}');
}

void api_write_labels(struct json_writer *json, const char *key, const struct label *labels,
                      size_t count) {
    json_object_begin(json, key);
    for (size_t i = 0; i < count; i++) {
        json_key(json, labels[i].name);
        json_str(json, NULL, labels[i].value);
    }
    json_object_end(json);
}

void api_write_head(struct strbuf *out) {
    strbuf_add_text(out, "{\"status\":\"success\",\"data\":");
}

static void write_annotations(struct json_writer *json, const char *key, const char *kind,
                              const struct annotation_list *list) {
    if (list == NULL || list->n == 0) {
        return;
    }
    json_list_begin(json, key);
    for (size_t i = 0; i < list->n && i < MOST_ANNOTATIONS; i++) {
        json_text(json, NULL, list->texts[i]);
    }
    if (list->n > MOST_ANNOTATIONS) {
        char text[80];
        snprintf(text, sizeof(text), "%zu more %s annotations omitted", list->n - MOST_ANNOTATIONS,
                 kind);
        json_text(json, NULL, text);
    }
    json_list_end(json);
}

void api_write_tail(struct strbuf *out, const struct annotation_list *warnings,
                    const struct annotation_list *infos) {
    struct json_writer json = {.out = out, .comma = true};
    write_annotations(&json, "warnings", "warning", warnings);
    write_annotations(&json, "infos", "info", infos);
    json_object_end(&json);
}

void api_write_error(struct strbuf *out, enum api_error_type type, struct str text) {
    struct json_writer json = {.out = out};
    json_object_begin(&json, NULL);
    json_text(&json, "status", "error");
    json_text(&json, "errorType", api_error_kinds[type].name);
    json_str(&json, "error", text);
    json_object_end(&json);
}
