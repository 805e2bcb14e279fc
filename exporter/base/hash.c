/* SPDX-License-Identifier: Apache-2.0 */

#include "base/hash.h"

#include <stdlib.h>
#include <sys/random.h>

#include "base/mem.h"

#define FNV_OFFSET 0xcbf29ce484222325ULL
#define FNV_PRIME  0x100000001b3ULL

struct hash_slot {
    uint64_t hash;
    void *entry; /* NULL: free; &deleted: was used */
};

static char deleted;

static uint64_t seed(void) {
    static uint64_t value;
    if (value == 0) {
        if (getrandom(&value, sizeof(value), GRND_NONBLOCK) != (ssize_t)sizeof(value)) {
            value = (uint64_t)(uintptr_t)&value * FNV_PRIME;
        }
        value |= 1;
    }
    return value;
}

static uint64_t mix(uint64_t a, uint64_t b) {
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Eight bytes a step, each multiplied into 128 bits and folded (the idea of wyhash). */
uint64_t hash_bytes(const void *data, size_t len) {
    const unsigned char *bytes = data;
    uint64_t hash = seed() ^ len;
    uint64_t word;
    size_t rest = len;
    for (; rest >= sizeof(word); rest -= sizeof(word), bytes += sizeof(word)) {
        memcpy(&word, bytes, sizeof(word));
        hash = mix(hash ^ word, 0x9e3779b97f4a7c15ULL);
    }
    if (rest > 0) {
        word = 0;
        memcpy(&word, bytes, rest);
        hash = mix(hash ^ word, 0xd6e8feb86659fd93ULL);
    }
    return mix(hash, seed());
}

uint64_t hash_combine(uint64_t a, uint64_t b) {
    return mix(a ^ seed(), b ^ 0x9e3779b97f4a7c15ULL);
}

uint64_t hash_stable(struct str text) {
    uint64_t hash = FNV_OFFSET;
    for (size_t i = 0; i < text.len; i++) {
        hash = (hash ^ (unsigned char)text.data[i]) * FNV_PRIME;
    }
    return hash;
}

static struct hash_slot *find_free(struct hash_slot *slots, size_t n_slots, uint64_t hash) {
    size_t at = hash & (n_slots - 1);
    while (slots[at].entry != NULL) {
        at = (at + 1) & (n_slots - 1);
    }
    return &slots[at];
}

static void rebuild(struct hash_map *map, size_t n_slots) {
    struct hash_slot *slots = mem_array(n_slots, sizeof(*slots));
    for (size_t i = 0; i < map->n_slots; i++) {
        if (map->slots[i].entry != NULL && map->slots[i].entry != &deleted) {
            *find_free(slots, n_slots, map->slots[i].hash) = map->slots[i];
        }
    }
    free(map->slots);
    map->slots = slots;
    map->n_slots = n_slots;
    map->n_deleted = 0;
}

void *hash_map_get(const struct hash_map *map, uint64_t hash,
                   bool (*equal)(const void *entry, const void *key), const void *key) {
    if (map->n_slots == 0) {
        return NULL;
    }
    for (size_t at = hash & (map->n_slots - 1);; at = (at + 1) & (map->n_slots - 1)) {
        const struct hash_slot *slot = &map->slots[at];
        if (slot->entry == NULL) {
            return NULL;
        }
        if (slot->hash == hash && slot->entry != &deleted && equal(slot->entry, key)) {
            return slot->entry;
        }
    }
}

void hash_map_add(struct hash_map *map, uint64_t hash, void *entry) {
    /* At most three quarters used, what was deleted included: every search ends at a free slot. */
    if ((map->n_entries + map->n_deleted + 1) * 4 > map->n_slots * 3) {
        size_t n_slots = map->n_slots == 0 ? 16 : map->n_slots;
        rebuild(map, (map->n_entries + 1) * 2 > n_slots ? n_slots * 2 : n_slots);
    }
    *find_free(map->slots, map->n_slots, hash) = (struct hash_slot){hash, entry};
    map->n_entries++;
}

bool hash_map_remove(struct hash_map *map, uint64_t hash, const void *entry) {
    if (map->n_slots == 0) {
        return false;
    }
    for (size_t at = hash & (map->n_slots - 1); map->slots[at].entry != NULL;
         at = (at + 1) & (map->n_slots - 1)) {
        if (map->slots[at].entry == entry) {
            map->slots[at].entry = &deleted;
            map->n_entries--;
            map->n_deleted++;
            return true;
        }
    }
    return false;
}

void *hash_map_next(const struct hash_map *map, size_t *cursor) {
    while (*cursor < map->n_slots) {
        void *entry = map->slots[(*cursor)++].entry;
        if (entry != NULL && entry != &deleted) {
            return entry;
        }
    }
    return NULL;
}

void hash_map_deinit(struct hash_map *map) {
    free(map->slots);
    *map = (struct hash_map){0};
}
