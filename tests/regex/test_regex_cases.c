/* SPDX-License-Identifier: Apache-2.0 */

/* Regular expressions as label matchers have them, from a file of cases: lines of three columns
 * with tabs between them.
 *
 *     PATTERN  TEXT     yes | no
 *     PATTERN  refused  COLUMN
 *
 * In TEXT \n, \t, \\ and \xHH stand for bytes; PATTERN is taken as it is. '#' begins a comment.
 *
 * usage: test_regex_cases FILE */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/regex.h"

static struct str cut_column(struct str *rest) {
    return str_cut(rest, '\t');
}

static struct str unescape(struct str text, char *out) {
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '\\' && i + 1 < text.len) {
            const char digits[3] = {i + 2 < text.len ? text.data[i + 2] : '\0',
                                    i + 3 < text.len ? text.data[i + 3] : '\0', '\0'};
            c = text.data[++i];
            if (c == 'x') {
                c = (char)strtol(digits, NULL, 16);
                i += 2;
            } else {
                c = c == 'n' ? '\n' : c == 't' ? '\t' : c;
            }
        }
        out[len++] = c;
    }
    return (struct str){out, len};
}

/* A copy of its own, so that the sanitizers see the first byte that is read behind it. */
static bool is_as_expected(struct str pattern, struct str text, struct str expected) {
    CLEANUP(regex_freep)
    struct regex *regex = NULL;
    CLEANUP(mem_freep)
    char *copy = mem_dup(pattern.data, pattern.len + (pattern.len == 0));
    struct error err = {0};
    int r = regex_new((struct str){copy, pattern.len}, REGEX_WHOLE, &regex, &err);
    if (str_is(text, "refused")) {
        uint64_t column = 0;
        bool good = r == -EINVAL && str_to_uint64(expected, &column) && err.at.column == column;
        if (!good) {
            printf("# %d at %u: %s\n", r, err.at.column, err.text);
        }
        return good;
    }
    if (r < 0) {
        printf("# refused at %u: %s\n", err.at.column, err.text);
        return false;
    }
    CLEANUP(mem_freep)
    char *bytes = mem_alloc(text.len);
    struct regex_groups groups;
    text = unescape(text, bytes);
    r = regex_match(regex, text);
    if (r != (str_is(expected, "yes") ? REGEX_YES : REGEX_NO) ||
        r != regex_find(regex, text, 0, &groups)) {
        printf("# match says %d\n", r);
        return false;
    }
    return str_is(expected, "yes") || str_is(expected, "no");
}

int main(int argc, char **argv) {
    FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;
    char *line = NULL;
    size_t size = 0, number = 0, cases = 0;
    ssize_t len;
    bool failed = false;
    if (file == NULL) {
        printf("Bail out! usage: %s FILE\n", argv[0]);
        return 1;
    }
    while ((len = getline(&line, &size, file)) > 0) {
        struct str rest = {line, (size_t)len - (line[len - 1] == '\n')};
        number++;
        if (rest.len == 0 || rest.data[0] == '#') {
            continue;
        }
        struct str pattern = cut_column(&rest), text = cut_column(&rest);
        bool good = is_as_expected(pattern, text, rest);
        failed = failed || !good;
        /* TAP reads '#' in a name as a directive. */
        printf("%s %zu - line %zu\n", good ? "ok" : "not ok", ++cases, number);
    }
    printf("1..%zu\n", cases);
    free(line);
    fclose(file);
    return failed || cases == 0;
}
