/* SPDX-License-Identifier: Apache-2.0 */

/* YAML: the tree and its places, what is refused and in which words, hostile files. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/yaml.h"

static int begin(void **state) {
    static struct arena arena;
    *state = &arena;
    return 0;
}

static int end(void **state) {
    arena_deinit(*state);
    return 0;
}

static const struct yaml_node *parse(void **state, const char *text) {
    const struct yaml_node *root = NULL;
    struct error err = {0};
    if (yaml_parse(str_of(text), "a.yml", &yaml_limits_default, *state, &root, &err) != 0) {
        fail_msg("%s", err.text);
    }
    return root;
}

/* The error, as a person sees it. */
static const char *refusal(void **state, struct str text, const struct yaml_limits *limits) {
    static char out[400];
    const struct yaml_node *root = NULL;
    struct error err = {0};
    int r = yaml_parse(text, "a.yml", limits, *state, &root, &err);
    assert_true(r < 0);
    assert_int_equal(err.code, r);
    assert_null(root);
    return error_format(&err, out, sizeof(out));
}

static void reads_maps_lists_and_scalars(void **state) {
    const struct yaml_node *root = parse(state, "a: 1\n"
                                                "b: [x, 'y', \"z\"]\n"
                                                "c: {d: 1}\n");
    assert_int_equal(root->type, YAML_MAP);
    assert_int_equal(root->n_pairs, 3);
    assert_true(str_is(root->pairs[1].key->scalar, "b"));
    assert_true(str_is(yaml_map_find(root, "a")->scalar, "1"));
    assert_true(yaml_map_find(root, "a")->plain);
    const struct yaml_node *list = yaml_map_find(root, "b");
    assert_int_equal(list->type, YAML_LIST);
    assert_int_equal(list->n_items, 3);
    assert_true(list->items[0]->plain);
    assert_false(list->items[1]->plain);
    assert_false(list->items[2]->plain);
    assert_true(str_is(list->items[2]->scalar, "z"));
    assert_null(yaml_map_find(root, "d"));
    assert_null(yaml_map_find(list, "a"));
    assert_null(yaml_map_find(NULL, "a"));
}

static void block_scalars_are_not_plain(void **state) {
    const struct yaml_node *node = yaml_map_find(parse(state, "a: |\n  x\n  y\nb: 1\n"), "a");
    assert_true(str_is(node->scalar, "x\ny\n"));
    assert_false(node->plain);
}

static void each_node_knows_its_place(void **state) {
    const struct yaml_node *root = parse(state, "# comment\na:\n  b: x\n  \xc3\xa4: [1, 2]\n");
    const struct yaml_node *map = yaml_map_find(root, "a");
    const struct yaml_node *list = yaml_map_find(map, "\xc3\xa4");
    assert_int_equal(map->pairs[0].key->at.line, 3);
    assert_int_equal(map->pairs[0].key->at.column, 3);
    assert_int_equal(map->pairs[0].value->at.column, 6);
    assert_int_equal(list->items[1]->at.line, 4);
    assert_int_equal(list->items[1]->at.column, 10);
    assert_string_equal(list->at.file, "a.yml");
}

static void an_empty_document_is_an_empty_map(void **state) {
    static const char *const cases[] = {"",  "\n",     "# only a comment\n",  "---\n",
                                        "~", "null\n", "--- # nothing\n...\n"};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct yaml_node *root = parse(state, cases[i]);
        assert_int_equal(root->type, YAML_MAP);
        assert_int_equal(root->n_pairs, 0);
    }
    const struct yaml_node *root = NULL;
    assert_int_equal(
        yaml_parse((struct str){NULL, 0}, NULL, &yaml_limits_default, *state, &root, NULL), 0);
    assert_int_equal(root->n_pairs, 0);
}

static void null_is_plain_only(void **state) {
    const struct yaml_node *list = parse(state, "[~, null, Null, NULL, '', 'null', nil, []]");
    static const bool expected[] = {true, true, true, true, false, false, false, false};
    assert_int_equal(list->n_items, ARRAY_LEN(expected));
    for (size_t i = 0; i < list->n_items; i++) {
        assert_int_equal(yaml_is_null(list->items[i]), expected[i]);
    }
    assert_true(yaml_is_null(yaml_map_find(parse(state, "a:\nb: 1\n"), "a")));
    assert_string_equal(yaml_describe(list), "a list");
    assert_string_equal(yaml_describe(list->items[0]), "nothing");
    assert_string_equal(yaml_describe(list->items[6]), "a value");
    assert_string_equal(yaml_describe(parse(state, "a: 1")), "a map");
}

