/* SPDX-License-Identifier: Apache-2.0 */

/* Relabelling: each row is one or two steps, the labels before and after. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "actions/relabel.h"

#define MOST_LABELS 8

/* Texts as a configuration has them; NULL is the default. */
struct step_text {
    enum relabel_action action;
    const char *sources; /* "a b" */
    const char *regex, *target, *replacement, *separator;
    uint64_t modulus;
};

struct relabel_case {
    const char *what;
    struct step_text steps[2];
    size_t n_steps;
    const char *before, *after; /* "a=1 b=2"; after NULL: dropped */
};

static const struct relabel_case cases[] = {
    {"a value is rewritten",
     {{RELABEL_REPLACE, "a", "f(.*)", "d", "ch$1-ch${1}"}},
     1,
     "a=foo b=bar",
     "a=foo b=bar d=choo-choo"},
    {"values are joined by the separator",
     {{RELABEL_REPLACE, "a b", "(.*);(.*)", "c", "$2$1"},
      {RELABEL_REPLACE, "a b", "(.*)", "d", "$1", "_"}},
     2,
     "a=1 b=2",
     "a=1 b=2 c=21 d=1_2"},
    {"what does not match stays", {{RELABEL_REPLACE, "a", "x", "a", "y"}}, 1, "a=1", "a=1"},
    {"the pattern matches all of the text",
     {{RELABEL_REPLACE, "a", "oo", "a", "y"}},
     1,
     "a=foo",
     "a=foo"},
    {"an empty replacement removes the label",
     {{RELABEL_REPLACE, "a", ".*", "a", ""}},
     1,
     "a=1 b=2",
     "b=2"},
    {"the target may be made of groups",
     {{RELABEL_REPLACE, "a", "(.*)-(.*)", "${1}_x", "$2"}},
     1,
     "a=k-v",
     "a=k-v k_x=v"},
    {"a target that is no name is left out",
     {{RELABEL_REPLACE, "a", "(.*)", "$1", "v"}},
     1,
     "a=1-x",
     "a=1-x"},
    {"a label that is not there is empty",
     {{RELABEL_REPLACE, "z", "", "d", "none"}},
     1,
     "a=1",
     "a=1 d=none"},
    {"drop what matches", {{RELABEL_DROP, "a", ".*o.*"}}, 1, "a=foo", NULL},
    {"keep what does not match drop", {{RELABEL_DROP, "a", "f|o"}}, 1, "a=foo", "a=foo"},
    {"keep what matches", {{RELABEL_KEEP, "a", "foo"}}, 1, "a=foo", "a=foo"},
    {"drop what does not match keep", {{RELABEL_KEEP, "a", "no"}}, 1, "a=foo", NULL},
    {"steps after a drop are not made",
     {{RELABEL_DROP, "a", "foo"}, {RELABEL_REPLACE, "a", "(.*)", "b"}},
     2,
     "a=foo",
     NULL},
    {"keepequal keeps equals", {{RELABEL_KEEPEQUAL, "a", .target = "b"}}, 1, "a=1 b=1", "a=1 b=1"},
    {"keepequal drops others", {{RELABEL_KEEPEQUAL, "a", .target = "b"}}, 1, "a=1 b=2", NULL},
    {"dropequal drops equals", {{RELABEL_DROPEQUAL, "a", .target = "b"}}, 1, "a=1 b=1", NULL},
    {"dropequal keeps others", {{RELABEL_DROPEQUAL, "a", .target = "b"}}, 1, "a=1", "a=1"},
    {"hashmod counts as Prometheus does",
     {{RELABEL_HASHMOD, "c", .target = "d", .modulus = 1000}},
     1,
     "a=foo b=bar c=baz",
     "a=foo b=bar c=baz d=976"},
    {"labelmap copies under other names",
     {{RELABEL_LABELMAP, NULL, "k_(.+)", NULL, "bar_$1"}},
     1,
     "k_a=1 k_b=2 c=3",
     "bar_a=1 bar_b=2 c=3 k_a=1 k_b=2"},
    {"labelmap by default takes the group as the name",
     {{RELABEL_LABELMAP, NULL, "meta_(.+)"}},
     1,
     "meta_a=1",
     "a=1 meta_a=1"},
    {"labeldrop takes names away", {{RELABEL_LABELDROP, NULL, "b.*"}}, 1, "a=1 b=2 bc=3", "a=1"},
    {"labelkeep takes the others away",
     {{RELABEL_LABELKEEP, NULL, "b.*"}},
     1,
     "a=1 b=2 bc=3",
     "b=2 bc=3"},
    {"lower case", {{RELABEL_LOWERCASE, "a", .target = "a"}}, 1, "a=FoO", "a=foo"},
    {"upper case", {{RELABEL_UPPERCASE, "a", .target = "b"}}, 1, "a=FoO", "a=FoO b=FOO"},
    {"one step sees what another did",
     {{RELABEL_REPLACE, "a", "(.*)", "b"}, {RELABEL_DROP, "b", "1"}},
     2,
     "a=1",
     NULL},
    {"nothing is left", {{RELABEL_LABELDROP, NULL, ".*"}}, 1, "a=1", ""},
};

