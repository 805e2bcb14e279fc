/* SPDX-License-Identifier: Apache-2.0 */

/* Templates: the language, the functions, what they print, and their limits. The table of numbers
 * holds what promtool 2.42 prints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "rules/template.h"

struct text_case {
    const char *text, *expected;
};

static const struct label labels[] = {
    {{"instance", 8}, {"db1.example.org:5432", 20}},
    {{"job", 3}, {"x y", 3}},
};
static const struct label external[] = {{{"site", 4}, {"north", 5}}};

/* "three": three samples; "none": no samples; anything else is an error. */
static int query(void *userdata, struct str expr, int64_t t_ms, struct arena *arena,
                 struct template_sample **ret, size_t *ret_count, struct error *err) {
    static const struct label made[][1] = {
        {{{"db", 2}, {"b", 1}}}, {{{"db", 2}, {"c", 1}}}, {{{"db", 2}, {"a", 1}}}};
    assert_int_equal(t_ms, 1500);
    if (str_is(expr, "none")) {
        *ret = NULL;
        *ret_count = 0;
        return 0;
    }
    if (!str_is(expr, "three")) {
        return error_say(err, -EINVAL, "no such series");
    }
    *ret = arena_array(arena, 3, sizeof(**ret));
    for (int i = 0; i < 3; i++) {
        (*ret)[i] = (struct template_sample){made[i], 1, 10.0 * (i + 1)};
    }
    *ret_count = 3;
    return 0;
}

static struct template_data data_of(double value) {
    return (struct template_data){
        .labels = labels,
        .n_labels = 2,
        .value = value,
        .external_labels = external,
        .n_external_labels = 1,
        .external_url = str_of("http://mon.example.org/path"),
        .t_ms = 1500,
        .query = query,
    };
}

/* The expansion, to be freed; *ret_r is its return. */
static char *expand(const char *text, double value, int *ret_r) {
    struct template *template = NULL;
    struct arena arena = {0};
    struct strbuf out = {0};
    struct error err = {0};
    if (template_new(str_of(text), &arena, &template, &err) < 0) {
        print_error("%s: %u:%u: %s\n", text, err.at.line, err.at.column, err.text);
        fail();
    }
    struct template_data data = data_of(value);
    *ret_r = template_expand(template, &data, &out, &err);
    arena_deinit(&arena);
    strbuf_add_text(&out, "");
    return strbuf_take(&out);
}

static void check_value(const char *text, double value, const char *expected) {
    int r;
    char *found = expand(text, value, &r);
    if (strcmp(found, expected) != 0) {
        print_error("%s of %.17g\n", text, value);
    }
    assert_string_equal(found, expected);
    assert_int_equal(r, 0);
    free(found);
}

static void check_all(const struct text_case *cases, size_t n) {
    for (size_t i = 0; i < n; i++) {
        check_value(cases[i].text, 20, cases[i].expected);
    }
}

/* The text parses; expanding it fails, and says so with this in it. */
static void check_fails(const char *text, const char *expected) {
    int r;
    char *found = expand(text, 20, &r);
    if (r != -EINVAL || strstr(found, expected) == NULL) {
        print_error("%s: %s\n", text, found);
    }
    assert_int_equal(r, -EINVAL);
    assert_non_null(strstr(found, expected));
    assert_int_equal(strncmp(found, "<error expanding template: ", 27), 0);
    free(found);
}

static void check_refused(const char *text, unsigned line, unsigned column, const char *expected) {
    struct template *template = NULL;
    struct arena arena = {0};
    struct error err = {0};
    int r = template_new(str_of(text), &arena, &template, &err);
    arena_deinit(&arena);
    if (r == 0 || strstr(err.text, expected) == NULL || err.at.line != line ||
        err.at.column != column) {
        print_error("%s: %u:%u: %s\n", text, err.at.line, err.at.column, err.text);
    }
    assert_int_equal(r, -EINVAL);
    assert_non_null(strstr(err.text, expected));
    assert_int_equal(err.at.line, line);
    assert_int_equal(err.at.column, column);
    assert_null(template);
}

