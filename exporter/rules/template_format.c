/* SPDX-License-Identifier: Apache-2.0 */

/* Printing values as Go's fmt prints them: %v, and printf. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>

#include "promql/printer.h"
#include "rules/private_template.h"

const char *template_type(const struct template_value *value) {
    static const char *const names[] = {
        [TV_NIL] = "nil",
        [TV_BOOL] = "bool",
        [TV_INT] = "int",
        [TV_FLOAT] = "float64",
        [TV_TEXT] = "string",
        [TV_TIME] = "time.Time",
        [TV_LABELS] = "map[string]string",
        [TV_SAMPLE] = "*template.sample",
        [TV_SAMPLES] = "template.queryResult",
        [TV_ARGS] = "map[string]interface {}",
        [TV_DATA] = "map[string]interface {}",
    };
    return names[value->kind];
}

bool template_is_true(const struct template_value *value) {
    switch (value->kind) {
    case TV_NIL:
        return false;
    case TV_BOOL:
        return value->boolean;
    case TV_INT:
        return value->integer != 0;
    case TV_FLOAT:
        return value->number != 0;
    case TV_TEXT:
        return value->text.len > 0;
    case TV_LABELS:
    case TV_SAMPLES:
    case TV_ARGS:
        return value->count > 0;
    default:
        return true;
    }
}

static void print_sample(const struct template_sample *sample, struct strbuf *out) {
    char number[40];
    struct template_value labels = {
        .kind = TV_LABELS, .labels = sample->labels, .count = sample->n_labels};
    strbuf_add_text(out, "{");
    template_print(&labels, out);
    print_go_g(sample->value, number);
    strbuf_printf(out, " %s}", number);
}

void template_print(const struct template_value *value, struct strbuf *out) {
    char text[64];
    switch (value->kind) {
    case TV_NIL:
    case TV_DATA:
        strbuf_add_text(out, "<no value>");
        break;
    case TV_BOOL:
        strbuf_add_text(out, value->boolean ? "true" : "false");
        break;
    case TV_INT:
        strbuf_printf(out, "%lld", (long long)value->integer);
        break;
    case TV_FLOAT:
        print_go_g(value->number, text);
        strbuf_add_text(out, text);
        break;
    case TV_TEXT:
        strbuf_add_str(out, value->text);
        break;
    case TV_TIME:
        strbuf_add_text(out, humanize_timestamp(value->number, text) ? text : "");
        break;
    case TV_LABELS:
        strbuf_add_text(out, "map[");
        for (size_t i = 0; i < value->count; i++) {
            strbuf_printf(out, "%s%.*s:%.*s", i > 0 ? " " : "", (int)value->labels[i].name.len,
                          value->labels[i].name.data, (int)value->labels[i].value.len,
                          value->labels[i].value.data);
        }
        strbuf_add_char(out, ']');
        break;
    case TV_SAMPLE:
        print_sample(value->samples, out);
        break;
    case TV_SAMPLES:
        strbuf_add_char(out, '[');
        for (size_t i = 0; i < value->count; i++) {
            strbuf_add_text(out, i > 0 ? " " : "");
            print_sample(&value->samples[i], out);
        }
        strbuf_add_char(out, ']');
        break;
    case TV_ARGS:
        strbuf_add_text(out, "map[");
        for (size_t i = 0; i < value->count; i++) {
            strbuf_printf(out, "%sarg%zu:", i > 0 ? " " : "", i);
            template_print(&value->args[i], out);
        }
        strbuf_add_char(out, ']');
        break;
    }
}

/* ---- printf ---- */

/* Flags, width and precision of a verb, as C takes them too. */
struct verb {
    char flags[8];
    int width, precision; /* -1: not given */
    char letter;
};

static size_t parse_verb(struct str rest, struct verb *ret) {
    size_t i = 0, n = 0;
    *ret = (struct verb){.width = -1, .precision = -1};
    for (; i < rest.len && strchr("+-# 0", rest.data[i]) != NULL && rest.data[i] != '\0'; i++) {
        if (n + 1 < sizeof(ret->flags) && strchr(ret->flags, rest.data[i]) == NULL) {
            ret->flags[n++] = rest.data[i];
        }
    }
    for (; i < rest.len && isdigit((unsigned char)rest.data[i]); i++) {
        ret->width = (ret->width < 0 ? 0 : ret->width) * 10 + (rest.data[i] - '0');
        ret->width = ret->width > 1000 ? 1000 : ret->width;
    }
    if (i < rest.len && rest.data[i] == '.') {
        ret->precision = 0;
        for (i++; i < rest.len && isdigit((unsigned char)rest.data[i]); i++) {
            ret->precision = ret->precision * 10 + (rest.data[i] - '0');
            ret->precision = ret->precision > 1000 ? 1000 : ret->precision;
        }
    }
    ret->letter = i < rest.len ? rest.data[i++] : '\0';
    return i;
}

