/* auth_secret.c: the runner's side of the secrets helper. */
#include "auth_secret.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/packet.h"
#include "base/str.h"

/* The last thing done here with s; why NULL: the secret is there. */
static void
finish(struct secret *s, const char *why)
{
	struct secrets *all = s->all;

	timer_disarm(all->reactor, &s->limit);
	list_remove(&s->link);
	if (list_empty(&all->asked))
		watch_remove(all->reactor, &all->watch);
	s->state = why == NULL ? SECRET_THERE : SECRET_FAILED;
	if (why != NULL && why != s->why)
		str_copy(s->why, sizeof(s->why), why);
	s->fn(s->ctx);
}

static void
on_limit(void *ctx)
{
	struct secret *s = ctx;

	/* One that was never asked for has its reason already. */
	finish(s, s->why[0] != '\0' ? s->why : "took too long, and was killed");
}

/* --- answers --- */

static struct secret *
find(struct secrets *all, uint32_t number)
{
	list_each (pos, &all->asked) {
		struct secret *s = list_item(pos, struct secret, link);

		if (s->number == number)
			return s;
	}
	return NULL; /* nobody waits for it any more */
}

static void
take(struct secrets *all, char *packet, size_t n)
{
	struct secret_answer head;
	struct secret *s;

	memcpy(&head, packet, sizeof(head));
	packet += sizeof(head);
	packet[n -= sizeof(head)] = '\0';
	if ((s = find(all, head.number)) == NULL)
		return;
	if (head.found != 1) {
		str_clean(packet, n + 1, packet, n);
		finish(s, packet);
		return;
	}
	memcpy(s->text, packet, n + 1);
	finish(s, NULL);
}

/* With it went what was asked. The next question starts another, where that may be. */
static void
lose(struct secrets *all)
{
	watch_remove(all->reactor, &all->watch);
	helper_end(&all->helper);
	while (!list_empty(&all->asked))
		finish(list_item(all->asked.next, struct secret, link),
		    "was cut short: the process that ran it has ended");
}

static void
on_answer(void *ctx, short events)
{
	struct secrets *all = ctx;
	char packet[SECRET_ANSWER_MAX + 1];
	ssize_t n = packet_receive(all->helper.fd, packet, sizeof(packet) - 1, NULL);

	(void)events;
	if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return;
	if (n >= (ssize_t)sizeof(struct secret_answer))
		take(all, packet, (size_t)n);
	else
		lose(all);
	xwipe(packet, sizeof(packet));
}

/* --- questions --- */

static int
send_question(struct secrets *all, uint32_t number, const struct auth_want *w)
{
	const struct secret_question q = {.number = number, .port = w->port};
	char packet[SECRET_QUESTION_MAX];
	size_t n = strlen(w->host) + 1, more = w->user != NULL ? strlen(w->user) + 1 : 0;

	if (n - 1 > SECRET_HOST_MAX || more > SECRET_HOST_MAX + 1) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(packet, &q, sizeof(q));
	memcpy(packet + sizeof(q), w->host, n);
	if (more > 0)
		memcpy(packet + sizeof(q) + n, w->user, more);
	return packet_send(all->helper.fd, packet, sizeof(q) + n + more, -1);
}

void
secret_ask(struct secret *s, const struct auth_want *w)
{
	struct secrets *all = s->all;
	int64_t now = reactor_now(all->reactor);

	if (s->text == NULL)
		s->text = xcalloc(1, COMMAND_SECRET_MAX + 1);
	s->state = SECRET_ASKED;
	s->number = ++all->number;
	s->why[0] = '\0';
	list_add_tail(&all->asked, &s->link);
	if (secrets_begin(all) == -1 || send_question(all, s->number, w) == -1) {
		snprintf(s->why, sizeof(s->why), "cannot be started: %s", strerror(errno));
		timer_arm(all->reactor, &s->limit, now);
		return;
	}
	if (all->watch.slot == SIZE_MAX)
		watch_add(all->reactor, &all->watch, all->helper.fd, POLLIN);
	timer_arm(all->reactor, &s->limit, now + (int64_t)all->options.limit_s * 1000);
}

void
secret_init(struct secret *s, struct secrets *all, secret_fn *fn, void *ctx)
{
	*s = (struct secret){.all = all, .fn = fn, .ctx = ctx};
	list_init(&s->link);
	timer_init(&s->limit, on_limit, s);
}

void
secret_forget(struct secret *s)
{
	timer_disarm(s->all->reactor, &s->limit);
	if (list_linked(&s->link))
		list_remove(&s->link);
	if (list_empty(&s->all->asked))
		watch_remove(s->all->reactor, &s->all->watch);
	if (s->text != NULL)
		xwipe(s->text, COMMAND_SECRET_MAX + 1);
	free(s->text);
	s->text = NULL;
	s->state = SECRET_IDLE;
}

/* --- all of them --- */

void
secrets_init(struct secrets *all, struct reactor *r, const struct auth_helper *options)
{
	*all = (struct secrets){.reactor = r, .options = *options, .helper = {.fd = -1, .pid = -1}};
	list_init(&all->asked);
	watch_init(&all->watch, on_answer, all);
}

int
secrets_begin(struct secrets *all)
{
	if (all->helper.fd != -1)
		return 0;
	if (helper_start(&all->helper, "sortie-secrets", all->options.show_errors,
		auth_helper_serve, &all->options) == -1) {
		all->refused = true;
		return -1;
	}
	return 0;
}

void
secrets_end(struct secrets *all)
{
	watch_remove(all->reactor, &all->watch);
	helper_end(&all->helper);
}
