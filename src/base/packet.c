/* packet.c: packets, and descriptors with them. */
#include "base/packet.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#ifndef MSG_CMSG_CLOEXEC
#define MSG_CMSG_CLOEXEC 0 /* set afterwards, then */
#endif

/* The kernel writes into it what came along: room for one descriptor, aligned as it wants it. */
union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int))];
};

int
packet_pair(int ends[2])
{
	int err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == -1)
		return -1;
	if (fcntl(ends[0], F_SETFD, FD_CLOEXEC) != -1 &&
	    fcntl(ends[1], F_SETFD, FD_CLOEXEC) != -1 && fcntl(ends[0], F_SETFL, O_NONBLOCK) != -1)
		return 0;
	err = errno;
	close(ends[0]);
	close(ends[1]);
	errno = err;
	return -1;
}

int
packet_send(int sock, const void *data, size_t n, int fd)
{
	union control c;
	struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = n};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t sent;

	if (fd != -1) {
		memset(&c, 0, sizeof(c));
		c.header.cmsg_level = SOL_SOCKET;
		c.header.cmsg_type = SCM_RIGHTS;
		c.header.cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(&c.header), &fd, sizeof(fd));
		m.msg_control = c.room;
		m.msg_controllen = sizeof(c.room);
	}
	do
		sent = sendmsg(sock, &m, MSG_NOSIGNAL);
	while (sent == -1 && errno == EINTR);
	return sent == -1 ? -1 : 0;
}

/*
 * Takes the descriptors that came along, the first into *fd; false: there were others. Two may have
 * come where there is room for one: the padding holds another.
 */
static bool
take_descriptors(struct msghdr *m, int *fd)
{
	struct cmsghdr *h = CMSG_FIRSTHDR(m); /* a second one finds no room */
	size_t n = 0;

	if (h != NULL && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS)
		n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	*fd = -1;
	for (size_t i = 0; i < n; i++) {
		int one;

		memcpy(&one, CMSG_DATA(h) + i * sizeof(one), sizeof(one));
		if (i > 0) {
			close(one);
			continue;
		}
		fcntl(one, F_SETFD, FD_CLOEXEC);
		*fd = one;
	}
	return n <= 1;
}

ssize_t
packet_receive(int sock, void *data, size_t size, int *fd)
{
	union control c;
	struct iovec part = {.iov_base = data, .iov_len = size};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t n;
	bool good;
	int one;

	m.msg_control = c.room;
	m.msg_controllen = sizeof(c.room);
	do
		n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	while (n == -1 && errno == EINTR);
	if (fd != NULL)
		*fd = -1;
	if (n == -1)
		return -1;
	good = take_descriptors(&m, &one) && (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 &&
	       (fd != NULL || one == -1);
	if (good && fd != NULL)
		*fd = one;
	else if (one != -1)
		close(one);
	if (good)
		return n;
	errno = EBADMSG;
	return -1;
}