static void the_text_may_go_when_the_tree_is_there(void **state) {
    char text[] = "key: &anchor value\nother: *anchor\n";
    const struct yaml_node *root = parse(state, text);
    memset(text, '#', sizeof(text) - 1);
    assert_true(str_is(yaml_map_find(root, "key")->scalar, "value"));
    assert_ptr_equal(yaml_map_find(root, "other"), yaml_map_find(root, "key"));
}

static void a_newer_anchor_replaces_an_older_one(void **state) {
    const struct yaml_node *list = parse(state, "[&a 1, *a, &a 2, *a]");
    assert_true(str_is(list->items[1]->scalar, "1"));
    assert_true(str_is(list->items[3]->scalar, "2"));
}

static void merge_keys_fill_in_what_is_missing(void **state) {
    const struct yaml_node *root = parse(state, "base: &base {a: 1, b: 2}\n"
                                                "more: &more {b: 3, c: 4}\n"
                                                "one: {<<: *base, b: 9}\n"
                                                "two: {<<: [*more, *base], d: 5}\n"
                                                "text: {'<<': 1}\n");
    const struct yaml_node *one = yaml_map_find(root, "one");
    assert_int_equal(one->n_pairs, 2);
    assert_true(str_is(yaml_map_find(one, "a")->scalar, "1"));
    assert_true(str_is(yaml_map_find(one, "b")->scalar, "9"));
    const struct yaml_node *two = yaml_map_find(root, "two");
    assert_int_equal(two->n_pairs, 4);
    assert_true(str_is(yaml_map_find(two, "a")->scalar, "1"));
    assert_true(str_is(yaml_map_find(two, "b")->scalar, "3"));
    assert_true(str_is(yaml_map_find(two, "c")->scalar, "4"));
    assert_true(str_is(two->pairs[0].key->scalar, "d"));
    assert_non_null(yaml_map_find(yaml_map_find(root, "text"), "<<"));
}

static void standard_tags_are_accepted(void **state) {
    const struct yaml_node *list =
        parse(state, "!!seq [!!str 5, !!int 5, ! 5, !!map {a: 1}, !<tag:yaml.org,2002:bool> yes]");
    assert_false(list->items[0]->plain);
    assert_true(list->items[1]->plain);
    assert_false(list->items[2]->plain);
    assert_true(list->items[4]->plain);
}

static void says_what_is_wrong_and_where(void **state) {
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"interval: 5s\na: 1\ninterval: 6s\n",
         "a.yml:3:1: key 'interval' is given twice (first at line 1)"},
        {"a: {'b': 1, b: 2}", "a.yml:1:13: key 'b' is given twice (first at line 1)"},
        {"a: &a {}\nb: {<<: *a, <<: *a}\n",
         "a.yml:2:13: key '<<' is given twice (first at line 2)"},
        {"a: 1\n<<: [{b: 1}, 5]\n", "a.yml:2:14: '<<' merges maps, and this is a value"},
        {"a: 1\n<<: ~\n", "a.yml:2:5: '<<' merges maps, and this is nothing"},
        {"a: {{ x }}\n",
         "a.yml:1:5: a key must be a single word or text, not a list or map (a text that begins "
         "with '{' or '[' needs quotes)"},
        {"? [a, b]\n: c\n",
         "a.yml:1:3: a key must be a single word or text, not a list or map (a text that begins "
         "with '{' or '[' needs quotes)"},
        {"a: &a [1]\n*a : 2\n", "a.yml:2:1: the alias '*a' is a list and cannot be a key"},
        {"a: 1\n---\nb: 2\n", "a.yml:2:1: a second document begins here, and only one is read"},
        {"a: *b\n", "a.yml:1:4: the alias '*b' has no anchor '&b' before it"},
        {"a: &a [*a]\n", "a.yml:1:8: the alias '*a' stands inside what it names"},
        {"a: !secret x\n", "a.yml:1:4: the tag '!secret' has no meaning here"},
        {"a: !!map x\n", "a.yml:1:4: the tag 'tag:yaml.org,2002:map' has no meaning here"},
        {"a: !!python/object:os.system [x]\n",
         "a.yml:1:4: the tag 'tag:yaml.org,2002:python/object:os.system' has no meaning here"},
        {"a: \"x\\0y\"\n", "a.yml:1:4: a zero byte (\"\\0\") is not allowed in texts"},
        {"a:\n\tb: 1\n", "a.yml:2:1: not valid YAML: a tab cannot indent, use spaces"},
        {"a: 'open\nb: 1\n", "a.yml:3:1: not valid YAML: found unexpected end of stream, while "
                             "scanning a quoted scalar "
                             "that begins at line 1"},
        {"a: [1, 2\nb: 1\n", "a.yml:2:2: not valid YAML: did not find expected ',' or ']', while "
                             "parsing a flow sequence that begins at line 1"},
        {"a: 1\nb: \xff\n", "a.yml:2:4: not valid YAML: invalid leading UTF-8 octet (0xff)"},
        {"\xc3\xa4: \x01\n",
         "a.yml:1:4: not valid YAML: control characters are not allowed (0x01)"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_string_equal(refusal(state, str_of(cases[i].text), &yaml_limits_default),
                            cases[i].error);
    }
}

