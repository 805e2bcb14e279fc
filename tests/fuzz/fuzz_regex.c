/* SPDX-License-Identifier: Apache-2.0 */

/* Patterns, and texts for them: the first line is the pattern, the second one a replacement, the
 * rest the text. A pattern is refused with a place, or matches without a crash and without saying
 * two different things. */

#include "base/regex.h"
#include "fuzz.h"

static void check_groups(const struct regex_groups *groups, struct str text) {
    must(groups->n_groups >= 1 && groups->n_groups <= 10);
    for (size_t i = 0; i < groups->n_groups; i++) {
        const struct str group = groups->group[i];
        must(group.data == NULL ||
             (group.data >= text.data && group.data + group.len <= text.data + text.len));
    }
}

static void try_mode(struct str pattern, enum regex_mode mode, struct str replacement,
                     struct str text) {
    struct regex *regex = NULL;
    struct error err = {0};
    if (regex_new(pattern, mode, &regex, &err) < 0) {
        must(regex == NULL && err.text[0] != '\0');
        must(err.at.column >= 1 && err.at.column <= pattern.len + 1);
        return;
    }
    must(!error_is_set(&err));
    struct regex_groups groups;
    const struct str *set;
    int matched = regex_match(regex, text), found = regex_find(regex, text, 0, &groups);
    must(matched == found);
    if (found == REGEX_YES) {
        check_groups(&groups, text);
        must(mode == REGEX_SEARCH || groups.group[0].len == text.len);
    }
    for (size_t i = 0, n = regex_literals(regex, &set); i < n; i++) {
        must(regex_match(regex, set[i]) == REGEX_YES);
    }
    struct strbuf out = {0};
    regex_replace_all(regex, text, replacement, &out);
    strbuf_deinit(&out);
    regex_free(regex);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str text = {size > 0 ? (const char *)data : "", size < 4096 ? size : 4096};
    struct str pattern = str_cut(&text, '\n'), replacement = str_cut(&text, '\n');
    if (text.data == NULL) {
        text = str_of("");
    }
    try_mode(pattern, REGEX_WHOLE, replacement, text);
    try_mode(pattern, REGEX_SEARCH, replacement, text);
    return 0;
}
