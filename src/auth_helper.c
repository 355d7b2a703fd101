/* auth_helper.c: questions -> commands -> answers. */
#include "auth_helper.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth_file.h"
#include "base/alloc.h"
#include "base/list.h"
#include "base/packet.h"

struct server {
	const struct auth_helper *options;
	int sock;
	struct reactor *reactor;
	struct watch watch;
	struct reaper reaper;
	struct list jobs;
	size_t njobs;
	bool over;
};

struct job { /* one question */
	struct list link;
	struct server *server;
	uint32_t number;
	struct command command;
	struct task task; /* frees it */
};

/* --- answers --- */

static void
answer(struct server *s, uint32_t number, bool found, const char *text)
{
	const struct secret_answer head = {.number = number, .found = found};
	char packet[SECRET_ANSWER_MAX];
	size_t n = strlen(text);

	memcpy(packet, &head, sizeof(head));
	memcpy(packet + sizeof(head), text, n);
	if (packet_send(s->sock, packet, sizeof(head) + n, -1) == -1)
		s->over = true;
	xwipe(packet, sizeof(packet));
}

/* Further questions wait in the socket while enough commands run; its end is seen all the same. */
static void
listen_again(struct server *s)
{
	watch_change(s->reactor, &s->watch, s->njobs < SECRETS_AT_ONCE ? POLLIN : 0);
}

static void
job_free(struct job *j)
{
	list_remove(&j->link);
	j->server->njobs--;
	command_stop(&j->command);
	task_cancel(&j->task);
	free(j);
}

static void
on_task(void *ctx)
{
	struct job *j = ctx;
	struct server *s = j->server;

	job_free(j);
	listen_again(s);
}

static void
on_command(void *ctx)
{
	struct job *j = ctx;
	bool found = j->command.state == COMMAND_DONE;

	answer(j->server, j->number, found, found ? j->command.secret : j->command.why);
	task_queue(j->server->reactor, &j->task);
}

/* --- questions --- */

static void
start(struct server *s, uint32_t number, const char *line)
{
	struct job *j = xcalloc(1, sizeof(*j));

	j->server = s;
	j->number = number;
	list_init(&j->link);
	list_add_tail(&s->jobs, &j->link);
	s->njobs++;
	task_init(&j->task, on_task, j);
	command_init(&j->command, s->reactor, &s->reaper, on_command, j);
	command_start(&j->command, line, s->options->env, s->options->limit_s);
	listen_again(s);
}

/* The string at *p, all of which is n bytes; NULL: there is none, or a bad one. */
static const char *
string(const char **p, size_t *n)
{
	const char *start = *p, *end = memchr(start, '\0', *n);
	size_t len = end != NULL ? (size_t)(end - start) : 0;

	if (end == NULL || len == 0 || len > SECRET_HOST_MAX)
		return NULL;
	*n -= len + 1;
	*p = end + 1;
	return start;
}

/* false: nonsense. */
static bool
parse(const char *p, size_t n, uint32_t *number, struct auth_want *w)
{
	struct secret_question q;

	if (n < sizeof(q))
		return false;
	memcpy(&q, p, sizeof(q));
	p += sizeof(q);
	n -= sizeof(q);
	*number = q.number;
	*w = (struct auth_want){.port = q.port, .host = string(&p, &n)};
	if (w->host == NULL || q.port > 65535)
		return false;
	return n == 0 || ((w->user = string(&p, &n)) != NULL && n == 0);
}

/* Looks it up and runs it, if there is a command for it. */
static void
serve_one(struct server *s, uint32_t number, const struct auth_want *w)
{
	struct auth_text t;
	struct auth_entry e = {.command = NULL};
	char why[SECRET_WHY_MAX + 1];
	int found = -1;

	if (auth_file_read(&t, s->options->path, false, why, sizeof(why)) == 0)
		found = auth_file_find(s->options->path, &t, w, &e, why, sizeof(why));
	if (found == 1 && e.command != NULL)
		start(s, number, e.command);
	else
		answer(s, number, false,
		    found == -1 ? why : "is not what the credentials file has for it any more");
	auth_file_free(&t);
}

static void
on_socket(void *ctx, short events)
{
	struct server *s = ctx;
	char packet[SECRET_QUESTION_MAX];
	struct auth_want w;
	uint32_t number;
	ssize_t n;

	if ((events & POLLIN) == 0) {
		s->over = true;
		return;
	}
	n = packet_receive(s->sock, packet, sizeof(packet), NULL);
	if (n == -1 && errno == EAGAIN)
		return;
	if (n > 0 && parse(packet, (size_t)n, &number, &w))
		serve_one(s, number, &w);
	else
		s->over = true;
}

void
auth_helper_serve(int sock, const void *auth_helper)
{
	struct server s = {.options = auth_helper, .sock = sock, .reactor = reactor_new()};

	list_init(&s.jobs);
	reaper_init(&s.reaper, s.reactor);
	watch_init(&s.watch, on_socket, &s);
	watch_add(s.reactor, &s.watch, sock, POLLIN);
	while (!s.over)
		reactor_turn(s.reactor);
	while (!list_empty(&s.jobs))
		job_free(list_item(s.jobs.next, struct job, link));
	watch_remove(s.reactor, &s.watch);
	reaper_end(&s.reaper);
	reactor_free(&s.reactor);
}
