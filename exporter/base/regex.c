/* SPDX-License-Identifier: Apache-2.0 */

/* PCRE2 behind RE2's grammar. Literals, alternations of literals, .* and .+ need no matcher. */
#include "base/regex.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/mem.h"
#include "base/regex_syntax.h"

/* A hopeless pattern reaches the first one after some milliseconds. */
#define MATCH_LIMIT     500000
#define EMPTY_LIMIT     1000 /* of the empty text */
#define DEPTH_LIMIT     50000
#define HEAP_LIMIT_KIB  8192
#define MOST_OUT_BYTES  ((size_t)16 * 1024 * 1024)
#define COMPILE_OPTIONS (PCRE2_UTF | PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C)

enum regex_kind {
    KIND_PCRE,
    KIND_LITERALS, /* of REGEX_WHOLE, as the next two */
    KIND_ANYTHING, /* .* */
    KIND_NOT_EMPTY /* .+ */
};

struct regex {
    enum regex_mode mode;
    enum regex_kind kind;
    struct regex_syntax syntax;
    pcre2_code *code; /* of KIND_PCRE, as the next one */
    pcre2_match_context *context;
};

/* --- Making --- */

/* Only of what is within the grammar and too large for PCRE2: where it is says nothing. */
static int refuse_code(struct error *err, int code) {
    char text[128] = "";
    pcre2_get_error_message(code, (PCRE2_UCHAR *)text, sizeof(text));
    return error_set(err, -EINVAL, (struct position){.column = 1}, "%s", text);
}

static pcre2_code *compile(struct str pattern, struct error *err) {
    int code;
    PCRE2_SIZE offset;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (context == NULL) {
        error_say(err, -ENOMEM, "out of memory");
        return NULL;
    }
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_code *made = pcre2_compile((PCRE2_SPTR)pattern.data, pattern.len, COMPILE_OPTIONS, &code,
                                     &offset, context);
    pcre2_compile_context_free(context);
    if (made == NULL) {
        refuse_code(err, code);
    }
    return made;
}

static int make_matcher(struct regex *regex, struct error *err) {
    struct strbuf text = {0};
    strbuf_add_text(&text, regex->mode == REGEX_WHOLE ? "\\A(?:" : "");
    strbuf_add_str(&text, strbuf_view(&regex->syntax.pcre));
    strbuf_add_text(&text, regex->mode == REGEX_WHOLE ? ")\\z" : "");
    regex->code = compile(strbuf_view(&text), err);
    strbuf_deinit(&text);
    if (regex->code == NULL) {
        return -EINVAL;
    }
    regex->context = pcre2_match_context_create(NULL);
    if (regex->context == NULL) {
        return error_say(err, -ENOMEM, "out of memory");
    }
    pcre2_set_match_limit(regex->context, MATCH_LIMIT);
    pcre2_set_depth_limit(regex->context, DEPTH_LIMIT);
    pcre2_set_heap_limit(regex->context, HEAP_LIMIT_KIB);
    return 0;
}

static enum regex_kind kind_of(const struct regex *regex, struct str pattern) {
    if (regex->mode == REGEX_WHOLE) {
        if (regex->syntax.n_literals > 0) {
            return KIND_LITERALS;
        }
        if (str_is(pattern, ".*")) {
            return KIND_ANYTHING;
        }
        if (str_is(pattern, ".+")) {
            return KIND_NOT_EMPTY;
        }
    }
    return KIND_PCRE;
}

int regex_new(struct str pattern, enum regex_mode mode, struct regex **ret, struct error *err) {
    CLEANUP(regex_freep)
    struct regex *regex = mem_alloc(sizeof(*regex));
    regex->mode = mode;
    int r = regex_syntax_parse(pattern, mode == REGEX_WHOLE, &regex->syntax, err);
    if (r < 0) {
        return r;
    }
    regex->kind = kind_of(regex, pattern);
    if (regex->kind == KIND_PCRE && (r = make_matcher(regex, err)) < 0) {
        return r;
    }
    strbuf_deinit(&regex->syntax.pcre);
    *ret = take_ptr(regex);
    return 0;
}

struct regex *regex_free(struct regex *regex) {
    if (regex != NULL) {
        pcre2_code_free(regex->code);
        pcre2_match_context_free(regex->context);
        regex_syntax_deinit(&regex->syntax);
        free(regex);
    }
    return NULL;
}

size_t regex_literals(const struct regex *regex, const struct str **ret_set) {
    if (regex->kind != KIND_LITERALS) {
        return 0;
    }
    *ret_set = regex->syntax.literals;
    return regex->syntax.n_literals;
}

/* --- Matching --- */

