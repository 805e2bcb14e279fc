/* SPDX-License-Identifier: Apache-2.0 */

#include "base/yaml.h"

#include <errno.h>
#include <stdlib.h>

#include <yaml.h>

#include "base/hash.h"
#include "base/mem.h"

#define STANDARD_TAGS "tag:yaml.org,2002:"

const struct yaml_limits yaml_limits_default = {
    .bytes = (size_t)1024 * 1024,
    .depth = 16,
    .nodes = 100000,
};

/* A list or map whose end has not come yet. */
struct frame {
    struct yaml_node *node;
    size_t first_child; /* in builder.children */
};

struct anchor {
    struct str name;
    const struct yaml_node *node;
};

struct builder {
    const char *file; /* borrowed */
    const struct yaml_limits *limits;
    struct arena *arena;
    struct frame *frames;
    size_t n_frames, frames_capacity;
    const struct yaml_node **children; /* of all open frames; in a map key and value by turns */
    size_t n_children, children_capacity;
    struct hash_map anchors;
    size_t n_nodes; /* so far, aliases written out */
    const struct yaml_node *root;
};

static void builder_deinit(struct builder *builder) {
    free(builder->frames);
    free(builder->children);
    hash_map_deinit(&builder->anchors);
}

static struct position place(const struct builder *builder, const yaml_mark_t *mark) {
    return (struct position){builder->file, (unsigned)mark->line + 1, (unsigned)mark->column + 1};
}

static struct str view(const yaml_char_t *text) {
    return str_of((const char *)text);
}

static bool anchor_has_name(const void *entry, const void *key) {
    return str_equal(((const struct anchor *)entry)->name, *(const struct str *)key);
}

static struct anchor *find_anchor(struct builder *builder, struct str name) {
    return hash_map_get(&builder->anchors, hash_bytes(name.data, name.len), anchor_has_name, &name);
}

/* A name may be given again; the newest counts. */
static void set_anchor(struct builder *builder, const yaml_char_t *text,
                       const struct yaml_node *node) {
    if (text == NULL) {
        return;
    }
    struct anchor *anchor = find_anchor(builder, view(text));
    if (anchor == NULL) {
        anchor = arena_alloc(builder->arena, sizeof(*anchor));
        anchor->name = arena_dup(builder->arena, view(text));
        hash_map_add(&builder->anchors, hash_bytes(anchor->name.data, anchor->name.len), anchor);
    }
    anchor->node = node;
}

static int count_nodes(struct builder *builder, size_t more, struct position at,
                       struct error *err) {
    if (more > builder->limits->nodes - builder->n_nodes) {
        return error_set(err, -E2BIG, at, "more than %zu values (aliases written out)",
                         builder->limits->nodes);
    }
    builder->n_nodes += more;
    return 0;
}

static struct frame *innermost(struct builder *builder) {
    return builder->n_frames != 0 ? &builder->frames[builder->n_frames - 1] : NULL;
}

static bool expects_key(struct builder *builder) {
    const struct frame *frame = innermost(builder);
    return frame != NULL && frame->node->type == YAML_MAP &&
           (builder->n_children - frame->first_child) % 2 == 0;
}

/* A finished node takes its place in the open collection, or becomes the document. */
static void add_child(struct builder *builder, const struct yaml_node *node) {
    if (builder->n_frames == 0) {
        builder->root = node;
        return;
    }
    builder->children = mem_grow(builder->children, builder->n_children,
                                 &builder->children_capacity, sizeof(const struct yaml_node *));
    builder->children[builder->n_children++] = node;
}

static int new_node(struct builder *builder, enum yaml_type type, const yaml_event_t *event,
                    struct yaml_node **ret, struct error *err) {
    struct position at = place(builder, &event->start_mark);
    if (type != YAML_SCALAR && expects_key(builder)) {
        return error_set(err, -EINVAL, at,
                         "a key must be a single word or text, not a list or map (a text that "
                         "begins with '{' or '[' needs quotes)");
    }
    int r = count_nodes(builder, 1, at, err);
    if (r < 0) {
        return r;
    }
    struct yaml_node *node = arena_alloc(builder->arena, sizeof(*node));
    *node = (struct yaml_node){.type = type, .at = at, .n_nodes = 1};
    *ret = node;
    return 0;
}

