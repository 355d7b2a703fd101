/* local.c: the runner's side, and what both sides say to each other. */
#include "local/local.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "local/local_wire.h"

/* Room for one descriptor, aligned as the kernel's header wants it. */
union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int))];
};

int
local_wire_send(int sock, const struct iovec *parts, int nparts, int fd)
{
	union control c;
	struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = (size_t)0};
	ssize_t n;

	m.msg_iovlen = (unsigned)nparts;
	if (fd >= 0) {
		memset(&c, 0, sizeof(c));
		m.msg_control = c.room;
		m.msg_controllen = sizeof(c.room);
		c.header.cmsg_level = SOL_SOCKET;
		c.header.cmsg_type = SCM_RIGHTS;
		c.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&c.header), &fd, sizeof(int));
	}
	do
		n = sendmsg(sock, &m, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -1 : 0;
}

/* The descriptor that came along, -1: none. All that a message brings must be taken or closed. */
static int
descriptor_of(struct msghdr *m)
{
	int fd = -1;

	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h != NULL; h = CMSG_NXTHDR(m, h))
		if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS &&
		    h->cmsg_len == CMSG_LEN(sizeof(int)))
			memcpy(&fd, CMSG_DATA(h), sizeof(int));
	return fd;
}

ssize_t
local_wire_receive(int sock, void *data, size_t size, int *fd)
{
	union control c;
	struct iovec part = {.iov_base = data, .iov_len = size};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t n;

	m.msg_control = c.room;
	m.msg_controllen = sizeof(c.room);
	do
		n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	*fd = n < 0 ? -1 : descriptor_of(&m);
	if (n <= 0 || (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0)
		return n;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = EBADMSG;
	return -1;
}

int
local_ask(int fd, const struct local_request *r)
{
	struct local_wire_head head = {.number = r->number, .word = (uint32_t)r->kind};
	const char *texts[] = {r->user, r->sender, r->recipient};
	static const size_t limits[] = {LOCAL_NAME_MAX, LOCAL_ADDRESS_MAX, LOCAL_ADDRESS_MAX};
	struct iovec parts[4] = {{.iov_base = &head, .iov_len = sizeof(head)}};

	for (int i = 0; i < 3; i++) {
		size_t n = strlen(texts[i]);

		if (n > limits[i]) {
			errno = E2BIG;
			return -1;
		}
		/* iovec has no const; nobody writes there */
		parts[i + 1].iov_base = (void *)(uintptr_t)texts[i];
		parts[i + 1].iov_len = n + 1;
	}
	return local_wire_send(fd, parts, 4, r->message);
}

int
local_hear(int fd, struct local_answer *a)
{
	char data[sizeof(struct local_wire_head) + LOCAL_TEXT_MAX];
	struct local_wire_head head;
	int stray;
	ssize_t n = local_wire_receive(fd, data, sizeof(data), &stray);

	if (stray >= 0)
		close(stray);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (n == 0)
		errno = EPIPE;
	if (n <= 0)
		return -1;
	if ((size_t)n < sizeof(head) || stray >= 0) {
		errno = EBADMSG;
		return -1;
	}
	memcpy(&head, data, sizeof(head));
	if (head.word > LOCAL_FAIL) {
		errno = EBADMSG;
		return -1;
	}
	a->number = head.number;
	a->outcome = (enum local_outcome)head.word;
	a->n = (size_t)n - sizeof(head);
	memcpy(a->text, data + sizeof(head), a->n);
	a->text[a->n] = '\0';
	return 1;
}

int
local_start(const struct local_options *options, pid_t *pid)
{
	int ends[2], err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0)
		return -1;
	if (fcntl(ends[0], F_SETFD, FD_CLOEXEC) == -1 ||
	    fcntl(ends[0], F_SETFL, O_NONBLOCK) == -1 || (*pid = fork()) == -1) {
		err = errno;
		close(ends[0]);
		close(ends[1]);
		errno = err;
		return -1;
	}
	if (*pid == 0) {
		close(ends[0]);
		local_serve(ends[1], options);
		_exit(0);
	}
	close(ends[1]);
	return ends[0];
}