/* ---- numbers ---- */

/* NULL: not compared; no timestamp: an error. */
static const struct number_case {
    double value;
    const char *plain, *f2, *f0, *human, *human_1024, *duration, *percentage, *timestamp;
} numbers[] = {
    {123456789, "1.23456789e+08", "123456789.00", "123456789", "123.5M", "117.7Mi",
     "1428d 21h 33m 9s", "1.235e+10%", "1973-11-29 21:33:09 +0000 UTC"},
    {1000000, "1e+06", "1000000.00", "1000000", "1M", "976.6ki", "11d 13h 46m 40s", "1e+08%",
     "1970-01-12 13:46:40 +0000 UTC"},
    {999999, "999999", "999999.00", "999999", "1000k", "976.6ki", "11d 13h 46m 39s", "1e+08%",
     "1970-01-12 13:46:39 +0000 UTC"},
    {100000, "100000", "100000.00", "100000", "100k", "97.66ki", "1d 3h 46m 40s", "1e+07%",
     "1970-01-02 03:46:40 +0000 UTC"},
    {1234567.5, "1.2345675e+06", "1234567.50", "1234568", "1.235M", "1.177Mi", "14d 6h 56m 7s",
     "1.235e+08%", "1970-01-15 06:56:07.5 +0000 UTC"},
    {0.0001, "0.0001", "0.00", "0", "100u", "0.0001", "100us", "0.01%",
     "1970-01-01 00:00:00 +0000 UTC"},
    {0.00001, "1e-05", "0.00", "0", "10u", "1e-05", "10us", "0.001%",
     "1970-01-01 00:00:00 +0000 UTC"},
    {20, "20", "20.00", "20", "20", "20", "20s", "2000%", "1970-01-01 00:00:20 +0000 UTC"},
    {0.1, "0.1", "0.10", "0", "100m", "0.1", "100ms", "10%", "1970-01-01 00:00:00.1 +0000 UTC"},
    {3.0000000000000004, "3.0000000000000004", "3.00", "3", "3", "3", "3s", "300%",
     "1970-01-01 00:00:03 +0000 UTC"},
    {12345678901234567890.0, "1.2345678901234567e+19", "12345678901234567168.00",
     "12345678901234567168", "12.35E", "10.71Ei", NULL, "1.235e+21%", ""},
    {1e21, "1e+21", "1000000000000000000000.00", "1000000000000000000000", "1Z", "867.4Ei", NULL,
     "1e+23%", ""},
    {0, "0", "0.00", "0", "0", "0", "0s", "0%", "1970-01-01 00:00:00 +0000 UTC"},
    {NAN, "NaN", "NaN", "NaN", "NaN", "NaN", "NaN", "NaN%", NULL},
    {INFINITY, "+Inf", "+Inf", "+Inf", "+Inf", "+Inf", "+Inf", "+Inf%", NULL},
    {-INFINITY, "-Inf", "-Inf", "-Inf", "-Inf", "-Inf", "-Inf", "-Inf%", "-Inf"},
};

static void prints_numbers_as_prometheus_does(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        const struct number_case *row = &numbers[i];
        check_value("{{ $value }}", row->value, row->plain);
        check_value("{{ .Value }}", row->value, row->plain);
        check_value("{{ printf \"%.2f\" $value }}", row->value, row->f2);
        check_value("{{ $value | printf \"%.0f\" }}", row->value, row->f0);
        check_value("{{ humanize $value }}", row->value, row->human);
        check_value("{{ $value | humanize1024 }}", row->value, row->human_1024);
        check_value("{{ $value | humanizePercentage }}", row->value, row->percentage);
        if (row->duration != NULL) {
            check_value("{{ $value | humanizeDuration }}", row->value, row->duration);
        }
        if (row->timestamp != NULL && row->timestamp[0] != '\0') {
            check_value("{{ $value | humanizeTimestamp }}", row->value, row->timestamp);
        }
    }
}

static void a_time_too_far_away_is_an_error(void **state) {
    int r;
    char *found = expand("{{ $value | humanizeTimestamp }}", 1e21, &r);
    assert_int_equal(r, -EINVAL);
    assert_non_null(strstr(found, "cannot be represented"));
    free(found);
}

