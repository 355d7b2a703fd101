/*
 * local_wire.h: between the two ends of the local helper's socket (SOCK_SEQPACKET: a message is a
 * packet). Both are the same program in the same machine, so numbers go as they are in memory.
 *
 *	a request	head (word: the kind), user NUL sender NUL recipient NUL; one descriptor or none
 *	an answer	head (word: the outcome), text
 */
#ifndef LOCAL_LOCAL_WIRE_H
#define LOCAL_LOCAL_WIRE_H

#include <sys/types.h>
#include <sys/uio.h>

#include <stdint.h>

#include "local/local.h"

struct local_wire_head {
	uint32_t number, word;
};

enum {
	LOCAL_WIRE_MAX = sizeof(struct local_wire_head) + LOCAL_NAME_MAX + 2 * LOCAL_ADDRESS_MAX + 3
};

/* 0, or -1 and errno. fd -1: none goes along. */
int local_wire_send(int sock, const struct iovec *parts, int nparts, int fd);
/*
 * The bytes of one packet, 0: the other end has gone; -1 and errno, EBADMSG: it was too large or
 * brought too much. *fd is what came along, close-on-exec and the caller's, -1: nothing.
 */
ssize_t local_wire_receive(int sock, void *data, size_t size, int *fd);

/* The helper: serves until the other end is closed and every child has ended. */
void local_serve(int sock, const struct local_options *options);

#endif
