/* SPDX-License-Identifier: Apache-2.0 */

/* The configuration file and the secret files that it names: read from disk, carried through a
 * pipe, looked up while parsing. */
#include "config/private.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"
#include "config/read_file.h"

/* "dbvitals configuration 1", as a number that no text begins with. */
#define PACK_MAGIC 0x01c0fb1du

struct config_secret {
    char *path; /* as it stands in the file, expanded */
    char *value;
};

struct config_files {
    char *path; /* NULL: there is none, targets are guessed */
    char *text;
    size_t length;
    struct config_secret *secrets;
    size_t n_secrets, secrets_capacity;
    struct config_rule_file *rules;
    size_t n_rules, rules_capacity;
    size_t rule_bytes;
};

struct config_files *config_files_free(struct config_files *files) {
    if (files == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < files->n_secrets; i++) {
        free(files->secrets[i].path);
        mem_free_secret(files->secrets[i].value);
    }
    for (size_t i = 0; i < files->n_rules; i++) {
        free(files->rules[i].path);
        free(files->rules[i].text);
    }
    free(files->rules);
    if (files->text != NULL) {
        explicit_bzero(files->text, files->length); /* passwords may stand in it */
    }
    free(files->text);
    free(files->path);
    free(files->secrets);
    free(files);
    return NULL;
}

uint64_t config_files_fingerprint(const struct config_files *files) {
    return hash_bytes(files->text, files->length);
}

bool config_files_have_secrets(const struct config_files *files) {
    return files->n_secrets > 0;
}

static const struct config_secret *find_secret(const struct config_files *files, const char *path) {
    for (size_t i = 0; i < files->n_secrets; i++) {
        if (strcmp(files->secrets[i].path, path) == 0) {
            return &files->secrets[i];
        }
    }
    return NULL;
}

/* Takes both over. */
static const struct config_secret *add_secret(struct config_files *files, char *path, char *value) {
    files->secrets = mem_grow(files->secrets, files->n_secrets, &files->secrets_capacity,
                              sizeof(files->secrets[0]));
    files->secrets[files->n_secrets] = (struct config_secret){path, value};
    return &files->secrets[files->n_secrets++];
}

/* A relative path begins at the folder of the configuration file. */
static char *resolve_path(const char *config_path, const char *path) {
    const char *slash = strrchr(config_path, '/');
    if (path[0] == '/' || slash == NULL) {
        return mem_strdup(path);
    }
    return mem_printf("%.*s/%s", (int)(slash - config_path), config_path, path);
}

/* Cuts one newline off the end, and refuses what cannot be a password. */
static int trim_secret(char *text, size_t length, struct error *err) {
    if (memchr(text, '\0', length) != NULL) {
        return error_say(err, -EINVAL, "holds a zero byte");
    }
    if (length > 0 && text[length - 1] == '\n') {
        text[--length] = '\0';
        if (length > 0 && text[length - 1] == '\r') {
            text[--length] = '\0';
        }
    }
    return length == 0 ? error_say(err, -EINVAL, "is empty") : 0;
}

/* The secret source while files are read: what is not there yet comes from disk. */
static int find_on_disk(void *userdata, const char *path, const char **ret, struct error *err) {
    struct config_files *files = userdata;
    const struct config_secret *secret = find_secret(files, path);
    if (secret != NULL) {
        *ret = secret->value;
        return 0;
    }
    char *full = resolve_path(files->path, path), *text = NULL;
    size_t length = 0;
    int r = strlen(full) < CONFIG_MOST_PATH
                ? read_file(full, CONFIG_MOST_SECRET, &text, &length, err)
                : error_say(err, -ENAMETOOLONG, "is too long a path");
    if (r == 0) {
        r = trim_secret(text, length, err);
    }
    free(full);
    if (r < 0) {
        mem_free_secret(text);
        return r;
    }
    *ret = add_secret(files, mem_strdup(path), text)->value;
    return 0;
}

/* The secret source afterwards. */
static int find_in_files(void *userdata, const char *path, const char **ret, struct error *err) {
    const struct config_secret *secret = find_secret(userdata, path);
    if (secret == NULL) {
        /* Only when the environment changed in between. */
        return error_say(err, -ENOENT, "was not read");
    }
    *ret = secret->value;
    return 0;
}