static void humanizes_negative_numbers_too(void **state) {
    check_value("{{ humanizeTimestamp $value }}", -0.5, "1969-12-31 23:59:59.5 +0000 UTC");
    check_value("{{ humanize $value }}", -1234567, "-1.235M");
    check_value("{{ humanize $value }}", -0.05, "-50m");
    check_value("{{ humanize1024 $value }}", -2048, "-2ki");
    check_value("{{ humanizeDuration $value }}", -90, "-1m 30s");
    check_value("{{ humanizeDuration $value }}", 3599.9, "59m 59s");
    check_value("{{ humanizeDuration \"3600\" }}", 0, "1h 0m 0s");
    check_value("{{ humanizeDuration $value }}", 1.2345, "1.234s");
}

static void prints_verbs_as_go_does(void **state) {
    static const struct text_case cases[] = {
        {"{{ printf \"%d\" $value }}", "%!d(float64=20)"},
        {"{{ printf \"%d|%5d|%-5d|%05d|%+d\" 7 7 7 7 7 }}", "7|    7|7    |00007|+7"},
        {"{{ printf \"%s\" $value }}", "%!s(float64=20)"},
        {"{{ printf \"%s-%v\" \"a\" \"b\" }}", "a-b"},
        {"{{ printf \"%q\" \"a\\\"b\" }}", "\"a\\\"b\""},
        {"{{ printf \"%x %X\" 255 \"az\" }}", "ff 617A"},
        {"{{ printf \"%t %v\" true false }}", "true false"},
        {"{{ printf \"%g %e %.3g\" 0.5 2.0 1234.5 }}", "0.5 2.000000e+00 1.23e+03"},
        {"{{ printf \"%6.2f|%-8.1f|\" $value $value }}", " 20.00|20.0    |"},
        {"{{ printf \"%+.1f %+g\" $value $value }}", "+20.0 +20"},
        {"{{ print nil }}", "<nil>"},
        {"{{ printf \"100%%\" }}", "100%"},
        {"{{ printf \"%s\" }}", "%!s(MISSING)"},
        {"{{ printf \"a\" 1 }}", "a%!(EXTRA int=1)"},
        {"{{ printf \"%\" }}", "%!(NOVERB)"},
        {"{{ printf \"%5s|%-5s|%.2s\" \"ab\" \"ab\" \"abc\" }}", "   ab|ab   |ab"},
        {"{{ printf \"%v\" $labels }}", "map[instance:db1.example.org:5432 job:x y]"},
    };
    check_all(cases, ARRAY_LEN(cases));
}

/* ---- the language ---- */

static void gives_what_it_was_given(void **state) {
    static const struct text_case cases[] = {
        {"", ""},
        {"plain text } }} {", "plain text } }} {"},
        {"{{ $labels.job }}", "x y"},
        {"{{ .Labels.instance }}", "db1.example.org:5432"},
        {"{{ $.Labels.job }}", "x y"},
        {"[{{ $labels.missing }}]", "[]"},
        {"{{ $labels }}", "map[instance:db1.example.org:5432 job:x y]"},
        {"{{ $externalLabels.site }}{{ .ExternalLabels.site }}", "northnorth"},
        {"{{ $externalURL }} {{ externalURL }} {{ pathPrefix }}",
         "http://mon.example.org/path http://mon.example.org/path /path"},
        {"{{ \"a\\tb\" }}{{ `c\\t` }}{{ 'a' }}", "a\tbc\\t97"},
        {"{{ 1 }} {{ -2 }} {{ 1.5 }} {{ 1e3 }} {{ 0x1F }} {{ true }}", "1 -2 1.5 1000 31 true"},
        {"{{ 9223372036854775807 }}", "9223372036854775807"},
    };
    check_all(cases, ARRAY_LEN(cases));
}