static bool is_literal(const struct regex *regex, struct str text) {
    size_t from = 0, to = regex->syntax.n_literals;
    while (from < to) {
        const size_t middle = (from + to) / 2;
        const int order = str_compare(text, regex->syntax.literals[middle]);
        if (order == 0) {
            return true;
        }
        *(order < 0 ? &to : &from) = order < 0 ? middle : middle + 1;
    }
    return false;
}

/* Of all kinds but KIND_PCRE. */
static bool match_simply(const struct regex *regex, struct str text) {
    if (regex->kind == KIND_LITERALS) {
        return is_literal(regex, text);
    }
    return (regex->kind == KIND_ANYTHING || text.len > 0) && str_is_utf8(text);
}

static void take_groups(const char *text, pcre2_match_data *match, size_t n,
                        struct regex_groups *ret) {
    const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(match);
    ret->n_groups = n;
    for (size_t i = 0; i < n; i++) {
        if (ends[2 * i] != PCRE2_UNSET) {
            ret->group[i] = (struct str){text + ends[2 * i], ends[2 * i + 1] - ends[2 * i]};
        }
    }
}

/* groups: NULL when nobody wants them. What a match works with has 20 KB and more, and is not kept:
 * there may be hundreds of patterns. */
static int match_pcre(const struct regex *regex, struct str text, size_t from, uint32_t options,
                      struct regex_groups *groups) {
    const char *data = text.data != NULL ? text.data : "";
    const size_t most = groups != NULL ? ARRAY_LEN(groups->group) : 1;
    const size_t n = regex->syntax.n_groups < most ? regex->syntax.n_groups : most;
    pcre2_match_data *match = pcre2_match_data_create((uint32_t)most, NULL);
    if (match == NULL) {
        return -E2BIG;
    }
    int r =
        pcre2_match(regex->code, (PCRE2_SPTR)data, text.len, from, options, match, regex->context);
    if (r >= 0 && groups != NULL) {
        take_groups(data, match, n, groups);
    }
    pcre2_match_data_free(match);
    if (r >= 0) {
        return REGEX_YES;
    }
    if (r == PCRE2_ERROR_NOMATCH || (r <= PCRE2_ERROR_UTF8_ERR1 && r >= PCRE2_ERROR_UTF8_ERR21) ||
        r == PCRE2_ERROR_BADUTFOFFSET) {
        return REGEX_NO;
    }
    return -E2BIG;
}

int regex_match(const struct regex *regex, struct str text) {
    if (regex->kind == KIND_PCRE) {
        return match_pcre(regex, text, 0, 0, NULL);
    }
    return match_simply(regex, text) ? REGEX_YES : REGEX_NO;
}

int regex_match_empty(const struct regex *regex) {
    if (regex->kind != KIND_PCRE) {
        return regex_match(regex, str_of(""));
    }
    pcre2_set_match_limit(regex->context, EMPTY_LIMIT);
    int r = match_pcre(regex, str_of(""), 0, 0, NULL);
    pcre2_set_match_limit(regex->context, MATCH_LIMIT);
    return r;
}

static int find(const struct regex *regex, struct str text, size_t from, uint32_t options,
                struct regex_groups *ret) {
    *ret = (struct regex_groups){0};
    const size_t most = ARRAY_LEN(ret->group);
    const size_t n = regex->syntax.n_groups < most ? regex->syntax.n_groups : most;
    if (regex->kind != KIND_PCRE) {
        if (from > 0 || !match_simply(regex, text)) {
            return REGEX_NO;
        }
        ret->n_groups = n;
        for (size_t i = 0; i < n; i++) { /* literals have groups around all of them at most */
            ret->group[i] = (struct str){text.data != NULL ? text.data : "", text.len};
        }
        return REGEX_YES;
    }
    return match_pcre(regex, text, from, options, ret);
}

int regex_find(const struct regex *regex, struct str text, size_t from,
               struct regex_groups *ret_groups) {
    struct regex_groups groups;
    if (from > text.len) {
        return REGEX_NO;
    }
    int r = find(regex, text, from, 0, &groups);
    if (r == REGEX_YES) {
        *ret_groups = groups;
    }
    return r;
}

/* --- Replacing --- */

/* Beyond ASCII it takes Unicode's tables to know where a name ends; that is rare. */
static bool is_letter(const char *data, size_t len) {
    static const char pattern[] = "\\A[\\p{L}\\p{Nd}]";
    int code;
    PCRE2_SIZE offset;
    pcre2_code *made =
        pcre2_compile((PCRE2_SPTR)pattern, sizeof(pattern) - 1, PCRE2_UTF, &code, &offset, NULL);
    if (made == NULL) {
        return false;
    }
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    bool found = match != NULL && pcre2_match(made, (PCRE2_SPTR)data, len, 0, 0, match, NULL) > 0;
    pcre2_match_data_free(match);
    pcre2_code_free(made);
    return found;
}

