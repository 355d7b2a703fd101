/*
 * map.h: an intrusive hash table from strings to whatever embeds a node.
 *
 * The table grows with its content and owns nothing but its slots: key and node belong to the
 * caller and must outlive their stay. Keys are compared byte for byte. The hash is seeded from the
 * kernel's CSPRNG, so nobody who chooses keys (recipients, domains) can make them collide.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map_node {
	struct map_node *next;
	uint64_t hash;
	const char *key;
};

struct map {
	struct map_node **slots;
	size_t nslots, count;
	size_t first; /* no slot before this one is in use */
};

#define map_item(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

void map_init(struct map *m);
void map_free(struct map *m); /* the slots; the nodes are the caller's */
struct map_node *map_get(const struct map *m, const char *key); /* NULL: not there */
void map_put(struct map *m, struct map_node *n, const char *key); /* key must not be there yet */
void map_remove(struct map *m, struct map_node *n);
/* Any node, NULL when empty: to drain a map. */
struct map_node *map_any(struct map *m);
/* What a key is filed under, for those who keep nothing but that. */
uint64_t map_hash(const char *key);
/* Iteration in no order; start with NULL. Nothing may be put or removed meanwhile. */
struct map_node *map_next(const struct map *m, const struct map_node *n);

#endif