static void trims_and_leaves_comments_out(void **state) {
    static const struct text_case cases[] = {
        {"a {{- 1 -}} b", "a1b"},
        {"a {{ 1 -}} \n\t b", "a 1b"},
        {"a {{- 1 }} b", "a1 b"},
        {"a{{/* nothing */}}b", "ab"},
        {"a {{- /* nothing */ -}} b", "ab"},
        {"{{/* a */}}{{/* b */}}c", "c"},
        {"{{- /* only a comment */ -}}", ""},
        {"{{ -1 }}", "-1"},
    };
    check_all(cases, ARRAY_LEN(cases));
}

static void decides(void **state) {
    static const struct text_case cases[] = {
        {"{{ if gt $value 10.0 }}high{{ else }}low{{ end }}", "high"},
        {"{{ if gt $value 30.0 }}high{{ else if eq $value 20.0 }}same{{ else }}low{{ end }}",
         "same"},
        {"{{ if $labels.missing }}a{{ else }}b{{ end }}", "b"},
        {"{{ with $labels.job }}[{{ . }}]{{ end }}", "[x y]"},
        {"{{ with $labels.missing }}[{{ . }}]{{ else }}none{{ end }}", "none"},
        {"{{ with $labels.missing }}a{{ else with $labels.job }}{{ . }}{{ end }}", "x y"},
        {"{{ if and true $labels.job }}a{{ end }}{{ if or false 0 }}b{{ end }}", "a"},
        {"{{ if not false }}a{{ end }}", "a"},
        {"{{ and 1 2 }} {{ or 0 \"x\" }} {{ and 0 $labels }}", "2 x 0"},
        {"{{ if or true (first (query \"none\")) }}not asked{{ end }}", "not asked"},
        {"{{ eq 1 2 1 }} {{ ne \"a\" \"b\" }} {{ lt 1 2 }} {{ le 2 2 }} {{ ge 1 2 }}",
         "true true true true false"},
    };
    check_all(cases, ARRAY_LEN(cases));
}

static void goes_round(void **state) {
    static const struct text_case cases[] = {
        {"{{ range query \"three\" }}{{ .Labels.db }}={{ .Value }} {{ end }}", "b=10 c=20 a=30 "},
        {"{{ range $i, $s := query \"three\" }}{{ $i }}{{ $s.Labels.db }}{{ end }}", "0b1c2a"},
        {"{{ range $s := query \"three\" }}{{ $s | value }} {{ end }}", "10 20 30 "},
        {"{{ range query \"none\" }}a{{ else }}none{{ end }}", "none"},
        {"{{ range $k, $v := $labels }}{{ $k }}:{{ $v }};{{ end }}",
         "instance:db1.example.org:5432;job:x y;"},
        {"{{ range query \"three\" }}{{ if eq (label \"db\" .) \"c\" }}{{ break }}{{ end }}"
         "{{ .Value }}{{ end }}",
         "10"},
        {"{{ range query \"three\" }}{{ if eq (label \"db\" .) \"c\" }}{{ continue }}{{ end }}"
         "{{ .Value }}{{ end }}",
         "1030"},
        {"{{ range 3 }}{{ . }}{{ end }}", "012"},
        {"{{ range $s := query \"none\" }}a{{ else }}{{ len $s }}{{ end }}", "0"},
        {"{{ range $i, $s := query \"none\" }}a{{ else }}{{ $i }}{{ $s }}{{ end }}", "[][]"},
    };
    check_all(cases, ARRAY_LEN(cases));
}

static void remembers_variables(void **state) {
    static const struct text_case cases[] = {
        {"{{ $x := 1 }}{{ $x }}{{ $x = 2 }}{{ $x }}", "12"},
        {"{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}", "2"},
        {"{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ $x }}{{ end }}{{ $x }}", "21"},
        {"{{ $x := $value | humanize }}{{ $x }}", "20"},
        {"{{ if $x := $labels.job }}{{ $x }}{{ end }}", "x y"},
        {"{{ with $x := $labels.missing }}a{{ else }}[{{ $x }}]{{ end }}", "[]"},
        {"{{ $x := \"\" }}{{ range query \"three\" }}{{ $x = .Labels.db }}{{ end }}{{ $x }}", "a"},
    };
    check_all(cases, ARRAY_LEN(cases));
}

