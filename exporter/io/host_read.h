/* SPDX-License-Identifier: Apache-2.0 */

/* Reads files of /proc and /sys, in the loop or in a worker, and carries what was found through a
 * pipe: fields that end in a zero byte, which no such file and no path contains. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "base/table.h"
#include "io/host_options.h"

/* What one file may hold: /proc/stat of a very large machine has some 100 KiB. */
#define HOST_MOST_FILE_BYTES ((size_t)1024 * 1024)

/* What a question asks for: "/sys/class/net/" and "*", each with the files "mtu" and "speed". */
#define HOST_MOST_FILES 32
struct host_tree {
    struct str folder;                 /* "/sys/class/net"; borrowed from the text */
    struct str files[HOST_MOST_FILES]; /* below each entry of the folder */
    size_t n_files;                    /* 0: the entries are files themselves, in column "text" */
};

/* Whether text is such a question: "FOLDER" and "/" and "*", then the names of files. */
bool host_tree_parse(const char *text, struct host_tree *ret);

/* Appends a file's text. Return: 0, -E2BIG, or what opening and reading it said. */
int host_read_file(const char *path, size_t most_bytes, struct strbuf *out);

/* Appends the fields of a tree: of each entry its name, then of each file "=" and its text without
 * the blanks at its end, or "-" when it cannot be read. Entries without any readable file are left
 * out; a folder that is not there has no entries. Return: 0 or negative errno. */
int host_read_tree(const struct host_options *options, const struct host_tree *tree,
                   struct strbuf *out);

/* The table of such fields: column "name", then one of each file. */
int host_tree_table(const struct host_tree *tree, struct str fields, struct arena *arena,
                    const struct table **ret, struct error *err);