static void files_in_utf16_are_refused(void **state) {
    assert_non_null(strstr(refusal(state,
                                   (struct str){"\xff\xfe"
                                                "a\0:\0",
                                                6},
                                   &yaml_limits_default),
                           "a.yml:1:1: not valid YAML: invalid"));
}

static void a_byte_order_mark_is_skipped(void **state) {
    assert_non_null(yaml_map_find(parse(state, "\xef\xbb\xbf"
                                               "a: 1\n"),
                                  "a"));
}

static void limits_hold(void **state) {
    const struct yaml_limits limits = {.bytes = 40, .depth = 3, .nodes = 8};
    assert_string_equal(
        refusal(state, str_of("a: 0123456789012345678901234567890123456789"), &limits),
        "a.yml: larger than 40 bytes");
    assert_string_equal(refusal(state, str_of("[[[[1]]]]"), &limits),
                        "a.yml:1:4: more than 3 lists and maps inside each other");
    assert_string_equal(refusal(state, str_of("[1,2,3,4,5,6,7,8]"), &limits),
                        "a.yml:1:16: more than 8 values (aliases written out)");
    const struct yaml_node *root = NULL;
    assert_int_equal(yaml_parse(str_of("[[[1]],3,4,5,6]"), NULL, &limits, *state, &root, NULL), 0);
    assert_int_equal(root->height, 3);
    assert_int_equal(root->n_nodes, 8);
}

static void aliases_count_as_if_written_out(void **state) {
    const struct yaml_limits limits = {.bytes = 1000, .depth = 3, .nodes = 8};
    assert_string_equal(refusal(state, str_of("[&a [1, 2], *a, *a]"), &limits),
                        "a.yml:1:17: more than 8 values (aliases written out)");
    assert_string_equal(refusal(state, str_of("[&a [[]], [*a]]"), &limits),
                        "a.yml:1:12: more than 3 lists and maps inside each other");
}

static void a_billion_laughs_cost_nothing(void **state) {
    struct strbuf text = {0};
    struct arena *arena = *state;
    strbuf_add_text(&text, "a0: &a0 [lol]\n");
    for (int i = 1; i < 60; i++) {
        strbuf_printf(&text, "a%d: &a%d [*a%d, *a%d]\n", i, i, i - 1, i - 1);
    }
    assert_non_null(strstr(refusal(state, strbuf_view(&text), &yaml_limits_default), "more than "));
    assert_in_range(arena->used_bytes, 1, 100000);
    strbuf_clear(&text);
    strbuf_add_text(&text, "a: &a {k1: 1, k2: 2, k3: 3, k4: 4, k5: 5, k6: 6, k7: 7, k8: 8}\nb:\n");
    for (int i = 0; i < 20000; i++) {
        strbuf_add_text(&text, "- <<: *a\n");
    }
    assert_non_null(strstr(refusal(state, strbuf_view(&text), &yaml_limits_default),
                           "more than 100000 values"));
    assert_in_range(arena->used_bytes, 1, 20 * 1024 * 1024);
    strbuf_deinit(&text);
}

static void a_map_of_many_keys_is_read_at_once(void **state) {
    struct strbuf text = {0};
    for (int i = 0; i < 40000; i++) {
        strbuf_printf(&text, "k%d: 1\n", i);
    }
    const struct yaml_node *root = parse(state, text.data);
    assert_int_equal(root->n_pairs, 40000);
    assert_true(str_is(root->pairs[39999].key->scalar, "k39999"));
    strbuf_deinit(&text);
}

#define IN_ARENA(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_ARENA(reads_maps_lists_and_scalars),
        IN_ARENA(block_scalars_are_not_plain),
        IN_ARENA(each_node_knows_its_place),
        IN_ARENA(an_empty_document_is_an_empty_map),
        IN_ARENA(null_is_plain_only),
        IN_ARENA(the_text_may_go_when_the_tree_is_there),
        IN_ARENA(a_newer_anchor_replaces_an_older_one),
        IN_ARENA(merge_keys_fill_in_what_is_missing),
        IN_ARENA(standard_tags_are_accepted),
        IN_ARENA(says_what_is_wrong_and_where),
        IN_ARENA(files_in_utf16_are_refused),
        IN_ARENA(a_byte_order_mark_is_skipped),
        IN_ARENA(limits_hold),
        IN_ARENA(aliases_count_as_if_written_out),
        IN_ARENA(a_billion_laughs_cost_nothing),
        IN_ARENA(a_map_of_many_keys_is_read_at_once),
    };
    return cmocka_run_group_tests_name("yaml", tests, NULL, NULL);
}
