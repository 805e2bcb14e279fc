/* SPDX-License-Identifier: Apache-2.0 */

/* The parser follows Go's regexp/syntax: a loop over the pattern that knows the atom it wrote last,
 * so that a repetition can be put behind it, and a stack of open groups. */
#include "base/regex_syntax.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/regex_class.h"

#define MOST_DEPTH     200
#define MOST_REPEATS   1000
#define MOST_ITEMS     32768 /* PCRE2 writes what is repeated that often */
#define MOST_BYTES     ((size_t)1024 * 1024)
#define LAST_CHARACTER 0x10ffff

enum {
    FLAG_FOLD = 1,    /* i */
    FLAG_LINES = 2,   /* m */
    FLAG_DOT_ALL = 4, /* s */
    FLAG_LAZY = 8,    /* U */
};

enum atom {
    ATOM_NONE,  /* nothing that could be repeated */
    ATOM_WHOLE, /* PCRE2 repeats it as it stands */
    ATOM_LOOSE, /* needs a group around it: an assertion */
};

struct open_group {
    size_t at;      /* in the pattern */
    size_t written; /* where it begins in the outcome */
    unsigned flags; /* outside */
    unsigned weight;
    size_t items;
};

struct parser {
    struct str pattern;
    size_t at;
    unsigned flags;
    struct regex_syntax *out;
    struct error *err;

    enum atom atom;
    size_t atom_written;
    unsigned atom_weight;
    size_t atom_items;
    bool just_repeated; /* the last thing was a repetition, which began here: */
    size_t repeat_at;

    struct open_group open[MOST_DEPTH];
    size_t n_open;
    /* Of the current group: how often its content is repeated inside of it, at most, and how many
     * items it has when repetitions are written out. */
    unsigned weight;
    size_t items;

    bool is_literal;       /* so far it is an alternation of literals */
    bool literal_begun;    /* there was a character or a '|' */
    bool literal_closed;   /* the groups around all of it begin to end */
    struct strbuf letters; /* of the current alternative */
};

/* Go's words and the part of the pattern that is meant. */
static int refuse(struct parser *parser, const char *what, size_t from, size_t to) {
    if (to > parser->pattern.len) {
        to = parser->pattern.len;
    }
    while (to < parser->pattern.len && (parser->pattern.data[to] & 0xc0) == 0x80) {
        to++; /* whole characters */
    }
    return error_set(parser->err, -EINVAL, (struct position){.column = (unsigned)from + 1},
                     "%s: `%.*s`", what, (int)(to - from), parser->pattern.data + from);
}

static bool at_end(const struct parser *parser) {
    return parser->at >= parser->pattern.len;
}

/* The byte that many places further on; 0 behind the end. */
static char peek(const struct parser *parser, size_t further) {
    size_t at = parser->at + further;
    return at < parser->pattern.len ? parser->pattern.data[at] : '\0';
}

/* The pattern is valid UTF-8. */
static uint32_t next_character(struct parser *parser) {
    const unsigned char *data = (const unsigned char *)parser->pattern.data + parser->at;
    size_t len = utf8_length((const char *)data, parser->pattern.len - parser->at);
    uint32_t character = len <= 1 ? data[0] : data[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        character = character << 6 | (data[i] & 0x3f);
    }
    parser->at += len;
    return character;
}

static void begin_atom(struct parser *parser, enum atom atom) {
    parser->atom = atom;
    parser->atom_written = parser->out->pcre.len;
    parser->atom_weight = 1;
    parser->atom_items = 1;
    parser->items++;
    parser->just_repeated = false;
}

/* --- Literals --- */

