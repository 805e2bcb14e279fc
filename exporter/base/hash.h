/* SPDX-License-Identifier: Apache-2.0 */

/* Hashing and a hash map of pointers. Hashes are seeded once per process, because keys come from
 * servers that may be hostile; they are never stored or sent. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

uint64_t hash_bytes(const void *data, size_t len);
uint64_t hash_combine(uint64_t a, uint64_t b);

/* The same on every machine and in every version (FNV-1a): for spreading work, not for maps. */
uint64_t hash_stable(struct str text);

/* Maps a key to an entry that contains it. The map owns neither. A zeroed one is empty. */
struct hash_map {
    struct hash_slot *slots;
    size_t n_slots, n_entries, n_deleted;
};

/* equal tells whether an entry has the key; it is asked only when the hashes are the same. */
void *hash_map_get(const struct hash_map *map, uint64_t hash,
                   bool (*equal)(const void *entry, const void *key), const void *key);

/* The key must not be in the map yet. */
void hash_map_add(struct hash_map *map, uint64_t hash, void *entry);

/* Removes exactly this pointer. Return: false when it was not there. */
bool hash_map_remove(struct hash_map *map, uint64_t hash, const void *entry);

/* Visits all entries: start with *cursor = 0; NULL ends it. Removing the visited entry is legal. */
void *hash_map_next(const struct hash_map *map, size_t *cursor);

void hash_map_deinit(struct hash_map *map);
