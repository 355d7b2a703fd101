/*
 * local_wire.h: between the two ends of the local helper's socket, a packet (base/packet.h) each:
 *
 *	a request	head (word: the kind), user NUL sender NUL recipient NUL; one descriptor or none
 *	an answer	head (word: the outcome), text
 */
#ifndef LOCAL_LOCAL_WIRE_H
#define LOCAL_LOCAL_WIRE_H

#include <stdint.h>

#include "local/local.h"

struct local_wire_head {
	uint64_t number;
	uint32_t word, unused;
};

enum {
	LOCAL_WIRE_MAX = sizeof(struct local_wire_head) + LOCAL_NAME_MAX + 2 * LOCAL_ADDRESS_MAX + 3
};

#endif