static void add_letter(struct parser *parser, uint32_t c) {
    struct strbuf *out = &parser->letters;
    parser->literal_begun = true;
    if (c < 0x80) {
        strbuf_add_char(out, (char)c);
        return;
    }
    if (c >= 0x10000) {
        strbuf_add_char(out, (char)(0xf0 | c >> 18));
        strbuf_add_char(out, (char)(0x80 | (c >> 12 & 0x3f)));
    } else if (c >= 0x800) {
        strbuf_add_char(out, (char)(0xe0 | c >> 12));
    } else {
        strbuf_add_char(out, (char)(0xc0 | c >> 6));
    }
    if (c >= 0x800) {
        strbuf_add_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
    }
    strbuf_add_char(out, (char)(0x80 | (c & 0x3f)));
}

static void end_literal(struct parser *parser) {
    struct regex_syntax *out = parser->out;
    if (!parser->is_literal) {
        return;
    }
    out->literals =
        mem_grow(out->literals, out->n_literals, &out->literals_capacity, sizeof(*out->literals));
    out->literals[out->n_literals++] = arena_dup(&out->arena, strbuf_view(&parser->letters));
    strbuf_clear(&parser->letters);
}

static void write_literal(struct parser *parser, uint32_t character) {
    begin_atom(parser, ATOM_WHOLE);
    class_write_character(&parser->out->pcre, character);
    if ((parser->flags & FLAG_FOLD) != 0 || parser->literal_closed) {
        parser->is_literal = false;
    }
    if (parser->is_literal) {
        add_letter(parser, character);
    }
}

/* Anything but literals and groups. */
static void write_atom(struct parser *parser, enum atom atom, const char *text) {
    begin_atom(parser, atom);
    parser->is_literal = false;
    strbuf_add_text(&parser->out->pcre, text);
}

static int compare_texts(const void *a, const void *b) {
    return str_compare(*(const struct str *)a, *(const struct str *)b);
}

static void finish_literals(struct parser *parser) {
    struct regex_syntax *out = parser->out;
    size_t n = 0;
    if (!parser->is_literal) {
        out->n_literals = 0;
        return;
    }
    end_literal(parser);
    qsort(out->literals, out->n_literals, sizeof(*out->literals), compare_texts);
    for (size_t i = 0; i < out->n_literals; i++) {
        if (n == 0 || !str_equal(out->literals[n - 1], out->literals[i])) {
            out->literals[n++] = out->literals[i];
        }
    }
    out->n_literals = n;
}

/* --- Escapes --- */

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Behind "\x". Return: false when it is none. */
static bool parse_hex(struct parser *parser, uint32_t *ret) {
    uint32_t value = 0;
    size_t digits = 0;
    if (peek(parser, 0) != '{') {
        int high = hex_digit(peek(parser, 0)), low = high < 0 ? -1 : hex_digit(peek(parser, 1));
        parser->at += 2;
        *ret = (uint32_t)(high * 16 + low);
        return low >= 0;
    }
    for (parser->at++; hex_digit(peek(parser, 0)) >= 0; parser->at++, digits++) {
        value = value * 16 + (uint32_t)hex_digit(peek(parser, 0));
        if (value > LAST_CHARACTER) {
            return false;
        }
    }
    *ret = value;
    if (digits == 0 || peek(parser, 0) != '}') {
        return false;
    }
    parser->at++;
    return value < 0xd800 || value > 0xdfff; /* Go takes surrogates, which no text holds */
}

static uint32_t parse_octal(struct parser *parser) {
    uint32_t value = 0;
    for (int i = 0; i < 3 && peek(parser, 0) >= '0' && peek(parser, 0) <= '7'; i++) {
        value = value * 8 + (uint32_t)(peek(parser, 0) - '0');
        parser->at++;
    }
    return value;
}

static bool is_octal(char c) {
    return c >= '0' && c <= '7';
}

