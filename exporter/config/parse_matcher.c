/* SPDX-License-Identifier: Apache-2.0 */

/* Matchers of routes, in the spelling of Alertmanager: name="value" with the escapes \\, \" and \n,
 * or name=value without quotes, and spaces around each part. */
#include "config/private.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/quote.h"

static bool is_name_character(char character, bool first) {
    unsigned char c = (unsigned char)character;
    return c < 0x80 && (c == '_' || isalpha(c) || (!first && isdigit(c)));
}

static struct str cut_name(struct str *rest) {
    struct str name = {rest->data, 0};
    while (name.len < rest->len && is_name_character(rest->data[name.len], name.len == 0)) {
        name.len++;
    }
    *rest = str_trim((struct str){rest->data + name.len, rest->len - name.len});
    return name;
}

/* Longer operators first: "=~" begins with "=". */
static bool cut_operator(struct str *rest, enum matcher_type *ret) {
    static const enum matcher_type order[] = {MATCH_REGEX, MATCH_NOT_REGEX, MATCH_NOT_EQUAL,
                                              MATCH_EQUAL};
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        const char *text = matcher_type_texts[order[i]];
        if (str_starts_with(*rest, text)) {
            size_t length = strlen(text);
            *rest = str_trim((struct str){rest->data + length, rest->len - length});
            *ret = order[i];
            return true;
        }
    }
    return false;
}

/* What stands between the quotes. Return: false when they do not close, or something follows. */
static bool unquote(struct str text, struct strbuf *out) {
    for (size_t i = 1; i < text.len; i++) {
        char c = text.data[i];
        if (c == '"') {
            return i + 1 == text.len;
        }
        if (c == '\\' && i + 1 < text.len) {
            c = text.data[++i];
            if (c != '\\' && c != '"' && c != 'n') {
                return false;
            }
            c = c == 'n' ? '\n' : c;
        }
        strbuf_add_char(out, c);
    }
    return false;
}

static bool read_value(struct str text, struct strbuf *out) {
    if (text.len > 0 && text.data[0] == '"') {
        return unquote(text, out);
    }
    strbuf_add_str(out, text);
    return memchr(text.data, '"', text.len) == NULL && memchr(text.data, ',', text.len) == NULL &&
           memchr(text.data, '{', text.len) == NULL && memchr(text.data, '}', text.len) == NULL;
}

int config_read_matcher(struct reader *reader, const struct key_value *text, struct matcher *ret) {
    struct str rest = str_trim(text->text);
    struct strbuf value = {0};
    struct matcher matcher = {0};
    struct error inner = {0};
    char quoted[QUOTE_SIZE];
    struct str name = cut_name(&rest);
    if (name.len == 0 || !cut_operator(&rest, &matcher.type) || !read_value(rest, &value)) {
        strbuf_deinit(&value);
        return error_set(reader->err, -EINVAL, text->at,
                         "%s is no matcher, such as severity=\"critical\" or team=~\"db|ops\"",
                         quote(text->raw, quoted));
    }
    matcher.name = (struct str){mem_strndup(name.data, name.len), name.len};
    matcher.value =
        (struct str){mem_strndup(value.data != NULL ? value.data : "", value.len), value.len};
    strbuf_deinit(&value);
    if (matcher_prepare(&matcher, &inner) < 0) {
        free((char *)(uintptr_t)matcher.name.data);
        free((char *)(uintptr_t)matcher.value.data);
        return error_set(reader->err, -EINVAL, text->at, "matcher %s: %s", quote(text->raw, quoted),
                         inner.text);
    }
    *ret = matcher;
    return 0;
}