static void calls_other_templates(void **state) {
    static const struct text_case cases[] = {
        {"{{ define \"t\" }}<{{ . }}>{{ end }}{{ template \"t\" $value }}", "<20>"},
        {"{{ template \"t\" .Labels }}{{ define \"t\" }}{{ .job }}{{ end }}", "x y"},
        {"{{ block \"b\" $labels.job }}[{{ . }}]{{ end }}{{ template \"b\" 1 }}", "[x y][1]"},
        {"{{ define \"t\" }}{{ $.arg0 }}-{{ .arg1 }}{{ end }}{{ template \"t\" (args 1 \"b\") }}",
         "1-b"},
    };
    check_all(cases, ARRAY_LEN(cases));
    check_fails("{{ template \"t\" }}", "template \"t\" not defined");
}

/* ---- functions ---- */

static void asks_for_other_series(void **state) {
    static const struct text_case cases[] = {
        {"{{ query \"three\" | first | value | humanize }}", "10"},
        {"{{ with query \"three\" }}{{ . | first | label \"db\" }}{{ end }}", "b"},
        {"{{ range query \"three\" | sortByLabel \"db\" }}{{ .Labels.db }}{{ end }}", "abc"},
        {"{{ len (query \"three\") }}", "3"},
        {"{{ (index (query \"three\") 1).Value }}", "20"},
        {"{{ query \"three\" | first | strvalue }}", ""},
        {"{{ with query \"none\" }}a{{ else }}none{{ end }}", "none"},
    };
    check_all(cases, ARRAY_LEN(cases));
    check_fails("{{ query \"none\" | first }}", "no elements");
    check_fails("{{ query \"other\" }}", "no such series");
    check_fails("{{ query 1 }}", "expected string");
    check_fails("{{ range 11 }}{{ query \"none\" }}{{ end }}", "more than 10 queries");
}

static void changes_texts(void **state) {
    static const struct text_case cases[] = {
        {"{{ toUpper \"ab1\" }} {{ toLower \"AB1\" }} {{ title \"ab cd-ef\" }}",
         "AB1 ab1 Ab Cd-Ef"},
        {"{{ reReplaceAll \"(.*):.*\" \"$1\" $labels.instance }}", "db1.example.org"},
        {"{{ $labels.instance | reReplaceAll \"[0-9]+\" \"N\" }}", "dbN.example.org:N"},
        {"{{ match \"^x\" $labels.job }} {{ match \"z\" $labels.job }}", "true false"},
        {"{{ stripPort $labels.instance }} {{ stripPort \"[::1]:80\" }} {{ stripPort \"a\" }}",
         "db1.example.org ::1 a"},
        {"{{ stripDomain $labels.instance }} {{ stripDomain \"10.0.0.1:80\" }}",
         "db1:5432 10.0.0.1:80"},
        {"{{ print 1 2 \"a\" 3 }}|{{ println \"a\" 1 }}", "1 2a3|a 1\n"},
        {"{{ html \"<a & 'b'>\" }}", "&lt;a &amp; &#39;b&#39;&gt;"},
        {"{{ js \"a'b<\" }}", "a\\'b\\u003C"},
        {"{{ urlquery \"a b&c/\" }} {{ urlQueryEscape \"a b\" }}", "a+b%26c%2F a+b"},
        {"{{ len \"abc\" }} {{ slice \"abcd\" 1 3 }} {{ index $labels \"job\" }}", "3 bc x y"},
        {"{{ safeHtml \"<a>\" }}", "<a>"},
        {"{{ graphLink \"up == 0\" }} {{ tableLink \"up\" }}",
         "/graph?g0.expr=up+%3D%3D+0&g0.tab=0 /graph?g0.expr=up&g0.tab=1"},
        {"{{ parseDuration \"1h30m\" }}", "5400"},
    };
    check_all(cases, ARRAY_LEN(cases));
    check_fails("{{ reReplaceAll \"(\" \"\" \"a\" }}", "error parsing regexp");
    check_fails("{{ toUpper 1 }}", "expected string; got int");
    check_fails("{{ humanize \"a\" }}", "invalid syntax");
    check_fails("{{ parseDuration \"a\" }}", "not a valid duration");
    check_fails("{{ index (query \"three\") 3 }}", "index out of range: 3");
    check_fails("{{ slice \"abc\" 4 }}", "index out of range");
    check_fails("{{ call 1 }}", "call");
}