/* A single escaped character; parser->at stands behind the backslash. */
static int parse_escape(struct parser *parser, uint32_t *ret) {
    static const char letters[] = "afnrtv", meanings[] = "\a\f\n\r\t\v";
    const size_t start = parser->at - 1;
    if (at_end(parser)) {
        return error_set(parser->err, -EINVAL, (struct position){.column = (unsigned)start + 1},
                         "trailing backslash at end of expression");
    }
    char c = peek(parser, 0);
    if (c == '0' || (is_octal(c) && is_octal(peek(parser, 1)))) {
        *ret = parse_octal(parser);
        return 0;
    }
    *ret = next_character(parser);
    if (c == 'x') {
        return parse_hex(parser, ret)
                   ? 0
                   : refuse(parser, "invalid escape sequence", start, parser->at + 1);
    }
    const char *letter = c != '\0' ? strchr(letters, c) : NULL;
    if (letter != NULL) {
        *ret = (unsigned char)meanings[letter - letters];
        return 0;
    }
    const bool alnum = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
    if (*ret >= 0x80 || alnum) {
        return refuse(parser, "invalid escape sequence", start, parser->at);
    }
    return 0;
}

/* \pL, \p{Greek}, \P{^Greek}; parser->at stands at the 'p'. */
static int parse_unicode_class(struct parser *parser, bool in_brackets) {
    const size_t start = parser->at - 1;
    bool negated = parser->pattern.data[parser->at++] == 'P';
    struct str name = {parser->pattern.data + parser->at, 0};
    if (at_end(parser)) {
        return refuse(parser, "invalid escape sequence", start, parser->at);
    }
    const size_t name_at = parser->at;
    if (next_character(parser) != '{') {
        name.len = parser->at - name_at;
    } else {
        const char *end = memchr(name.data, '}', parser->pattern.len - name_at);
        if (end == NULL) {
            return refuse(parser, "invalid character class range", start, parser->pattern.len);
        }
        name = (struct str){name.data + 1, (size_t)(end - name.data) - 1};
        parser->at = name_at + name.len + 2;
        if (name.len > 0 && name.data[0] == '^') {
            negated = !negated;
            name = (struct str){name.data + 1, name.len - 1};
        }
    }
    return unicode_class_write(name, negated, (parser->flags & FLAG_FOLD) != 0, in_brackets,
                               &parser->out->pcre)
               ? 0
               : refuse(parser, "invalid character class range", start, parser->at);
}

static void write_empty_width(struct parser *parser, const char *text) {
    parser->at++;
    write_atom(parser, ATOM_LOOSE, text);
}

/* \Q...\E: the last character of it may be repeated. */
static void parse_quoted(struct parser *parser) {
    parser->at++;
    parser->atom = ATOM_NONE;
    parser->just_repeated = false;
    while (!at_end(parser)) {
        if (peek(parser, 0) == '\\' && peek(parser, 1) == 'E') {
            parser->at += 2;
            return;
        }
        write_literal(parser, next_character(parser));
    }
}

static int parse_backslash(struct parser *parser) {
    const bool fold = (parser->flags & FLAG_FOLD) != 0;
    uint32_t character;
    parser->at++;
    const char c = peek(parser, 0);
    switch (c) {
    case 'A':
        write_empty_width(parser, "\\A");
        return 0;
    case 'z':
        write_empty_width(parser, "\\z");
        return 0;
    case 'b':
        write_empty_width(parser, "\\b");
        return 0;
    case 'B':
        write_empty_width(parser, "\\B");
        return 0;
    case 'Q':
        parse_quoted(parser);
        return 0;
    case 'p':
    case 'P':
        write_atom(parser, ATOM_WHOLE, "");
        return parse_unicode_class(parser, false);
    default:
        break;
    }
    const struct ascii_class *class = ascii_class_perl((char)(c | 0x20));
    if (class != NULL) {
        write_atom(parser, ATOM_WHOLE, "");
        parser->at++;
        ascii_class_write_alone(class, c < 'a', fold, &parser->out->pcre);
        return 0;
    }
    int r = parse_escape(parser, &character);
    if (r == 0) {
        write_literal(parser, character);
    }
    return r;
}

/* --- Brackets --- */

