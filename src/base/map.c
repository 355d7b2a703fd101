/* map.c: chained hashing with SipHash-2-4 (Aumasson and Bernstein, 2012). */
#include "base/map.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/sys.h"

enum { MAP_FIRST = 16 };

static uint64_t
rotl(uint64_t x, int by)
{
	return x << by | x >> (64 - by);
}

static void
sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] = rotl(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] = rotl(v[2], 32);
}

static void
sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	sip_round(v);
	v[0] ^= word;
}

/* Eight bytes, the first one lowest, whatever the machine: compilers know how to do that at once. */
static uint64_t
sip_load8(const unsigned char *p)
{
	return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
	       (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 |
	       (uint64_t)p[7] << 56;
}

/* The last ones, fewer than that. */
static uint64_t
sip_load(const unsigned char *p, size_t n)
{
	uint64_t word = 0;

	while (n-- > 0)
		word = word << 8 | p[n];
	return word;
}

/* The process's secret; one for all maps is enough, since nobody sees an order or a timing per map. */
static const uint64_t *
secret(void)
{
	static uint64_t key[2];
	static bool have;

	if (!have && sys.getentropy(key, sizeof(key)) == -1)
		die(EX_TEMPFAIL, "no randomness from the kernel");
	have = true;
	return key;
}

uint64_t
map_hash(const char *key)
{
	const uint64_t *k = secret();
	const unsigned char *p = (const unsigned char *)key;
	size_t n = strlen(key), left = n;
	uint64_t v[4] = {k[0] ^ 0x736f6d6570736575, k[1] ^ 0x646f72616e646f6d,
	    k[0] ^ 0x6c7967656e657261, k[1] ^ 0x7465646279746573};

	for (; left >= 8; left -= 8, p += 8)
		sip_word(v, sip_load8(p));
	sip_word(v, sip_load(p, left) | (uint64_t)n << 56);
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static size_t
slot_of(const struct map *m, uint64_t h)
{
	return (size_t)(h & (m->nslots - 1));
}

static struct map_node *
find(const struct map *m, const char *key, uint64_t h)
{
	struct map_node *n;

	if (m->nslots == 0)
		return NULL;
	for (n = m->slots[slot_of(m, h)]; n != NULL; n = n->next)
		if (n->hash == h && strcmp(n->key, key) == 0)
			return n;
	return NULL;
}

static void
link_in(struct map *m, struct map_node *n)
{
	size_t slot = slot_of(m, n->hash);

	n->next = m->slots[slot];
	m->slots[slot] = n;
	if (slot < m->first)
		m->first = slot;
}

static void
grow(struct map *m)
{
	struct map_node **old = m->slots;
	size_t nold = m->nslots;

	m->nslots = nold > 0 ? nold * 2 : MAP_FIRST;
	m->slots = xcalloc(m->nslots, sizeof(struct map_node *));
	m->first = m->nslots;
	for (size_t i = 0; i < nold; i++) {
		struct map_node *n, *next;

		for (n = old[i]; n != NULL; n = next) {
			next = n->next;
			link_in(m, n);
		}
	}
	free(old);
}

void
map_init(struct map *m)
{
	*m = (struct map){.slots = NULL};
}

void
map_free(struct map *m)
{
	free(m->slots);
	map_init(m);
}

struct map_node *
map_get(const struct map *m, const char *key)
{
	return m->count > 0 ? find(m, key, map_hash(key)) : NULL;
}

void
map_put(struct map *m, struct map_node *n, const char *key)
{
	n->key = key;
	n->hash = map_hash(key);
	if (find(m, key, n->hash) != NULL)
		bug("map_put of a key that is there");
	if (m->count >= m->nslots)
		grow(m);
	link_in(m, n);
	m->count++;
}

void
map_remove(struct map *m, struct map_node *n)
{
	struct map_node **at;

	if (m->nslots == 0)
		bug("map_remove from an empty map");
	for (at = &m->slots[slot_of(m, n->hash)]; *at != n; at = &(*at)->next)
		if (*at == NULL)
			bug("map_remove of a node that is not there");
	*at = n->next;
	n->next = NULL;
	m->count--;
}

struct map_node *
map_any(struct map *m)
{
	if (m->count == 0)
		return NULL;
	while (m->slots[m->first] == NULL)
		m->first++;
	return m->slots[m->first];
}

struct map_node *
map_next(const struct map *m, const struct map_node *n)
{
	size_t slot = 0;

	if (n != NULL) {
		if (n->next != NULL)
			return n->next;
		slot = slot_of(m, n->hash) + 1;
	}
	for (; slot < m->nslots; slot++)
		if (m->slots[slot] != NULL)
			return m->slots[slot];
	return NULL;
}
