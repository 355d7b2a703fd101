/*
 * ns_fake.h: three name servers, 192.0.2.1 to 192.0.2.3, port 53, each with manners of its own. That of
 * dns_server.h does all as it should; these do what lost packets, firewalls, attackers and bugs make of it.
 *
 * Each has a zone, of which a.example and m.example are the same in all. They stand on net_fake.h, in
 * virtual time; sys is changed, and what the client opens and closes is counted.
 */
#ifndef T_LIB_NS_FAKE_H
#define T_LIB_NS_FAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "dns_fake.h"

enum ns_manner {
	NS_PLAIN,
	NS_SILENT,
	NS_WRONG_ID, /* before the right one */
	NS_WRONG_QUESTION,
	NS_FLOOD, /* of wrong ids, then the right one */
	NS_ONLY_FLOOD,
	NS_LOSES_FIRST,
	NS_DIES, /* behind its first answer */
	NS_LATE, /* the answer to the first query comes with the second */
	NS_CUT, /* the last byte is missing */
	NS_BADVERS,
	NS_HATES_EDNS, /* FORMERR, header only */
	NS_TCP_REFUSED,
	NS_TCP_STALLS,
	NS_TCP_HALF,
	NS_TCP_CLOSES,
	NS_TCP_WRONG_ID,
	NS_TCP_TRUNCATED,
	NS_TCP_SLOW, /* a byte every second */
};

struct ns {
	char address[64];
	struct dns_fake zone;
	enum ns_manner manner;
	unsigned udp, tcp; /* queries */
	bool edns; /* in the last one */
	uint16_t id; /* of the last one */
	struct buf held; /* NS_LATE: the answer to the first */
};
extern struct ns ns[3];

extern struct ns_sockets {
	int open, most; /* the client's, now and at the same time */
	int missing; /* so many of the next are not to be had */
} sockets;

void ns_install(void);
void ns_free(void);
void ns_zone(int i, const char *line); /* one more line of dns_fake.h for ns[i] */

#endif