/* [:alpha:] and [:^alpha:]. Return: 1 when it was one, 0 when '[' is a character. */
static int parse_posix_class(struct parser *parser) {
    const size_t start = parser->at;
    const char *data = parser->pattern.data + start;
    const char *end = memmem(data + 2, parser->pattern.len - start - 2, ":]", 2);
    if (end == NULL) {
        return 0;
    }
    struct str name = {data + 2, (size_t)(end - data) - 2};
    const bool negated = name.len > 0 && name.data[0] == '^';
    if (negated) {
        name = (struct str){name.data + 1, name.len - 1};
    }
    parser->at += (size_t)(end - data) + 2;
    const struct ascii_class *class = ascii_class_posix(name);
    if (class == NULL) {
        return refuse(parser, "invalid character class range", start, parser->at);
    }
    ascii_class_write(class, negated, (parser->flags & FLAG_FOLD) != 0, &parser->out->pcre);
    return 1;
}

static int parse_class_character(struct parser *parser, size_t start, uint32_t *ret) {
    if (at_end(parser)) {
        return refuse(parser, "missing closing ]", start, parser->pattern.len);
    }
    *ret = next_character(parser);
    return *ret == '\\' ? parse_escape(parser, ret) : 0;
}

static int parse_class_range(struct parser *parser, size_t start) {
    const size_t from = parser->at;
    uint32_t low, high;
    int r = parse_class_character(parser, start, &low);
    if (r < 0) {
        return r;
    }
    class_write_character(&parser->out->pcre, low);
    if (peek(parser, 0) != '-' || parser->at + 1 >= parser->pattern.len || peek(parser, 1) == ']') {
        return 0;
    }
    parser->at++;
    if ((r = parse_class_character(parser, start, &high)) < 0) {
        return r;
    }
    if (high < low) {
        return refuse(parser, "invalid character class range", from, parser->at);
    }
    strbuf_add_char(&parser->out->pcre, '-');
    class_write_character(&parser->out->pcre, high);
    return 0;
}

static int parse_class_item(struct parser *parser, size_t start) {
    if (peek(parser, 0) == '[' && peek(parser, 1) == ':') {
        int r = parse_posix_class(parser);
        if (r != 0) {
            return r;
        }
    }
    if (peek(parser, 0) == '\\') {
        const char c = peek(parser, 1);
        const struct ascii_class *class = ascii_class_perl((char)(c | 0x20));
        if (c == 'p' || c == 'P') {
            parser->at++;
            return parse_unicode_class(parser, true);
        }
        if (class != NULL) {
            parser->at += 2;
            ascii_class_write(class, c < 'a', (parser->flags & FLAG_FOLD) != 0, &parser->out->pcre);
            return 0;
        }
    }
    return parse_class_range(parser, start);
}

static int parse_brackets(struct parser *parser) {
    const size_t start = parser->at++;
    write_atom(parser, ATOM_WHOLE, "[");
    if (peek(parser, 0) == '^') {
        parser->at++;
        strbuf_add_char(&parser->out->pcre, '^');
    }
    for (bool first = true; first || peek(parser, 0) != ']'; first = false) {
        if (at_end(parser)) {
            return refuse(parser, "missing closing ]", start, parser->pattern.len);
        }
        int r = parse_class_item(parser, start);
        if (r < 0) {
            return r;
        }
    }
    parser->at++;
    strbuf_add_char(&parser->out->pcre, ']');
    return 0;
}

/* --- Repetitions --- */

/* Digits without a leading zero. Return: -1 when there are none; too much is above MOST_REPEATS. */
static int parse_count(struct parser *parser) {
    const size_t start = parser->at;
    int value = 0;
    while (peek(parser, 0) >= '0' && peek(parser, 0) <= '9') {
        value = value > MOST_REPEATS ? value : value * 10 + (peek(parser, 0) - '0');
        parser->at++;
    }
    const size_t digits = parser->at - start;
    return digits == 0 || (digits > 1 && parser->pattern.data[start] == '0') ? -1 : value;
}