static void errors_of_an_expansion_stand_in_its_text(void **state) {
    check_fails("{{ lt 1 2.0 }}", "incompatible types for comparison");
    check_fails("{{ $value.x }}", "can't evaluate field x in type float64");
    check_fails("{{ .Nosuch }}", "can't evaluate field Nosuch");
    check_fails("{{ humanize }}", "wrong number of args for humanize: want 1 got 0");
    check_fails("{{ len 1 2 }}", "wrong number of args for len: want 1 got 2");
    check_fails("{{ range $value }}{{ end }}", "range can't iterate over a float64");
    check_fails("{{ 1 | 2 }}", "can't give argument to non-function");
    check_fails("before {{ len 1 }} after", "len of type int");
}

/* ---- what is refused ---- */

static void refuses_what_is_no_template(void **state) {
    check_refused("{{ nosuch }}", 1, 4, "function \"nosuch\" not defined");
    check_refused("{{ $x }}", 1, 4, "undefined variable \"$x\"");
    check_refused("{{ $x = 1 }}", 1, 4, "undefined variable \"$x\"");
    check_refused("a\n {{ if true }}", 2, 15, "{{end}} is missing");
    check_refused("{{ end }}", 1, 8, "without a beginning");
    check_refused("{{ \"a }}", 1, 4, "unterminated quoted string");
    check_refused("{{ 1", 1, 5, "unclosed action");
    check_refused("{{ }}", 1, 4, "missing value for command");
    check_refused("{{ (1 }}", 1, 7, "not closed");
    check_refused("{{ 1 ; }}", 1, 6, "unexpected character ';'");
    check_refused("{{/* a }}", 1, 3, "a comment must end");
    check_refused("{{ break }}", 1, 4, "stand in {{range}} only");
    check_refused("{{ if true }}{{ else }}{{ else }}{{ end }}", 1, 32, "stands twice");
    check_refused("{{ if true }}{{ $x := 1 }}{{ end }}{{ $x }}", 1, 39, "undefined variable");
    check_refused("{{ 99999999999999999999 }}", 1, 4, "integer overflow");
    check_refused("{{ template t }}", 1, 13, "expected a name in quotes");
}

static void definitions_see_no_variables_from_outside(void **state) {
    check_refused("{{ $x := 1 }}{{ define \"t\" }}{{ $x }}{{ end }}", 1, 33, "undefined variable");
    check_refused("{{ define \"t\" }}{{ $labels.job }}{{ end }}", 1, 20, "undefined variable");
    check_refused("{{ if true }}{{ $x := 1 }}{{ block \"t\" . }}{{ $x }}{{ end }}{{ end }}", 1, 47,
                  "undefined variable");
    check_refused("{{ range 3 }}{{ block \"t\" . }}{{ break }}{{ end }}{{ end }}", 1, 34,
                  "stand in {{range}} only");
}

/* ---- limits ---- */

static char *repeated(const char *text, size_t times) {
    struct strbuf all = {0};
    for (size_t i = 0; i < times; i++) {
        strbuf_add_text(&all, text);
    }
    return strbuf_take(&all);
}

static void nothing_grows_beyond_its_limit(void **state) {
    char *doubled = repeated("{{ $x = print $x $x }}", 100);
    char *text = mem_printf("{{ $x := \"0123456789\" }}%s", doubled);
    check_fails(text, "texts of more than");
    free(text);
    free(doubled);
    check_fails("{{ range 100000 }}0123456789{{ end }}", "more than 65536 bytes");
    check_fails("{{ range 1000000000 }}{{ end }}", "more than 100000 steps");
    check_fails("{{ define \"t\" }}{{ template \"t\" }}{{ end }}{{ template \"t\" }}",
                "more than 100 deep");
}

