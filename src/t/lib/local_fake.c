/* local_fake.c: a helper that never waits. */
#include "local_fake.h"

#include <sys/stat.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/packet.h"
#include "helper_impl.h"
#include "local/local_wire.h"
#include "net_fake.h"
#include "vclock.h"

enum { PATH_SIZE = 1000, WAITING_MAX = 100 };

struct waiting { /* an answer that takes its time */
	int64_t at_ms;
	size_t n;
	char data[sizeof(struct local_wire_head) + LOCAL_TEXT_MAX];
};

static struct {
	struct net_end end;
	const char *homes;
	struct waiting *waiting[WAITING_MAX];
	size_t n;
} the;

/* Up to size - 1 bytes of a user's file; false: there is none. */
static bool
look(const char *user, const char *name, char *text, size_t size)
{
	char path[PATH_SIZE];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%.255s/%s", the.homes, user, name);
	if ((f = fopen(path, "r")) == NULL)
		return false;
	n = fread(text, 1, size - 1, f);
	text[n] = '\0';
	fclose(f);
	return true;
}

static void
append(const char *user, const char *sender, const char *recipient, int message)
{
	char path[PATH_SIZE], data[4096];
	ssize_t n;
	off_t at = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%.255s/box", the.homes, user);
	if ((f = fopen(path, "a")) == NULL)
		abort();
	fprintf(f, "From %s\nDelivered-To: %s\n", sender, recipient);
	for (; (n = pread(message, data, sizeof(data), at)) > 0; at += n)
		fwrite(data, 1, (size_t)n, f);
	fclose(f);
}

/* --- answers ------------------------------------------------------------------------------ */

static void
set_due(void)
{
	the.end.due_ms = INT64_MAX;
	for (size_t i = 0; i < the.n; i++)
		if (the.waiting[i]->at_ms < the.end.due_ms)
			the.end.due_ms = the.waiting[i]->at_ms;
}

static void
on_due(struct net_end *e)
{
	for (size_t i = the.n; i-- > 0;) {
		struct waiting *w = the.waiting[i];

		if (w->at_ms > vclock_ms())
			continue;
		packet_send(e->fd, w->data, w->n, -1);
		free(w);
		the.waiting[i] = the.waiting[--the.n];
	}
	set_due();
}

static void
answer(const struct local_wire_head *request, const char *user, enum local_outcome outcome,
    const char *text)
{
	struct local_wire_head head = {.number = request->number, .word = (uint32_t)outcome};
	struct waiting *w = xcalloc(1, sizeof(*w));
	char seconds[32];

	if (the.n == WAITING_MAX)
		abort();
	memcpy(w->data, &head, sizeof(head));
	memcpy(w->data + sizeof(head), text, strlen(text));
	w->n = sizeof(head) + strlen(text);
	w->at_ms = vclock_ms();
	if (look(user, ".slow", seconds, sizeof(seconds)))
		w->at_ms += strtol(seconds, NULL, 10) * 1000;
	the.waiting[the.n++] = w;
	set_due();
}

static void
serve(const struct local_wire_head *head, const char *user, const char *sender, int message)
{
	static char text[LOCAL_TEXT_MAX];
	const char *recipient = sender + strlen(sender) + 1;
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%s/%.255s", the.homes, user);
	if (look(user, ".dies", text, sizeof(text))) {
		net_end_close(&the.end);
	} else if (access(path, F_OK) != 0) {
		answer(head, user, LOCAL_FAIL, "no such user");
	} else if (head->word == LOCAL_FORWARD) {
		if (!look(user, ".forward", text, sizeof(text)))
			text[0] = '\0';
		answer(head, user, LOCAL_DONE, text);
	} else if (look(user, ".trouble", text, sizeof(text))) {
		answer(head, user, LOCAL_RETRY, text);
	} else {
		append(user, sender, recipient, message);
		answer(head, user, LOCAL_DONE, "");
	}
}

static void
on_input(struct net_end *e)
{
	static char data[LOCAL_WIRE_MAX];
	struct local_wire_head head;
	const char *user = data + sizeof(head);
	int message;
	ssize_t n = packet_receive(e->fd, data, sizeof(data), &message);

	if (n <= (ssize_t)sizeof(head)) {
		net_end_close(e);
		return;
	}
	memcpy(&head, data, sizeof(head));
	serve(&head, user, user + strlen(user) + 1, message);
	if (message >= 0)
		close(message);
}

void
local_fake_start(const char *homes)
{
	struct stat st;
	int ends[2];

	if (packet_pair(ends) != 0 || fstat(ends[0], &st) != 0)
		abort();
	fcntl(ends[1], F_SETFL, O_NONBLOCK);
	the.homes = homes;
	net_end_init(&the.end, ends[1]);
	the.end.peer = (uint64_t)st.st_ino;
	the.end.input = on_input;
	the.end.due = on_due;
	helper_local_set(ends[0], true);
}