/* {n}, {n,} and {n,m}; *ret_most is -1 without a bound.
 * Return: false (and nothing is read) when it is something else. */
static bool parse_braces(struct parser *parser, int *ret_least, int *ret_most) {
    const size_t start = parser->at++;
    *ret_least = *ret_most = parse_count(parser);
    if (*ret_least >= 0 && peek(parser, 0) == ',') {
        parser->at++;
        *ret_most = peek(parser, 0) == '}' ? -1 : parse_count(parser);
        if (*ret_most < 0 && peek(parser, 0) != '}') {
            *ret_least = -1;
        } else if (*ret_most < 0 && parser->pattern.data[parser->at - 1] != ',') {
            *ret_least = -1; /* {1,01} */
        }
    }
    if (*ret_least < 0 || peek(parser, 0) != '}') {
        parser->at = start;
        return false;
    }
    parser->at++;
    return true;
}

/* Puts the repetition behind the last atom; start is where it stands in the pattern. */
static int repeat(struct parser *parser, size_t start, const char *text) {
    struct strbuf *pcre = &parser->out->pcre;
    bool lazy = (parser->flags & FLAG_LAZY) != 0;
    if (peek(parser, 0) == '?') {
        parser->at++;
        lazy = !lazy;
    }
    if (parser->just_repeated) {
        return refuse(parser, "invalid nested repetition operator", parser->repeat_at, parser->at);
    }
    if (parser->atom == ATOM_NONE) {
        return refuse(parser, "missing argument to repetition operator", start, parser->at);
    }
    if (parser->atom == ATOM_LOOSE) {
        strbuf_add_text(pcre, "(?:"); /* makes room for what is put in front */
        memmove(pcre->data + parser->atom_written + 3, pcre->data + parser->atom_written,
                pcre->len - parser->atom_written - 3);
        memcpy(pcre->data + parser->atom_written, "(?:", 3);
        strbuf_add_char(pcre, ')');
    }
    strbuf_add_text(pcre, text);
    strbuf_add_text(pcre, lazy ? "?" : "");
    parser->is_literal = false;
    parser->just_repeated = true;
    parser->repeat_at = start;
    return 0;
}

static int parse_repeat(struct parser *parser) {
    const size_t start = parser->at;
    const char text[] = {peek(parser, 0), '\0'};
    parser->at++;
    return repeat(parser, start, text);
}

static int parse_counted_repeat(struct parser *parser) {
    const size_t start = parser->at;
    int least, most;
    char text[32];
    if (!parse_braces(parser, &least, &most)) {
        parser->at++;
        write_literal(parser, '{');
        return 0;
    }
    if (least > MOST_REPEATS || most > MOST_REPEATS || (most >= 0 && least > most)) {
        return refuse(parser, "invalid repeat count", start, parser->at);
    }
    /* Counts inside of counts multiply. */
    const unsigned factor = most > 0 ? (unsigned)most : least > 0 ? (unsigned)least : 1;
    if (parser->atom != ATOM_NONE && !parser->just_repeated) {
        parser->atom_weight *= factor;
        parser->items += parser->atom_items * (factor - 1);
        if (parser->atom_weight > MOST_REPEATS) {
            return refuse(parser, "invalid repeat count", start, parser->at);
        }
        if (parser->items > MOST_ITEMS) {
            return refuse(parser, "expression too large", start, parser->at);
        }
        if (parser->atom_weight > parser->weight) {
            parser->weight = parser->atom_weight;
        }
    }
    if (most < 0) {
        snprintf(text, sizeof(text), "{%d,}", least);
    } else if (most == least) {
        snprintf(text, sizeof(text), "{%d}", least);
    } else {
        snprintf(text, sizeof(text), "{%d,%d}", least, most);
    }
    return repeat(parser, start, text);
}

