/* SPDX-License-Identifier: Apache-2.0 */

#include "io/host_mounts.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "io/worker.h"

#define BEGIN  "?"
#define RESULT "="
#define ERROR  "!"

/* ---- mountinfo ---- */

static bool is_octal(char c) {
    return c >= '0' && c <= '7';
}

/* Blanks and backslashes are written \040 there. */
static struct str unescape(struct arena *arena, struct str text) {
    char *out = arena_alloc(arena, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char *at = text.data + i;
        if (*at == '\\' && i + 3 < text.len && is_octal(at[1]) && is_octal(at[2]) &&
            is_octal(at[3])) {
            out[len++] = (char)((at[1] - '0') * 64 + (at[2] - '0') * 8 + (at[3] - '0'));
            i += 3;
        } else {
            out[len++] = *at;
        }
    }
    return (struct str){out, len};
}

static bool list_has(struct str list, const char *word) {
    while (list.len > 0) {
        if (str_is(str_cut(&list, ','), word)) {
            return true;
        }
    }
    return false;
}

/* "36 35 98:0 /root /mnt rw,noatime shared:1 - ext4 /dev/sda1 rw": between the options and the dash
 * stand any number of words. */
bool host_mount_parse(struct str *text, struct arena *arena, struct host_mount *ret) {
    struct str line = str_cut(text, '\n');
    (void)str_cut(&line, ' ');
    (void)str_cut(&line, ' ');
    struct str number = str_cut(&line, ' ');
    (void)str_cut(&line, ' ');
    struct str point = str_cut(&line, ' ');
    struct str options = str_cut(&line, ' ');
    while (line.len > 0 && !str_is(str_cut(&line, ' '), "-")) {}
    struct str type = str_cut(&line, ' ');
    struct str device = str_cut(&line, ' ');
    if (point.len == 0 || type.len == 0) {
        return false;
    }
    *ret = (struct host_mount){
        .device = unescape(arena, device),
        .point = unescape(arena, point),
        .type = unescape(arena, type),
        .number = number,
        .read_only = list_has(options, "ro") || list_has(line, "ro"),
    };
    return true;
}

/* The defaults of node_exporter: a folder and all below it, or only what is below it. */
static const struct hidden_folder {
    const char *path;
    bool only_below;
} hidden_folders[] = {
    {"/dev", false},           {"/proc", false},
    {"/sys", false},           {"/run/credentials", true},
    {"/var/lib/docker", true}, {"/var/lib/containers/storage", true},
};

static const char *const hidden_types[] = {
    "autofs",    "binfmt_misc", "bpf",   "cgroup",  "cgroup2",   "configfs",   "debugfs",
    "devpts",    "devtmpfs",    "erofs", "fusectl", "hugetlbfs", "iso9660",    "mqueue",
    "nsfs",      "overlay",     "proc",  "procfs",  "pstore",    "rpc_pipefs", "securityfs",
    "selinuxfs", "squashfs",    "sysfs", "tracefs",
};

