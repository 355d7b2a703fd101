/*
 * peer.h: what is known of each address, over all sites: how many connections go to it, and whether
 * it could be reached in this pass. (A thousand domains may share one provider's hosts.)
 */
#ifndef PEER_H
#define PEER_H

#include <stdbool.h>

#include "base/list.h"
#include "base/map.h"
#include "base/verdict.h"

struct peer {
	struct map_node node;
	char *name; /* as hop.peer */
	unsigned open; /* connections, half-open ones too */
	struct list waiting; /* the sites that want one more connection to it */
	bool dead; /* could not be reached in this pass */
	bool in_clear; /* TLS came to nothing there in this pass */
	bool no_chunking; /* nor did BDAT */
	struct verdict *why; /* ... because; NULL: never dead */
};

struct peers { /* all of them, by name */
	struct map by_name;
};

void peers_init(struct peers *p);
void peers_free(struct peers *p);
struct peer *peers_get(struct peers *p, const char *name); /* made when missing */
void peers_forget(struct peers *p); /* a new pass: nobody is dead; unused ones are freed */

#endif