/* --- Groups --- */

static int open_group(struct parser *parser, size_t start, const char *text) {
    if (parser->n_open == MOST_DEPTH) {
        return refuse(parser, "expression nests too deeply", start, parser->at);
    }
    parser->open[parser->n_open++] = (struct open_group){
        .at = start,
        .written = parser->out->pcre.len,
        .flags = parser->flags,
        .weight = parser->weight,
        .items = parser->items,
    };
    parser->weight = 1;
    parser->items = 0;
    parser->atom = ATOM_NONE;
    parser->just_repeated = false;
    if (parser->literal_begun || parser->literal_closed) {
        parser->is_literal = false;
    }
    strbuf_add_text(&parser->out->pcre, text);
    return 0;
}

static int close_group(struct parser *parser) {
    if (parser->n_open == 0) {
        return refuse(parser, "unexpected )", parser->at, parser->at + 1);
    }
    const struct open_group *group = &parser->open[--parser->n_open];
    parser->at++;
    strbuf_add_char(&parser->out->pcre, ')');
    parser->atom = ATOM_WHOLE;
    parser->atom_written = group->written;
    parser->atom_weight = parser->weight;
    parser->atom_items = parser->items + 1;
    parser->weight = parser->weight > group->weight ? parser->weight : group->weight;
    parser->items = parser->atom_items + group->items;
    parser->just_repeated = false;
    parser->flags = group->flags;
    parser->literal_closed = true;
    return 0;
}

/* (?P<name> and (?<name>; parser->at stands at the parenthesis. */
static int parse_named_group(struct parser *parser, size_t skip) {
    const size_t start = parser->at;
    struct regex_syntax *out = parser->out;
    const char *name = parser->pattern.data + start + skip;
    size_t len = 0;
    for (char c; (c = peek(parser, skip + len)) == '_' || (c >= '0' && c <= '9') ||
                 ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');) {
        len++;
    }
    if (len == 0 || peek(parser, skip + len) != '>') {
        const char *end = memchr(name, '>', parser->pattern.len - start - skip);
        return refuse(parser, "invalid named capture", start,
                      end != NULL ? (size_t)(end - parser->pattern.data) + 1 : parser->pattern.len);
    }
    parser->at += skip + len + 1;
    out->names = mem_grow(out->names, out->n_names, &out->names_capacity, sizeof(*out->names));
    out->names[out->n_names++] =
        (struct regex_group_name){arena_dup(&out->arena, (struct str){name, len}), out->n_groups++};
    return open_group(parser, start, "(");
}

/* (?flags) and (?flags:; parser->at stands at the parenthesis. */
static int parse_flags(struct parser *parser) {
    static const char letters[] = "imsU";
    const size_t start = parser->at;
    unsigned flags = parser->flags;
    bool clear = false, missing = false;
    char c;
    for (parser->at += 2; (c = peek(parser, 0)) != ':' && c != ')'; parser->at++) {
        const char *letter = c != '\0' ? strchr(letters, c) : NULL;
        if (letter != NULL) {
            const unsigned flag = 1u << (letter - letters);
            flags = clear ? flags & ~flag : flags | flag;
            missing = false;
        } else if (c == '-' && !clear) {
            clear = missing = true;
        } else {
            return refuse(parser, "invalid or unsupported Perl syntax", start, parser->at + 1);
        }
    }
    parser->at++;
    if (missing) {
        return refuse(parser, "invalid or unsupported Perl syntax", start, parser->at);
    }
    const char *fold = ((flags ^ parser->flags) & FLAG_FOLD) == 0 ? ""
                       : (flags & FLAG_FOLD) != 0                 ? "(?i)"
                                                                  : "(?-i)";
    if (c == ':') {
        int r = open_group(parser, start, "(?:");
        if (r < 0) {
            return r;
        }
    }
    strbuf_add_text(&parser->out->pcre, fold);
    parser->flags = flags;
    parser->atom = ATOM_NONE;
    parser->just_repeated = false;
    return 0;
}