static void pad(const struct verb *verb, struct str text, struct strbuf *out) {
    size_t width = 0;
    for (size_t i = 0; i < text.len; i++) {
        width += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    }
    size_t fill = verb->width > 0 && (size_t)verb->width > width ? (size_t)verb->width - width : 0;
    bool left = strchr(verb->flags, '-') != NULL;
    for (size_t i = 0; !left && i < fill; i++) {
        strbuf_add_char(out, ' ');
    }
    strbuf_add_str(out, text);
    for (size_t i = 0; left && i < fill; i++) {
        strbuf_add_char(out, ' ');
    }
}

/* A number by C's printf, whose verbs mean the same for finite numbers. */
static void print_float(const struct verb *verb, double value, struct strbuf *out) {
    char letter = verb->letter == 'F' ? 'f' : verb->letter;
    if (!isfinite(value)) {
        pad(verb, str_of(isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf"), out);
        return;
    }
    if ((letter == 'g' || letter == 'v') && verb->precision < 0) {
        char text[44] = "+";
        bool plus = strchr(verb->flags, '+') != NULL && !signbit(value);
        print_go_g(value, text + 1);
        pad(verb, str_of(plus ? text : text + 1), out);
        return;
    }
    letter = letter == 'v' ? 'g' : letter;
    int precision = verb->precision < 0 ? 6 : verb->precision;
    char format[24], number[2048];
    snprintf(format, sizeof(format), "%%%s*.*%c", verb->flags, letter);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    /* The format is made of flags, a star and a letter that were checked above. */
    snprintf(number, sizeof(number), format, verb->width < 0 ? 0 : verb->width, precision, value);
#pragma GCC diagnostic pop
    strbuf_add_text(out, number);
}

static void print_integer(const struct verb *verb, int64_t value, struct strbuf *out) {
    char format[24], number[2048];
    char letter = verb->letter == 'v' ? 'd' : verb->letter;
    snprintf(format, sizeof(format), "%%%s*ll%c", verb->flags, letter);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(number, sizeof(number), format, verb->width < 0 ? 0 : verb->width, (long long)value);
#pragma GCC diagnostic pop
    strbuf_add_text(out, number);
}

static void print_bad(char letter, const struct template_value *value, struct strbuf *out) {
    if (value->kind == TV_NIL) {
        strbuf_printf(out, "%%!%c(<nil>)", letter);
        return;
    }
    strbuf_printf(out, "%%!%c(%s=", letter, template_type(value));
    template_print(value, out);
    strbuf_add_char(out, ')');
}

static void print_text(const struct verb *verb, struct str text, struct strbuf *out) {
    struct strbuf made = {0};
    if (verb->precision >= 0 && (size_t)verb->precision < text.len) {
        text.len = (size_t)verb->precision;
    }
    switch (verb->letter) {
    case 'q':
        print_quoted(text, &made);
        break;
    case 'x':
    case 'X':
        for (size_t i = 0; i < text.len; i++) {
            strbuf_printf(&made, verb->letter == 'x' ? "%02x" : "%02X",
                          (unsigned char)text.data[i]);
        }
        break;
    default:
        strbuf_add_str(&made, text);
        break;
    }
    pad(verb, strbuf_view(&made), out);
    strbuf_deinit(&made);
}

static void print_verb(const struct verb *verb, const struct template_value *value,
                       struct strbuf *out) {
    char letter = verb->letter;
    if (value->kind == TV_FLOAT && letter != '\0' && strchr("eEfFgGv", letter) != NULL) {
        print_float(verb, value->number, out);
    } else if (value->kind == TV_INT && letter != '\0' && strchr("doxXv", letter) != NULL) {
        print_integer(verb, value->integer, out);
    } else if (value->kind == TV_TEXT && letter != '\0' && strchr("svqxX", letter) != NULL) {
        print_text(verb, value->text, out);
    } else if (value->kind == TV_BOOL && (letter == 't' || letter == 'v')) {
        pad(verb, str_of(value->boolean ? "true" : "false"), out);
    } else if (letter == 'v' || (letter == 's' && value->kind >= TV_TIME)) {
        struct strbuf made = {0};
        if (value->kind == TV_NIL) {
            strbuf_add_text(&made, "<nil>");
        } else {
            template_print(value, &made);
        }
        pad(verb, strbuf_view(&made), out);
        strbuf_deinit(&made);
    } else {
        print_bad(letter, value, out);
    }
}

void template_format(struct str format, const struct template_value *args, size_t n,
                     struct strbuf *out) {
    size_t used = 0;
    while (format.len > 0) {
        struct verb verb;
        char c = *format.data++;
        format.len--;
        if (c != '%') {
            strbuf_add_char(out, c);
            continue;
        }
        size_t len = parse_verb(format, &verb);
        format.data += len;
        format.len -= len;
        if (verb.letter == '%') {
            strbuf_add_char(out, '%');
        } else if (verb.letter == '\0') {
            strbuf_add_text(out, "%!(NOVERB)");
        } else if (used == n) {
            strbuf_printf(out, "%%!%c(MISSING)", verb.letter);
        } else {
            print_verb(&verb, &args[used++], out);
        }
    }
    for (size_t i = used; i < n; i++) {
        strbuf_add_text(out, i == used ? "%!(EXTRA " : ", ");
        strbuf_printf(out, "%s=", template_type(&args[i]));
        template_print(&args[i], out);
        strbuf_add_text(out, i + 1 == n ? ")" : "");
    }
}
