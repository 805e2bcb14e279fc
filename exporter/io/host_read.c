/* SPDX-License-Identifier: Apache-2.0 */

#include "io/host_read.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define READ_BYTES          ((size_t)16 * 1024)
#define MOST_ENTRIES        4096
#define MOST_ATTRIBUTE_SIZE ((size_t)8 * 1024)

static const struct table_limits limits = {
    .max_rows = MOST_ENTRIES,
    .max_columns = HOST_MOST_FILES + 1,
    .max_bytes = (size_t)4 * 1024 * 1024,
};

bool host_tree_parse(const char *text, struct host_tree *ret) {
    struct str rest = str_of(text);
    struct str pattern = str_cut(&rest, ' ');
    struct host_tree tree = {0};
    if (pattern.len < 3 || memcmp(pattern.data + pattern.len - 2, "/*", 2) != 0) {
        return false;
    }
    tree.folder = (struct str){pattern.data, pattern.len - 2};
    while (rest.len > 0 && tree.n_files < HOST_MOST_FILES) {
        tree.files[tree.n_files++] = str_cut(&rest, ' ');
    }
    *ret = tree;
    return true;
}

static int read_all(int fd, size_t most_bytes, struct strbuf *out) {
    size_t begin = out->len;
    for (;;) {
        char *room = strbuf_reserve(out, READ_BYTES);
        ssize_t n = read(fd, room, READ_BYTES);
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        if (n == 0) {
            return 0;
        }
        out->len += n > 0 ? (size_t)n : 0;
        if (out->len - begin > most_bytes) {
            return -E2BIG;
        }
    }
}

int host_read_file(const char *path, size_t most_bytes, struct strbuf *out) {
    struct stat status;
    /* Should somebody have named a pipe, nobody waits for its other end. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return -errno;
    }
    int r = fstat(fd, &status) < 0 ? -errno : S_ISREG(status.st_mode) ? 0 : -EINVAL;
    size_t begin = out->len;
    if (r == 0) {
        r = read_all(fd, most_bytes, out);
    }
    (void)close(fd);
    if (r < 0) {
        out->len = begin;
    }
    return r;
}

/* Return: whether the file could be read. */
static bool add_file(const char *path, struct strbuf *out) {
    strbuf_add_char(out, '=');
    size_t begin = out->len;
    if (host_read_file(path, MOST_ATTRIBUTE_SIZE, out) < 0) {
        out->len = begin - 1;
        strbuf_add(out, "-", 2); /* and its zero byte */
        return false;
    }
    size_t end = begin + strnlen(out->data + begin, out->len - begin);
    while (end > begin && strchr(" \t\n", out->data[end - 1]) != NULL) {
        end--;
    }
    out->len = end;
    strbuf_add_char(out, '\0');
    return true;
}

static void add_entry(const char *folder, const char *name, const struct host_tree *tree,
                      struct strbuf *out) {
    size_t begin = out->len;
    bool any = false;
    strbuf_add(out, name, strlen(name) + 1);
    for (size_t i = 0; i < tree->n_files; i++) {
        char *path =
            mem_printf("%s/%s/%.*s", folder, name, (int)tree->files[i].len, tree->files[i].data);
        any |= add_file(path, out);
        free(path);
    }
    if (tree->n_files == 0) {
        char *path = mem_printf("%s/%s", folder, name);
        any = add_file(path, out);
        free(path);
    }
    if (!any) {
        out->len = begin;
    }
}

int host_read_tree(const struct host_options *options, const struct host_tree *tree,
                   struct strbuf *out) {
    char *name = mem_strndup(tree->folder.data, tree->folder.len);
    char *folder = host_options_path(options, name);
    free(name);
    if (folder == NULL) {
        return -EINVAL;
    }
    DIR *dir = opendir(folder);
    int r = dir != NULL || errno == ENOENT ? 0 : -errno;
    const struct dirent *entry;
    for (int i = 0; dir != NULL && i < MOST_ENTRIES && (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] != '.') {
            add_entry(folder, entry->d_name, tree, out);
            i++;
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    free(folder);
    return r;
}

int host_tree_table(const struct host_tree *tree, struct str fields, struct arena *arena,
                    const struct table **ret, struct error *err) {
    struct table_builder builder = {.arena = arena, .limits = limits};
    size_t n_columns = tree->n_files > 0 ? tree->n_files + 1 : 2;
    int r = table_builder_column(&builder, str_of("name"), err);
    for (size_t i = 1; r == 0 && i < n_columns; i++) {
        r = table_builder_column(&builder, tree->n_files > 0 ? tree->files[i - 1] : str_of("text"),
                                 err);
    }
    /* What comes after the last zero byte is a field that was cut off. */
    for (size_t i = 0; r == 0 && fields.len > 0 && memchr(fields.data, '\0', fields.len) != NULL;
         i++) {
        struct str field = str_cut(&fields, '\0');
        if (i % n_columns != 0) {
            bool there = field.len > 0 && field.data[0] == '=';
            field = there ? (struct str){field.data + 1, field.len - 1} : (struct str){0};
        }
        r = table_builder_cell(&builder, field, err);
    }
    if (r == 0) {
        *ret = table_builder_end(&builder);
    }
    table_builder_deinit(&builder);
    return r;
}
