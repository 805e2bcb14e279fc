/* SPDX-License-Identifier: Apache-2.0 */

#include "base/json.h"

#include <inttypes.h>
#include <math.h>

#include "base/number.h"

/* How much of the text stands in JSON as it is; nearly all text is plain. */
static size_t plain_length(struct str text) {
    size_t len = 0;
    while (len < text.len && text.data[len] >= 0x20 && text.data[len] < 0x7f &&
           text.data[len] != '"' && text.data[len] != '\\') {
        len++;
    }
    return len;
}

void json_escape(struct strbuf *out, struct str text) {
    strbuf_add_char(out, '"');
    for (size_t i = 0; i < text.len;) {
        size_t plain = plain_length((struct str){text.data + i, text.len - i});
        if (plain > 0) {
            strbuf_add(out, text.data + i, plain);
            i += plain;
            continue;
        }
        unsigned char c = (unsigned char)text.data[i];
        size_t len = utf8_length(text.data + i, text.len - i);
        if (len == 0) {
            strbuf_add_text(out, "\\ufffd");
            len = 1;
        } else if (c == '"' || c == '\\') {
            strbuf_add_char(out, '\\');
            strbuf_add_char(out, (char)c);
        } else if (c == '\n') {
            strbuf_add_text(out, "\\n");
        } else if (c < 0x20 || c == 0x7f) {
            strbuf_printf(out, "\\u%04x", c);
        } else {
            strbuf_add(out, text.data + i, len);
        }
        i += len;
    }
    strbuf_add_char(out, '"');
}

static void begin(struct json_writer *json, const char *key) {
    if (json->comma) {
        strbuf_add_char(json->out, ',');
    }
    json->comma = true;
    if (key != NULL) {
        json_escape(json->out, str_of(key));
        strbuf_add_char(json->out, ':');
    }
}

void json_key(struct json_writer *json, struct str key) {
    begin(json, NULL);
    json_escape(json->out, key);
    strbuf_add_char(json->out, ':');
    json->comma = false;
}

void json_object_begin(struct json_writer *json, const char *key) {
    begin(json, key);
    strbuf_add_char(json->out, '{');
    json->comma = false;
}

void json_object_end(struct json_writer *json) {
    strbuf_add_char(json->out, '}');
    json->comma = true;
}

void json_list_begin(struct json_writer *json, const char *key) {
    begin(json, key);
    strbuf_add_char(json->out, '[');
    json->comma = false;
}

void json_list_end(struct json_writer *json) {
    strbuf_add_char(json->out, ']');
    json->comma = true;
}

void json_text(struct json_writer *json, const char *key, const char *text) {
    if (text == NULL) {
        json_null(json, key);
        return;
    }
    json_str(json, key, str_of(text));
}

void json_str(struct json_writer *json, const char *key, struct str text) {
    begin(json, key);
    json_escape(json->out, text);
}

void json_int(struct json_writer *json, const char *key, int64_t value) {
    begin(json, key);
    strbuf_printf(json->out, "%" PRId64, value);
}

void json_uint(struct json_writer *json, const char *key, uint64_t value) {
    begin(json, key);
    strbuf_printf(json->out, "%" PRIu64, value);
}

void json_double(struct json_writer *json, const char *key, double value) {
    if (!isfinite(value)) {
        json_null(json, key);
        return;
    }
    begin(json, key);
    char text[NUMBER_TEXT_SIZE];
    strbuf_add(json->out, text, number_format(value, text));
}

void json_bool(struct json_writer *json, const char *key, bool value) {
    begin(json, key);
    strbuf_add_text(json->out, value ? "true" : "false");
}

void json_add_null(struct json_writer *json, const char *key) {
    begin(json, key);
    strbuf_add_text(json->out, "null");
}
