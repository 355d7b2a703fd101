/*
 * packet.h: packets, and descriptors with them, between two processes of this program.
 *
 * A packet is whole or not there (SOCK_SEQPACKET); one without a byte is not to be told from the
 * end, and is never sent. Both sides are the same program on the same machine: what is in a packet may be
 * as it is in memory.
 */
#ifndef BASE_PACKET_H
#define BASE_PACKET_H

#include <sys/types.h>

#include <stddef.h>

/* Two ends, close-on-exec, the first one nonblocking. 0, or -1 and errno. */
int packet_pair(int ends[2]);

/* fd (-1: none) goes along and stays the caller's. 0, or -1 and errno: EAGAIN, EPIPE, ... No SIGPIPE. */
int packet_send(int sock, const void *data, size_t n, int fd);

/*
 * The bytes of one packet; 0: the other side has gone; -1 and errno, EBADMSG: longer than size, or more
 * descriptors than asked for. *fd is the one that came along, close-on-exec and the caller's, -1:
 * none; fd NULL: none may come.
 */
ssize_t packet_receive(int sock, void *data, size_t size, int *fd);

#endif