static void refuses_what_is_too_long_or_too_deep(void **state) {
    struct template *template = NULL;
    struct arena arena = {0};
    struct error err = {0};
    char *text = repeated("a", 65537);
    assert_int_equal(template_new(str_of(text), &arena, &template, &err), -EINVAL);
    free(text);
    char *deep = repeated("{{ if true }}", 200);
    err = (struct error){0};
    assert_int_equal(template_new(str_of(deep), &arena, &template, &err), -EINVAL);
    assert_non_null(strstr(err.text, "nested more than 100 deep"));
    free(deep);
    char *parens = repeated("(", 200);
    text = mem_printf("{{ %s", parens);
    err = (struct error){0};
    assert_int_equal(template_new(str_of(text), &arena, &template, &err), -EINVAL);
    assert_non_null(strstr(err.text, "nested more than 100 deep"));
    free(text);
    free(parens);
    arena_deinit(&arena);
}

/* No cut of a text that works may do anything but parse or be refused. */
static void texts_cut_anywhere_do_no_harm(void **state) {
    static const char whole[] =
        "{{- $x := 1.5 -}} {{/* c */}}{{ define \"t\" }}{{ .a }}{{ end }}"
        "{{ range $i, $s := query \"three\" }}{{ if and (eq $i 1) true }}{{ $s.Value | printf "
        "\"%5.2f\" }}{{ else if not false }}{{ break }}{{ end }}{{ else }}{{ $x = 2.0 }}{{ end }}"
        "{{ template \"t\" $labels }}{{ block \"u\" . }}{{ `raw` | toUpper }}{{ 'a' }}{{ end }}";
    size_t good = 0;
    for (size_t len = 0; len < sizeof(whole); len++) {
        struct template *template = NULL;
        struct arena arena = {0};
        struct strbuf out = {0};
        if (template_new((struct str){whole, len}, &arena, &template, NULL) == 0) {
            struct template_data data = data_of(1);
            template_expand(template, &data, &out, NULL);
            good++;
        }
        arena_deinit(&arena);
        strbuf_deinit(&out);
    }
    assert_true(good > 5);
}

static void knows_what_is_constant_and_what_changes(void **state) {
    static const struct {
        const char *text;
        bool constant, is_volatile;
    } cases[] = {
        {"plain", true, false},
        {"{{ $value }}", false, false},
        {"{{ query \"three\" }}", false, true},
        {"a {{ with query \"x\" }}{{ end }}", false, true},
        {"{{ now }}", false, true},
        {"{{/* a comment */}}b", false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct template *template = NULL;
        struct arena arena = {0};
        assert_int_equal(template_new(str_of(cases[i].text), &arena, &template, NULL), 0);
        assert_int_equal(template_constant(template).data != NULL, cases[i].constant);
        assert_int_equal(template_is_volatile(template), cases[i].is_volatile);
        arena_deinit(&arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_numbers_as_prometheus_does),
        cmocka_unit_test(a_time_too_far_away_is_an_error),
        cmocka_unit_test(humanizes_negative_numbers_too),
        cmocka_unit_test(prints_verbs_as_go_does),
        cmocka_unit_test(gives_what_it_was_given),
        cmocka_unit_test(trims_and_leaves_comments_out),
        cmocka_unit_test(decides),
        cmocka_unit_test(goes_round),
        cmocka_unit_test(remembers_variables),
        cmocka_unit_test(calls_other_templates),
        cmocka_unit_test(asks_for_other_series),
        cmocka_unit_test(changes_texts),
        cmocka_unit_test(errors_of_an_expansion_stand_in_its_text),
        cmocka_unit_test(refuses_what_is_no_template),
        cmocka_unit_test(definitions_see_no_variables_from_outside),
        cmocka_unit_test(nothing_grows_beyond_its_limit),
        cmocka_unit_test(refuses_what_is_too_long_or_too_deep),
        cmocka_unit_test(texts_cut_anywhere_do_no_harm),
        cmocka_unit_test(knows_what_is_constant_and_what_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