bool host_mount_is_shown(const struct host_mount *mount) {
    for (size_t i = 0; i < ARRAY_LEN(hidden_types); i++) {
        if (str_is(mount->type, hidden_types[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(hidden_folders); i++) {
        const struct hidden_folder *folder = &hidden_folders[i];
        size_t len = strlen(folder->path);
        if (!str_starts_with(mount->point, folder->path)) {
            continue;
        }
        bool itself = mount->point.len == len && !folder->only_below;
        bool below =
            mount->point.len > len + (folder->only_below ? 1 : 0) && mount->point.data[len] == '/';
        if (itself || below) {
            return false;
        }
    }
    return true;
}

/* ---- in the worker ---- */

static void add_field(struct strbuf *out, struct str field) {
    strbuf_add_str(out, field);
    strbuf_add_char(out, '\0');
}

static void add_number(struct strbuf *out, uint64_t blocks, uint64_t size) {
    /* As a number with a fraction has it: sizes beyond 2^64 are what broken file systems tell. */
    strbuf_printf(out, "%.0f", (double)blocks * (double)size);
    strbuf_add_char(out, '\0');
}

/* As Go's texts begin, which the peer shows. */
static void add_error(struct strbuf *out, const char *text) {
    add_field(out, str_of(ERROR));
    strbuf_add_char(out, (char)tolower((unsigned char)text[0]));
    strbuf_add_text(out, text + 1);
    strbuf_add_char(out, '\0');
}

static int send_words(int fd, struct strbuf *words) {
    int r = worker_write(fd, words->data, words->len);
    strbuf_clear(words);
    return r;
}

static int ask_one(const struct host_mounts_question *question, const struct host_mount *mount,
                   struct strbuf *words, int fd) {
    struct statvfs status;
    char *path = question->path(question->userdata, mount->point.data);
    add_field(words, str_of(BEGIN));
    add_field(words, mount->device);
    add_field(words, mount->point);
    add_field(words, mount->type);
    add_field(words, mount->number);
    add_field(words, str_of(mount->read_only ? "1" : "0"));
    int r = 0;
    if (question->hangs(question->userdata, path)) {
        add_error(words, HOST_MOUNT_HANGS);
    } else if ((r = send_words(fd, words)) == 0 && question->statvfs(path, &status) < 0) {
        add_error(words, strerrordesc_np(errno) != NULL ? strerrordesc_np(errno) : "error");
    } else if (r == 0) {
        add_field(words, str_of(RESULT));
        add_number(words, status.f_blocks, status.f_frsize);
        add_number(words, status.f_bfree, status.f_frsize);
        add_number(words, status.f_bavail, status.f_frsize);
        add_number(words, status.f_files, 1);
        add_number(words, status.f_ffree, 1);
    }
    free(path);
    return r < 0 ? r : send_words(fd, words);
}

static bool same_mount(const void *entry, const void *key) {
    const struct host_mount *a = entry, *b = key;
    return str_equal(a->point, b->point) && str_equal(a->device, b->device) &&
           str_equal(a->type, b->type);
}

/* What is mounted twice at one place is shown once. Return: whether it is new. */
static bool note_mount(struct hash_map *seen, struct arena *arena, const struct host_mount *mount) {
    uint64_t hash = hash_bytes(mount->point.data, mount->point.len);
    if (hash_map_get(seen, hash, same_mount, mount) != NULL) {
        return false;
    }
    struct host_mount *copy = arena_alloc(arena, sizeof(*copy));
    *copy = *mount;
    hash_map_add(seen, hash, copy);
    return true;
}

int host_mounts_ask(const struct host_mounts_question *question, int fd) {
    struct str rest = question->mountinfo;
    struct arena arena = {0};
    struct hash_map seen = {0};
    struct strbuf words = {0};
    struct host_mount mount;
    size_t shown = 0;
    int r = 0;
    while (r == 0 && rest.len > 0 && shown < HOST_MOST_MOUNTS) {
        if (host_mount_parse(&rest, &arena, &mount) && host_mount_is_shown(&mount) &&
            note_mount(&seen, &arena, &mount) && shown++ >= question->skip) {
            r = ask_one(question, &mount, &words, fd);
        }
    }
    strbuf_deinit(&words);
    hash_map_deinit(&seen);
    arena_deinit(&arena);
    return r;
}

/* ---- in the daemon ---- */

/* One file system out of the words; what is cut off is as if it had not been said. */
struct said {
    struct str device, point, type, number, read_only;
    bool answered, failed;
    struct str error;
    struct str numbers[5]; /* size, free, avail, files, files_free */
};

static bool take_field(struct str *words, struct str *ret) {
    if (words->len == 0 || memchr(words->data, '\0', words->len) == NULL) {
        return false;
    }
    *ret = str_cut(words, '\0');
    return true;
}

static bool take_said(struct str *words, struct said *ret) {
    struct said said = {0};
    struct str mark;
    if (!take_field(words, &mark) || !str_is(mark, BEGIN) || !take_field(words, &said.device) ||
        !take_field(words, &said.point) || !take_field(words, &said.type) ||
        !take_field(words, &said.number) || !take_field(words, &said.read_only)) {
        return false;
    }
    struct str rest = *words;
    if (rest.len > 0 && take_field(&rest, &mark) && !str_is(mark, BEGIN)) {
        said.failed = str_is(mark, ERROR);
        bool whole = said.failed && take_field(&rest, &said.error);
        for (size_t i = 0; !said.failed && i < ARRAY_LEN(said.numbers); i++) {
            whole = take_field(&rest, &said.numbers[i]);
        }
        said.answered = whole;
        *words = whole ? rest : (struct str){rest.data, 0};
    }
    *ret = said;
    return true;
}

size_t host_mounts_begun(struct str words, struct str *ret_hangs_in) {
    struct said said;
    size_t count = 0;
    *ret_hangs_in = (struct str){0};
    while (take_said(&words, &said)) {
        *ret_hangs_in = said.answered ? (struct str){0} : said.point;
        count++;
    }
    return count;
}

static int add_row(struct table_builder *builder, const struct said *said, struct error *err) {
    bool failed = said->failed || !said->answered;
    struct str minor = said->number, major = str_cut(&minor, ':');
    const struct str cells[] = {
        said->device,
        said->point,
        said->type,
        said->read_only,
        str_of(failed ? "1" : "0"),
        said->answered ? said->error : str_of(HOST_MOUNT_HANGS),
        said->numbers[0],
        said->numbers[1],
        said->numbers[2],
        said->numbers[3],
        said->numbers[4],
        major,
        minor,
    };
    int r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(cells); i++) {
        /* Of one that failed there are no numbers, whatever was said of them. */
        r = table_builder_cell(builder, failed && i > 5 ? (struct str){0} : cells[i], err);
    }
    return r;
}

int host_mounts_table(struct str words, struct arena *arena, const struct table **ret,
                      struct error *err) {
    static const char *const names[] = {
        "device", "mountpoint", "fstype", "readonly",   "device_error", "error", "size",
        "free",   "avail",      "files",  "files_free", "major",        "minor",
    };
    struct table_builder builder = {
        .arena = arena,
        .limits = {.max_rows = 2 * HOST_MOST_MOUNTS,
                   .max_columns = ARRAY_LEN(names),
                   .max_bytes = (size_t)4 * 1024 * 1024},
    };
    struct said said;
    int r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(names); i++) {
        r = table_builder_column(&builder, str_of(names[i]), err);
    }
    while (r == 0 && take_said(&words, &said)) {
        r = add_row(&builder, &said, err);
    }
    if (r == 0) {
        *ret = table_builder_end(&builder);
    }
    table_builder_deinit(&builder);
    return r;
}