static int parse_group(struct parser *parser) {
    const size_t start = parser->at;
    if (peek(parser, 1) != '?') {
        parser->at++;
        parser->out->n_groups++;
        return open_group(parser, start, "(");
    }
    if (peek(parser, 2) == 'P' && peek(parser, 3) == '<') {
        return parse_named_group(parser, 4);
    }
    if (peek(parser, 2) == '<' && peek(parser, 3) != '=' && peek(parser, 3) != '!') {
        return parse_named_group(parser, 3);
    }
    return parse_flags(parser);
}

/* --- The whole --- */

static int parse_alternative(struct parser *parser) {
    parser->at++;
    strbuf_add_char(&parser->out->pcre, '|');
    parser->atom = ATOM_NONE;
    parser->just_repeated = false;
    parser->literal_begun = true;
    if (parser->literal_closed) {
        parser->is_literal = false;
    }
    end_literal(parser);
    return 0;
}

static int parse_one(struct parser *parser) {
    const bool lines = (parser->flags & FLAG_LINES) != 0;
    switch (peek(parser, 0)) {
    case '(':
        return parse_group(parser);
    case ')':
        return close_group(parser);
    case '|':
        return parse_alternative(parser);
    case '[':
        return parse_brackets(parser);
    case '\\':
        return parse_backslash(parser);
    case '*':
    case '+':
    case '?':
        return parse_repeat(parser);
    case '{':
        return parse_counted_repeat(parser);
    case '^':
        write_empty_width(parser, lines ? "(?<![^\\n])" : "\\A");
        return 0;
    case '$':
        write_empty_width(parser, lines ? "(?![^\\n])" : "\\z");
        return 0;
    case '.':
        parser->at++;
        write_atom(parser, ATOM_WHOLE, (parser->flags & FLAG_DOT_ALL) != 0 ? "." : "[^\\n]");
        return 0;
    default:
        write_literal(parser, next_character(parser));
        return 0;
    }
}

static int check_text(struct parser *parser) {
    if (parser->pattern.len > MOST_BYTES) {
        return error_set(parser->err, -EINVAL, (struct position){.column = 1},
                         "expression is longer than %zu bytes", MOST_BYTES);
    }
    for (size_t at = 0, len; at < parser->pattern.len; at += len) {
        len = utf8_length(parser->pattern.data + at, parser->pattern.len - at);
        if (len == 0) {
            return error_set(parser->err, -EINVAL, (struct position){.column = (unsigned)at + 1},
                             "invalid UTF-8");
        }
    }
    return 0;
}

static int parse_all(struct parser *parser) {
    int r = check_text(parser);
    while (r == 0 && !at_end(parser)) {
        r = parse_one(parser);
    }
    if (r == 0 && parser->n_open > 0) {
        r = refuse(parser, "missing closing )", parser->open[parser->n_open - 1].at,
                   parser->pattern.len);
    }
    return r;
}

int regex_syntax_parse(struct str pattern, bool dot_all, struct regex_syntax *ret,
                       struct error *err) {
    struct regex_syntax syntax = {.n_groups = 1};
    struct parser parser = {
        .pattern = pattern,
        .flags = dot_all ? FLAG_DOT_ALL : 0,
        .out = &syntax,
        .err = err,
        .weight = 1,
        .is_literal = true,
    };
    int r = parse_all(&parser);
    if (r == 0) {
        finish_literals(&parser);
        *ret = syntax;
    } else {
        regex_syntax_deinit(&syntax);
    }
    strbuf_deinit(&parser.letters);
    return r;
}

void regex_syntax_deinit(struct regex_syntax *syntax) {
    arena_deinit(&syntax->arena);
    strbuf_deinit(&syntax->pcre);
    free(syntax->names);
    free(syntax->literals);
    *syntax = (struct regex_syntax){0};
}