/* Takes the texts over. */
static void add_rule_file(struct config_files *files, char *path, char *text, size_t length) {
    files->rules =
        mem_grow(files->rules, files->n_rules, &files->rules_capacity, sizeof(*files->rules));
    files->rules[files->n_rules++] = (struct config_rule_file){path, text, length};
    files->rule_bytes += length;
}

static int read_rule_file(struct config_files *files, const char *path, struct error *err) {
    struct error inner = {0};
    char *text = NULL;
    size_t length = 0;
    for (size_t i = 0; i < files->n_rules; i++) {
        if (strcmp(files->rules[i].path, path) == 0) {
            return 0; /* matched by another pattern already */
        }
    }
    if (files->n_rules == CONFIG_MOST_RULE_FILES) {
        return error_say(err, -E2BIG, "the patterns of 'rules.files' match more than %d files",
                         CONFIG_MOST_RULE_FILES);
    }
    int r = read_file(path, CONFIG_MOST_RULE_BYTES - files->rule_bytes, &text, &length, &inner);
    if (r < 0) {
        return error_say(err, r, "rule file '%.120s' %s", path, inner.text);
    }
    add_rule_file(files, mem_strdup(path), text, length);
    return 0;
}

static int read_rules(struct config_files *files, const char *pattern, struct error *err) {
    char *full = files->path != NULL ? resolve_path(files->path, pattern) : mem_strdup(pattern);
    glob_t found = {0};
    int r = 0;
    int g = glob(full, 0, NULL, &found);
    if (g != 0 && g != GLOB_NOMATCH) {
        r = error_say(err, -EIO, "cannot look for rule files '%.120s'", full);
    }
    for (size_t i = 0; r == 0 && i < found.gl_pathc; i++) {
        r = read_rule_file(files, found.gl_pathv[i], err);
    }
    globfree(&found);
    free(full);
    return r;
}

static int read_all_rules(struct config_files *files, const struct config *config,
                          struct error *err) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < config->n_rule_patterns; i++) {
        r = read_rules(files, config->rule_patterns[i], err);
    }
    return r;
}

int config_files_guess(struct config_files **ret, struct error *err) {
    CLEANUP(config_files_freep)
    struct config_files *files = mem_alloc(sizeof(*files));
    int r = read_rules(files, CONFIG_DEFAULT_RULES, err);
    if (r == 0) {
        *ret = take_ptr(files);
    }
    return r;
}

static void copy_rules(const struct config_files *files, struct config *config) {
    config->rule_files = mem_array(files->n_rules + 1, sizeof(*config->rule_files));
    for (size_t i = 0; i < files->n_rules; i++) {
        const struct config_rule_file *file = &files->rules[i];
        config->rule_files[config->n_rule_files++] = (struct config_rule_file){
            mem_strdup(file->path), mem_strndup(file->text, file->length), file->length};
    }
}

/* file is what positions borrow. */
static int parse(const struct config_files *files, const struct secret_source *secrets,
                 const char *file, struct config *ret, struct error *err) {
    struct arena arena = {0};
    struct reader reader = {.arena = &arena, .secrets = secrets, .err = err};
    struct config config;
    config_init(&config);
    int r = config_read_text(&reader, (struct str){files->text, files->length}, file, &config);
    arena_deinit(&arena);
    if (r < 0) {
        config_deinit(&config);
        return r;
    }
    *ret = config;
    return 0;
}

int config_files_read(const char *path, struct config_files **ret, struct error *err) {
    CLEANUP(config_files_freep)
    struct config_files *files = mem_alloc(sizeof(*files));
    struct error inner = {0};
    if (strlen(path) >= CONFIG_MOST_PATH) {
        return error_say(err, -ENAMETOOLONG, "the path of the configuration file is too long");
    }
    files->path = mem_strdup(path);
    int r = read_file(path, CONFIG_MOST_BYTES, &files->text, &files->length, &inner);
    if (r < 0) {
        return error_say(err, r, "configuration file '%.120s' %s%s", path, inner.text,
                         r == -ENOENT ? " (--config.file names another)" : "");
    }
    struct secret_source secrets = {find_on_disk, files};
    struct config config;
    r = parse(files, &secrets, path, &config, err);
    if (r < 0) {
        return r;
    }
    r = read_all_rules(files, &config, err);
    config_deinit(&config);
    if (r == 0) {
        *ret = take_ptr(files);
    }
    return r;
}

