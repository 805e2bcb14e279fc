/* SPDX-License-Identifier: Apache-2.0 */

#include "config/print_yaml.h"

#include "base/duration.h"

/* Words that other readers of YAML take for something else than text. */
static const char *const special_words[] = {"true", "false", "yes", "no", "on",
                                            "off",  "null",  "y",   "n"};

static bool is_plain(struct str text) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        bool inner = (c >= '0' && c <= '9') || c == '-' || c == '.';
        if (!letter && (i == 0 || !inner)) {
            return false;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(special_words); i++) {
        if (text.len == strlen(special_words[i]) &&
            strncasecmp(text.data, special_words[i], text.len) == 0) {
            return false;
        }
    }
    return text.len > 0;
}

static uint32_t code_point(const char *data, size_t length) {
    static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t code = (unsigned char)data[0] & masks[length];
    for (size_t i = 1; i < length; i++) {
        code = code << 6 | ((unsigned char)data[i] & 0x3f);
    }
    return code;
}

/* What a reader of YAML would refuse or take for a line break. */
static bool must_be_escaped(uint32_t code) {
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029 ||
           code == 0xfeff || code == 0xfffe || code == 0xffff;
}

static void add_character(struct strbuf *out, const char *data, size_t length) {
    uint32_t code = length != 0 ? code_point(data, length) : (unsigned char)data[0];
    if (length == 0 || (must_be_escaped(code) && code <= 0xff)) {
        strbuf_printf(out, "\\x%02x", (unsigned)code);
    } else if (must_be_escaped(code)) {
        strbuf_printf(out, "\\u%04x", (unsigned)code);
    } else if (code == '"' || code == '\\') {
        strbuf_printf(out, "\\%c", (char)code);
    } else if (code == '$') {
        strbuf_add_text(out, "$$"); /* else ${...} would be expanded */
    } else {
        strbuf_add(out, data, length);
    }
}

void yaml_print_text(struct strbuf *out, struct str text) {
    if (is_plain(text)) {
        strbuf_add_str(out, text);
        return;
    }
    strbuf_add_char(out, '"');
    for (size_t i = 0; i < text.len;) {
        size_t length = utf8_length(text.data + i, text.len - i);
        add_character(out, text.data + i, length);
        i += length != 0 ? length : 1;
    }
    strbuf_add_char(out, '"');
}

void yaml_print_duration(struct strbuf *out, const char *key, uint64_t usec) {
    char text[32];
    strbuf_printf(out, "%s: %s", key, duration_format(usec, text));
}

void yaml_print_tls(struct strbuf *out, const char *key, const struct tls_options *tls) {
    const struct {
        const char *key, *text;
    } rows[] = {
        {"ca_file", tls->ca_file},
        {"cert_file", tls->cert_file},
        {"key_file", tls->key_file},
        {"server_name", tls->server_name},
    };
    strbuf_printf(out, "%s: {", key);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].text != NULL) {
            strbuf_printf(out, "%s: ", rows[i].key);
            yaml_print_text(out, str_of(rows[i].text));
            strbuf_add_text(out, ", ");
        }
    }
    strbuf_printf(out, "insecure_skip_verify: %s}\n", tls->insecure_skip_verify ? "true" : "false");
}