static int check_tag(const yaml_char_t *tag, enum yaml_type type, struct position at,
                     struct error *err) {
    static const char *const scalar_tags[] = {"str", "int", "float", "bool", "null"};
    if (tag == NULL || (type == YAML_SCALAR && str_is(view(tag), "!"))) {
        return 0;
    }
    struct str name = view(tag);
    if (str_starts_with(name, STANDARD_TAGS)) {
        name.data += strlen(STANDARD_TAGS);
        name.len -= strlen(STANDARD_TAGS);
        if (type == YAML_MAP ? str_is(name, "map") : type == YAML_LIST && str_is(name, "seq")) {
            return 0;
        }
        for (size_t i = 0; type == YAML_SCALAR && i < ARRAY_LEN(scalar_tags); i++) {
            if (str_is(name, scalar_tags[i])) {
                return 0;
            }
        }
    }
    return error_set(err, -EINVAL, at, "the tag '%.64s' has no meaning here", (const char *)tag);
}

static int add_scalar(struct builder *builder, const yaml_event_t *event, struct error *err) {
    const yaml_char_t *tag = event->data.scalar.tag;
    struct yaml_node *node;
    int r = new_node(builder, YAML_SCALAR, event, &node, err);
    if (r == 0) {
        r = check_tag(tag, YAML_SCALAR, node->at, err);
    }
    if (r < 0) {
        return r;
    }
    struct str text = {(const char *)event->data.scalar.value, event->data.scalar.length};
    if (memchr(text.data, '\0', text.len) != NULL) {
        return error_set(err, -EINVAL, node->at, "a zero byte (\"\\0\") is not allowed in texts");
    }
    bool is_text = tag != NULL && (str_is(view(tag), "!") || str_is(view(tag), YAML_STR_TAG));
    node->scalar = arena_dup(builder->arena, text);
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !is_text;
    set_anchor(builder, event->data.scalar.anchor, node);
    add_child(builder, node);
    return 0;
}

static int begin_collection(struct builder *builder, enum yaml_type type, const yaml_event_t *event,
                            struct error *err) {
    bool is_map = type == YAML_MAP;
    struct position at = place(builder, &event->start_mark);
    if (builder->n_frames >= builder->limits->depth) {
        return error_set(err, -E2BIG, at, "more than %zu lists and maps inside each other",
                         builder->limits->depth);
    }
    struct yaml_node *node;
    int r = new_node(builder, type, event, &node, err);
    if (r == 0) {
        r = check_tag(is_map ? event->data.mapping_start.tag : event->data.sequence_start.tag, type,
                      at, err);
    }
    if (r < 0) {
        return r;
    }
    set_anchor(builder,
               is_map ? event->data.mapping_start.anchor : event->data.sequence_start.anchor, node);
    builder->frames = mem_grow(builder->frames, builder->n_frames, &builder->frames_capacity,
                               sizeof(*builder->frames));
    builder->frames[builder->n_frames++] = (struct frame){node, builder->n_children};
    return 0;
}

static int add_alias(struct builder *builder, const yaml_event_t *event, struct error *err) {
    const char *name = (const char *)event->data.alias.anchor;
    struct position at = place(builder, &event->start_mark);
    const struct anchor *anchor = find_anchor(builder, str_of(name));
    if (anchor == NULL) {
        return error_set(err, -EINVAL, at, "the alias '*%.64s' has no anchor '&%.64s' before it",
                         name, name);
    }
    const struct yaml_node *node = anchor->node;
    for (size_t i = 0; i < builder->n_frames; i++) {
        if (builder->frames[i].node == node) {
            return error_set(err, -EINVAL, at, "the alias '*%.64s' stands inside what it names",
                             name);
        }
    }
    if (node->type != YAML_SCALAR && expects_key(builder)) {
        return error_set(err, -EINVAL, at, "the alias '*%.64s' is %s and cannot be a key", name,
                         yaml_describe(node));
    }
    if (builder->n_frames + node->height > builder->limits->depth) {
        return error_set(err, -E2BIG, at, "more than %zu lists and maps inside each other",
                         builder->limits->depth);
    }
    int r = count_nodes(builder, node->n_nodes, at, err);
    if (r < 0) {
        return r;
    }
    add_child(builder, node);
    return 0;
}

static void end_list(struct builder *builder, struct yaml_node *list, size_t first) {
    size_t n_items = builder->n_children - first;
    const struct yaml_node **items = arena_array(builder->arena, n_items, sizeof(*items));
    for (size_t i = 0; i < n_items; i++) {
        items[i] = builder->children[first + i];
    }
    list->items = items;
    list->n_items = n_items;
}

/* A map that is being put together: its keys so far, for finding one given twice. */
struct assembly {
    struct yaml_pair *pairs;
    size_t n_pairs;
    struct hash_map keys;
};

static bool pair_has_key(const void *entry, const void *key) {
    return str_equal(((const struct yaml_pair *)entry)->key->scalar, *(const struct str *)key);
}