int config_parse(const struct config_files *files, struct config *ret, struct error *err) {
    if (files->path == NULL) {
        config_guess(ret);
        copy_rules(files, ret);
        return 0;
    }
    /* find_in_files() only reads. */
    struct secret_source secrets = {find_in_files, (void *)(uintptr_t)files};
    struct error inner = {0};
    char text[sizeof(inner.text)];
    int r = parse(files, &secrets, files->path, ret, &inner);
    if (r < 0) {
        return error_say(err, r, "%s", error_format(&inner, text, sizeof(text)));
    }
    copy_rules(files, ret);
    return 0;
}

static void pack_number(struct strbuf *out, size_t number) {
    uint32_t value = (uint32_t)number;
    strbuf_add(out, &value, sizeof(value));
}

static void pack_text(struct strbuf *out, const char *text, size_t length) {
    pack_number(out, length);
    strbuf_add(out, text, length);
}

void config_files_pack(const struct config_files *files, struct strbuf *out) {
    pack_number(out, PACK_MAGIC);
    pack_text(out, files->path, strlen(files->path));
    pack_text(out, files->text, files->length);
    pack_number(out, files->n_secrets);
    for (size_t i = 0; i < files->n_secrets; i++) {
        pack_text(out, files->secrets[i].path, strlen(files->secrets[i].path));
        pack_text(out, files->secrets[i].value, strlen(files->secrets[i].value));
    }
    pack_number(out, files->n_rules);
    for (size_t i = 0; i < files->n_rules; i++) {
        pack_text(out, files->rules[i].path, strlen(files->rules[i].path));
        pack_text(out, files->rules[i].text, files->rules[i].length);
    }
}

static bool unpack_number(struct str *packed, size_t most, size_t *ret) {
    uint32_t value;
    if (packed->len < sizeof(value)) {
        return false;
    }
    memcpy(&value, packed->data, sizeof(value));
    *packed = (struct str){packed->data + sizeof(value), packed->len - sizeof(value)};
    *ret = value;
    return value <= most;
}

static bool unpack_text(struct str *packed, size_t most, char **ret, size_t *ret_length) {
    size_t length;
    if (!unpack_number(packed, most, &length) || packed->len < length) {
        return false;
    }
    *ret = mem_strndup(packed->data, length);
    *ret_length = length;
    *packed = (struct str){packed->data + length, packed->len - length};
    return true;
}

static bool unpack_rules(struct str *packed, struct config_files *files) {
    size_t count, length;
    if (!unpack_number(packed, CONFIG_MOST_RULE_FILES, &count)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        char *path = NULL, *text = NULL;
        size_t text_length = 0;
        bool ok = unpack_text(packed, CONFIG_MOST_PATH, &path, &length) &&
                  unpack_text(packed, CONFIG_MOST_RULE_BYTES, &text, &text_length);
        add_rule_file(files, path, text, text_length);
        if (!ok) {
            return false;
        }
    }
    return true;
}

static bool unpack(struct str packed, struct config_files *files) {
    size_t magic, count, length;
    if (!unpack_number(&packed, UINT32_MAX, &magic) || magic != PACK_MAGIC ||
        !unpack_text(&packed, CONFIG_MOST_PATH, &files->path, &length) ||
        !unpack_text(&packed, CONFIG_MOST_BYTES, &files->text, &files->length) ||
        !unpack_number(&packed, CONFIG_MOST_TARGETS, &count)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        char *path = NULL, *value = NULL;
        bool ok = unpack_text(&packed, CONFIG_MOST_PATH, &path, &length) &&
                  unpack_text(&packed, CONFIG_MOST_SECRET, &value, &length);
        add_secret(files, path, value);
        if (!ok) {
            return false;
        }
    }
    return unpack_rules(&packed, files) && packed.len == 0;
}

int config_files_unpack(struct str packed, struct config_files **ret, struct error *err) {
    CLEANUP(config_files_freep)
    struct config_files *files = mem_alloc(sizeof(*files));
    if (!unpack(packed, files)) {
        return error_say(err, -EBADMSG, "what the worker read of the configuration is damaged");
    }
    *ret = take_ptr(files);
    return 0;
}
