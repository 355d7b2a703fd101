/* local.c: the runner's side, and what both sides say to each other. */
#include "local/local.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/packet.h"
#include "local/local_wire.h"

/* One more string, with its NUL, behind the *n bytes of data. */
static int
put(char *data, size_t *n, const char *text, size_t limit)
{
	size_t len = strlen(text);

	if (len > limit) {
		errno = E2BIG;
		return -1;
	}
	memcpy(data + *n, text, len + 1);
	*n += len + 1;
	return 0;
}

int
local_ask(int fd, const struct local_request *r)
{
	struct local_wire_head head = {.number = r->number, .word = (uint32_t)r->kind};
	char data[LOCAL_WIRE_MAX];
	size_t n = sizeof(head);

	memcpy(data, &head, sizeof(head));
	if (put(data, &n, r->user, LOCAL_NAME_MAX) != 0 ||
	    put(data, &n, r->sender, LOCAL_ADDRESS_MAX) != 0 ||
	    put(data, &n, r->recipient, LOCAL_ADDRESS_MAX) != 0)
		return -1;
	return packet_send(fd, data, n, r->message);
}

int
local_hear(int fd, struct local_answer *a)
{
	char data[sizeof(struct local_wire_head) + LOCAL_TEXT_MAX];
	struct local_wire_head head;
	ssize_t n = packet_receive(fd, data, sizeof(data), NULL);

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (n == 0)
		errno = EPIPE;
	if (n <= 0)
		return -1;
	memcpy(&head, data, sizeof(head));
	if ((size_t)n < sizeof(head) || head.word > LOCAL_FAIL) {
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

	if (packet_pair(ends) != 0)
		return -1;
	if ((*pid = fork()) == -1) {
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