/* Return: NULL, or the pair that has this key already. */
static const struct yaml_pair *assemble(struct assembly *map, const struct yaml_node *key,
                                        const struct yaml_node *value) {
    uint64_t hash = hash_bytes(key->scalar.data, key->scalar.len);
    const struct yaml_pair *earlier = hash_map_get(&map->keys, hash, pair_has_key, &key->scalar);
    if (earlier == NULL) {
        struct yaml_pair *pair = &map->pairs[map->n_pairs++];
        *pair = (struct yaml_pair){key, value};
        hash_map_add(&map->keys, hash, pair);
    }
    return earlier;
}

static bool is_merge_key(const struct yaml_node *key) {
    return key->plain && str_is(key->scalar, "<<");
}

/* The maps that a merge key names: one, or a list of them. */
static size_t merged_count(const struct yaml_node *value) {
    return value->type == YAML_LIST ? value->n_items : 1;
}

static const struct yaml_node *merged_at(const struct yaml_node *value, size_t i) {
    return value->type == YAML_LIST ? value->items[i] : value;
}

/* Counts the pairs that the merge can add. They were paid for as nodes when the aliases were read,
 * so their number is within the limit. */
static int check_merge(const struct yaml_node *value, size_t *n_pairs, struct error *err) {
    for (size_t i = 0; i < merged_count(value); i++) {
        const struct yaml_node *map = merged_at(value, i);
        if (map->type != YAML_MAP) {
            return error_set(err, -EINVAL, map->at, "'<<' merges maps, and this is %s",
                             yaml_describe(map));
        }
        *n_pairs += map->n_pairs;
    }
    return 0;
}

static int given_twice(const struct yaml_node *key, const struct yaml_node *first,
                       struct error *err) {
    return error_set(err, -EINVAL, key->at, "key '%.*s' is given twice (first at line %u)",
                     (int)(key->scalar.len > 64 ? 64 : key->scalar.len), key->scalar.data,
                     first->at.line);
}

/* Gives the index of the merge key, or n_children when there is none. */
static int find_merge(const struct yaml_node *const *children, size_t n_children, size_t *ret_at,
                      struct error *err) {
    size_t at = n_children;
    for (size_t i = 0; i < n_children; i += 2) {
        if (is_merge_key(children[i])) {
            if (at != n_children) {
                return given_twice(children[i], children[at], err);
            }
            at = i;
        }
    }
    *ret_at = at;
    return 0;
}

static int end_map(struct builder *builder, struct yaml_node *node, size_t first,
                   struct error *err) {
    size_t n_children = builder->n_children - first;
    /* Before the first child there is no list to point into. */
    const struct yaml_node *const *children = n_children > 0 ? builder->children + first : NULL;
    const struct yaml_node *merge = NULL;
    size_t merge_at = n_children, n_most = n_children / 2;
    int r = find_merge(children, n_children, &merge_at, err);
    if (r == 0 && merge_at != n_children) {
        merge = children[merge_at + 1];
        r = check_merge(merge, &n_most, err);
    }
    if (r < 0) {
        return r;
    }
    struct assembly map = {.pairs = arena_array(builder->arena, n_most, sizeof(*map.pairs))};
    for (size_t i = 0; i < n_children && r == 0; i += 2) {
        const struct yaml_pair *earlier =
            i != merge_at ? assemble(&map, children[i], children[i + 1]) : NULL;
        if (earlier != NULL) {
            r = given_twice(children[i], earlier->key, err);
        }
    }
    for (size_t i = 0; merge != NULL && i < merged_count(merge); i++) {
        const struct yaml_node *from = merged_at(merge, i);
        for (size_t j = 0; j < from->n_pairs; j++) {
            assemble(&map, from->pairs[j].key, from->pairs[j].value);
        }
    }
    hash_map_deinit(&map.keys);
    node->pairs = map.pairs;
    node->n_pairs = map.n_pairs;
    return r;
}

static int end_collection(struct builder *builder, struct error *err) {
    struct frame frame = builder->frames[builder->n_frames - 1];
    size_t highest = 0;
    for (size_t i = frame.first_child; i < builder->n_children; i++) {
        const struct yaml_node *child = builder->children[i];
        frame.node->n_nodes += child->n_nodes;
        highest = child->height > highest ? child->height : highest;
    }
    frame.node->height = highest + 1;
    if (frame.node->type == YAML_LIST) {
        end_list(builder, frame.node, frame.first_child);
    } else {
        int r = end_map(builder, frame.node, frame.first_child, err);
        if (r < 0) {
            return r;
        }
    }
    builder->n_children = frame.first_child;
    builder->n_frames--;
    add_child(builder, frame.node);
    return 0;
}

