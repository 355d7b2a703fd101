/* local.c: the runner's side, and what both sides say to each other. */
#include "local/local.h"

#include <errno.h>
#include <string.h>

#include "base/packet.h"
#include "base/str.h"
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

bool
local_name_ok(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n <= LOCAL_NAME_MAX && name[0] != '.' && strchr(name, '/') == NULL &&
	       str_is_clean(name, n);
}

int
local_ask(int fd, const struct local_request *r)
{
	struct local_wire_head head = {.number = r->number, .word = (uint32_t)r->kind};
	char data[LOCAL_WIRE_MAX];
	size_t n = sizeof(head);

	if (!local_name_ok(r->user) || !str_is_clean(r->sender, strlen(r->sender)) ||
	    !str_is_clean(r->recipient, strlen(r->recipient))) {
		errno = EINVAL;
		return -1;
	}
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
	if ((size_t)n >= sizeof(head))
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