static bool is_word_byte(char c) {
    return c == '_' || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static size_t word_length(struct str text) {
    size_t at = 0;
    while (at < text.len) {
        size_t len = utf8_length(text.data + at, text.len - at);
        if (len == 0 ||
            (len == 1 ? !is_word_byte(text.data[at]) : !is_letter(text.data + at, len))) {
            break;
        }
        at += len;
    }
    return at;
}

/* Cuts NAME or {NAME} off *rest. Return: false (and *rest stays) when it is neither. */
static bool cut_name(struct str *rest, struct str *ret_name) {
    struct str text = *rest;
    const bool brace = text.len > 0 && text.data[0] == '{';
    if (brace) {
        text = (struct str){text.data + 1, text.len - 1};
    }
    *ret_name = (struct str){text.data, word_length(text)};
    text = (struct str){text.data + ret_name->len, text.len - ret_name->len};
    if (ret_name->len == 0 || (brace && (text.len == 0 || text.data[0] != '}'))) {
        return false;
    }
    *rest = brace ? (struct str){text.data + 1, text.len - 1} : text;
    return true;
}

/* A number without leading zeros. */
static bool read_number(struct str name, size_t *ret) {
    size_t number = 0;
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] < '0' || name.data[i] > '9' || number >= 100000000) {
            return false;
        }
        number = number * 10 + (size_t)(name.data[i] - '0');
    }
    *ret = number;
    return name.len == 1 || name.data[0] != '0';
}

/* Of groups with the same name the first one that took part counts. */
static struct str group_text(const struct regex *regex, const struct regex_groups *groups,
                             struct str name) {
    const struct regex_syntax *syntax = &regex->syntax;
    size_t number;
    if (read_number(name, &number)) {
        return number < groups->n_groups ? groups->group[number] : (struct str){0};
    }
    for (size_t i = 0; i < syntax->n_names; i++) {
        number = syntax->names[i].group;
        if (str_equal(syntax->names[i].name, name) && number < groups->n_groups &&
            groups->group[number].data != NULL) {
            return groups->group[number];
        }
    }
    return (struct str){0};
}

void regex_expand(const struct regex *regex, const struct regex_groups *groups,
                  struct str replacement, struct strbuf *out) {
    struct str rest = replacement, name;
    const char *dollar;
    while (rest.len > 0 && (dollar = memchr(rest.data, '$', rest.len)) != NULL) {
        const size_t before = (size_t)(dollar - rest.data);
        strbuf_add(out, rest.data, before);
        rest = (struct str){dollar + 1, rest.len - before - 1};
        if (rest.len > 0 && rest.data[0] == '$') {
            strbuf_add_char(out, '$');
            rest = (struct str){rest.data + 1, rest.len - 1};
        } else if (cut_name(&rest, &name)) {
            strbuf_add_str(out, group_text(regex, groups, name));
        } else {
            strbuf_add_char(out, '$');
        }
    }
    strbuf_add_str(out, rest);
}

/* Where to look for the next match: always at least one character further on. */
static size_t next_place(struct str text, size_t at, size_t match_end) {
    const size_t width = at < text.len ? utf8_length(text.data + at, text.len - at) : 0;
    if (at + width > match_end) {
        return at + width;
    }
    return at + 1 > match_end ? at + 1 : match_end;
}

static int replace_all(const struct regex *regex, struct str text, struct str replacement,
                       struct strbuf *out) {
    struct regex_groups groups;
    size_t copied = 0, at = 0;
    int r;
    while (at <= text.len && (r = find(regex, text, at, PCRE2_NO_UTF_CHECK, &groups)) != REGEX_NO) {
        if (r < 0 || out->len > MOST_OUT_BYTES) {
            return -E2BIG;
        }
        const size_t start = (size_t)(groups.group[0].data - text.data);
        const size_t end = start + groups.group[0].len;
        strbuf_add(out, text.data + copied, start - copied);
        /* An empty match right behind another match is none. */
        if (end > copied || start == 0) {
            regex_expand(regex, &groups, replacement, out);
        }
        copied = end;
        at = next_place(text, at, end);
    }
    strbuf_add(out, text.data + copied, text.len - copied);
    return 0;
}

int regex_replace_all(const struct regex *regex, struct str text, struct str replacement,
                      struct strbuf *out) {
    const size_t before = out->len;
    if (text.data == NULL) {
        text.data = "";
    }
    if (!str_is_utf8(text)) {
        strbuf_add_str(out, text);
        return 0;
    }
    int r = replace_all(regex, text, replacement, out);
    if (r < 0) {
        out->len = before;
        *strbuf_reserve(out, 0) = '\0';
    }
    return r;
}
