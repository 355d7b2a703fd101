/*
 * peer.c: what is known of each address.
 */
#include "peer.h"

#include <stdlib.h>

#include "base/alloc.h"

void
peers_init(struct peers *p)
{
	map_init(&p->by_name);
}

static void
peer_free(struct peers *p, struct peer *peer)
{
	map_remove(&p->by_name, &peer->node);
	free(peer->why);
	free(peer->name);
	free(peer);
}

void
peers_free(struct peers *p)
{
	struct map_node *n;

	while ((n = map_any(&p->by_name)) != NULL)
		peer_free(p, map_item(n, struct peer, node));
	map_free(&p->by_name);
}

struct peer *
peers_get(struct peers *p, const char *name)
{
	struct map_node *n = map_get(&p->by_name, name);
	struct peer *peer;

	if (n != NULL)
		return map_item(n, struct peer, node);
	peer = xcalloc(1, sizeof(*peer));
	peer->name = xstrdup(name);
	list_init(&peer->waiting);
	map_put(&p->by_name, &peer->node, peer->name);
	return peer;
}

void
peers_forget(struct peers *p)
{
	struct map kept;
	struct map_node *n;

	map_init(&kept);
	while ((n = map_any(&p->by_name)) != NULL) {
		struct peer *peer = map_item(n, struct peer, node);

		if (peer->open == 0 && list_empty(&peer->waiting)) {
			peer_free(p, peer);
			continue;
		}
		peer->dead = peer->in_clear = peer->no_chunking = false;
		map_remove(&p->by_name, n);
		map_put(&kept, n, peer->name);
	}
	map_free(&p->by_name);
	p->by_name = kept;
}