static int take_event(struct builder *builder, const yaml_event_t *event, struct error *err) {
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (builder->root != NULL) {
            return error_set(err, -EINVAL, place(builder, &event->start_mark),
                             "a second document begins here, and only one is read");
        }
        return 0;
    case YAML_SCALAR_EVENT:
        return add_scalar(builder, event, err);
    case YAML_SEQUENCE_START_EVENT:
        return begin_collection(builder, YAML_LIST, event, err);
    case YAML_MAPPING_START_EVENT:
        return begin_collection(builder, YAML_MAP, event, err);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return end_collection(builder, err);
    case YAML_ALIAS_EVENT:
        return add_alias(builder, event, err);
    default:
        return 0;
    }
}

/* The reader tells only an offset in bytes. */
static struct position place_of_offset(const struct builder *builder, struct str text,
                                       size_t offset) {
    struct position at = {builder->file, 1, 1};
    for (size_t i = 0; i < offset && i < text.len; i++) {
        if (text.data[i] == '\n') {
            at.line++;
            at.column = 1;
        } else if (((unsigned char)text.data[i] & 0xc0) != 0x80) {
            at.column++;
        }
    }
    return at;
}

/* Says what the library found, in one sentence. */
static int syntax_error(const struct builder *builder, const yaml_parser_t *parser, struct str text,
                        struct error *err) {
    const char *problem = parser->problem != NULL ? parser->problem : "cannot be read";
    struct position at = place(builder, &parser->problem_mark);
    if (parser->error == YAML_MEMORY_ERROR) {
        return error_say(err, -ENOMEM, "out of memory while reading YAML");
    }
    if (parser->error == YAML_READER_ERROR) {
        at = place_of_offset(builder, text, parser->problem_offset);
        return error_set(err, -EINVAL, at, "not valid YAML: %s (0x%02x)", problem,
                         (unsigned)parser->problem_value);
    }
    size_t index = parser->problem_mark.index;
    if (parser->error == YAML_SCANNER_ERROR && index < text.len && text.data[index] == '\t') {
        return error_set(err, -EINVAL, at, "not valid YAML: a tab cannot indent, use spaces");
    }
    if (parser->context == NULL) {
        return error_set(err, -EINVAL, at, "not valid YAML: %s", problem);
    }
    return error_set(err, -EINVAL, at, "not valid YAML: %s, %s that begins at line %u", problem,
                     parser->context, (unsigned)parser->context_mark.line + 1);
}

static int build(struct builder *builder, yaml_parser_t *parser, struct str text,
                 struct error *err) {
    bool ended = false;
    while (!ended) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event)) {
            return syntax_error(builder, parser, text, err);
        }
        ended = event.type == YAML_STREAM_END_EVENT;
        int r = take_event(builder, &event, err);
        yaml_event_delete(&event);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

int yaml_parse(struct str text, const char *file, const struct yaml_limits *limits,
               struct arena *arena, const struct yaml_node **ret, struct error *err) {
    struct builder builder = {.file = file, .limits = limits, .arena = arena};
    if (text.len > limits->bytes) {
        return error_set(err, -E2BIG, (struct position){.file = file}, "larger than %zu bytes",
                         limits->bytes);
    }
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        return error_say(err, -ENOMEM, "out of memory while reading YAML");
    }
    /* Not guessed from the first bytes: positions are counted in UTF-8. */
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)(text.len != 0 ? text.data : ""),
                                 text.len);
    int r = build(&builder, &parser, text, err);
    yaml_parser_delete(&parser);
    if (r == 0) {
        if (builder.root == NULL || yaml_is_null(builder.root)) {
            struct yaml_node *empty = arena_alloc(arena, sizeof(*empty));
            *empty =
                (struct yaml_node){.type = YAML_MAP, .at = {file, 1, 1}, .n_nodes = 1, .height = 1};
            builder.root = empty;
        }
        *ret = builder.root;
    }
    builder_deinit(&builder);
    return r;
}

const struct yaml_node *yaml_map_find(const struct yaml_node *map, const char *key) {
    if (map == NULL || map->type != YAML_MAP) {
        return NULL;
    }
    for (size_t i = 0; i < map->n_pairs; i++) {
        if (str_is(map->pairs[i].key->scalar, key)) {
            return map->pairs[i].value;
        }
    }
    return NULL;
}

bool yaml_is_null(const struct yaml_node *node) {
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    if (node->type != YAML_SCALAR || !node->plain) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (str_is(node->scalar, words[i])) {
            return true;
        }
    }
    return false;
}

const char *yaml_describe(const struct yaml_node *node) {
    switch (node->type) {
    case YAML_LIST:
        return "a list";
    case YAML_MAP:
        return "a map";
    default:
        return yaml_is_null(node) ? "nothing" : "a value";
    }
}