static size_t split_labels(const char *text, struct label labels[MOST_LABELS]) {
    struct str rest = str_of(text);
    size_t n = 0;
    while (rest.len > 0) {
        struct str value = str_cut(&rest, ' ');
        labels[n].name = str_cut(&value, '=');
        labels[n++].value = value;
    }
    return n;
}

static char *text_of(const char *text, const char *fallback) {
    const char *chosen = text != NULL ? text : fallback;
    return chosen != NULL ? strdup(chosen) : NULL;
}

static struct relabel_step make_step(const struct step_text *text) {
    struct relabel_step step = {
        .action = text->action,
        .source_labels = calloc(MOST_LABELS, sizeof(char *)),
        .separator = text_of(text->separator, ";"),
        .pattern = text_of(text->regex, "(.*)"),
        .modulus = text->modulus,
        .target_label = text_of(text->target, NULL),
        .replacement = text_of(text->replacement, "$1"),
    };
    struct str rest = str_of(text->sources != NULL ? text->sources : "");
    while (rest.len > 0) {
        struct str name = str_cut(&rest, ' ');
        step.source_labels[step.n_source_labels++] = strndup(name.data, name.len);
    }
    assert_int_equal(regex_new(str_of(step.pattern), REGEX_WHOLE, &step.regex, NULL), 0);
    return step;
}

static void print_labels(const struct label *labels, size_t n, struct strbuf *out) {
    for (size_t i = 0; i < n; i++) {
        strbuf_add_text(out, i > 0 ? " " : "");
        strbuf_add_str(out, labels[i].name);
        strbuf_add_char(out, '=');
        strbuf_add_str(out, labels[i].value);
    }
}

static int run_case(const struct relabel_case *row, struct strbuf *after) {
    struct relabel_step steps[2];
    struct label labels[MOST_LABELS], *left;
    struct arena arena = {0};
    size_t n_left;
    for (size_t i = 0; i < row->n_steps; i++) {
        steps[i] = make_step(&row->steps[i]);
    }
    size_t n = split_labels(row->before, labels);
    int r = relabel(steps, row->n_steps, labels, n, &arena, &left, &n_left);
    print_labels(left, n_left, after);
    for (size_t i = 0; i < row->n_steps; i++) {
        relabel_step_deinit(&steps[i]);
    }
    arena_deinit(&arena);
    return r;
}

static void steps_do_what_they_say(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct strbuf after = {0};
        print_message("# %s\n", cases[i].what);
        assert_int_equal(run_case(&cases[i], &after), cases[i].after != NULL);
        if (cases[i].after != NULL) {
            assert_string_equal(after.data != NULL ? after.data : "", cases[i].after);
        }
        strbuf_deinit(&after);
    }
}

static void a_limit_of_the_pattern_is_an_error(void **state) {
    char value[2048] = "a=";
    struct strbuf after = {0};
    memset(value + 2, 'a', sizeof(value) - 4);
    value[sizeof(value) - 2] = 'c';
    const struct relabel_case row = {"", {{RELABEL_KEEP, "a", "(a|aa)+(a|aa)+b?"}}, 1, value, NULL};
    assert_int_equal(run_case(&row, &after), -E2BIG);
    strbuf_deinit(&after);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_do_what_they_say),
        cmocka_unit_test(a_limit_of_the_pattern_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
