/*
 * session.c: conn + smtp engine: moves bytes and deadlines between them.
 */
#include "session_impl.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/list.h"
#include "base/log.h"
#include "base/sys.h"

enum { READ_SIZE = 16384, READS_A_TURN = 4, WRITES_A_TURN = 16, BODY_SIZE = 65536 };

struct flight { /* a job handed to the engine */
	struct list link;
	unsigned mail;
	struct job *job;
	size_t nrcpts;
	size_t *index; /* theirs in the job; behind rcpts */
	bool more; /* the job has more of them than are sent at once */
	off_t offset; /* of the body, read so far */
	const char *rcpts[]; /* the unsettled ones */
};
_Static_assert(_Alignof(size_t) <= _Alignof(char *), "index may stand behind rcpts");

/* --- jobs --------------------------------------------------------------------------------- */

static struct flight *
flight_of(struct session *s, unsigned mail)
{
	list_each (pos, &s->flights) {
		struct flight *f = list_item(pos, struct flight, link);

		if (f->mail == mail)
			return f;
	}
	bug("an event about mail that is not in flight");
}

static void
flight_free(struct session *s, struct flight *f)
{
	list_remove(&f->link);
	spares_give(&s->spares, f);
}

static void
hand_over(struct session *s, struct job *j, bool last_hop)
{
	struct flight *f = spares_take(
	    &s->spares, sizeof(*f) + j->unsettled * (sizeof(f->rcpts[0]) + sizeof(*f->index)));
	struct smtp_mail m = {
	    .reverse_path = j->sender,
	    .size = j->size,
	    .eightbit = j->eightbit,
	    .no_dots = j->no_dots,
	    .verbatim = j->verbatim,
	    .last_hop = last_hop,
	};

	list_init(&f->link);
	f->job = j;
	f->index = (size_t *)(void *)(f->rcpts + j->unsettled);
	for (size_t i = 0; i < j->nrcpts; i++) {
		if (j->rcpts[i].settled)
			continue;
		f->more = j->rcpts_max > 0 && f->nrcpts == j->rcpts_max;
		if (f->more)
			break;
		f->rcpts[f->nrcpts] = j->rcpts[i].address;
		f->index[f->nrcpts++] = i;
	}
	j->relay = s->relay;
	j->begun_ms = reactor_now(s->reactor);
	j->setup_ms = s->jobs++ == 0 ? s->options.connect_ms + j->begun_ms - s->started_ms : 0;
	m.rcpts = f->rcpts;
	m.nrcpts = f->nrcpts;
	list_add_tail(&s->flights, &f->link);
	f->mail = smtp_mail(s->smtp, &m);
}

/* Hands the engine as many jobs as it takes now; false: none. */
static bool
offer(struct session *s)
{
	bool last_hop, any = false;
	struct job *j;

	while (!s->closed && s->stop == 0 && smtp_wants_mail(s->smtp)) {
		if ((j = s->ops->next(s->ctx, s, &last_hop)) == NULL)
			break;
		hand_over(s, j, last_hop);
		any = true;
	}
	return any;
}

static void
give_body(struct session *s, struct flight *f, size_t want)
{
	static char block[BODY_SIZE]; /* there is one thread, and the engine copies */
	ssize_t n;

	if (want > sizeof(block))
		want = sizeof(block);
	do
		n = sys.pread(f->job->body, block, want, f->offset);
	while (n < 0 && errno == EINTR);
	if (n < 0 || (n == 0 && want > 0 && (uint64_t)f->offset < f->job->size)) {
		smtp_body_failed(
		    s->smtp, f->mail, n < 0 ? strerror(errno) : "shorter than recorded");
		return;
	}
	f->offset += n;
	smtp_body(s->smtp, f->mail, block, (size_t)n);
}

static void
finish(struct session *s, const struct smtp_event *e)
{
	struct flight *f = flight_of(s, e->mail);
	struct job *j = f->job;
	bool again = e->again || (f->more && e->verdict == NULL);

	flight_free(s, f);
	if (e->taken > 0)
		j->rcpts_max = e->taken;
	s->delivered += e->verdict == NULL;
	s->ops->finished(s->ctx, s, j, e->verdict, again);
}

void
session_end(struct session *s, const struct session_end *end)
{
	s->closed = true;
	if (!list_empty(&s->flights))
		bug("a session closed with mail in flight");
	auth_release(&s->query);
	conn_close(&s->conn);
	s->ops->closed(s->ctx, s, end);
	task_queue(s->reactor, &s->task); /* frees it */
}

static void
on_close(struct session *s, const struct smtp_event *e)
{
	struct session_end end = {
	    .verdict = e->verdict,
	    .benign = e->benign,
	    .behind_dot = e->behind_dot,
	    .tls_failed = e->tls_failed,
	    .chunking_failed = e->chunking_failed,
	    .stopped = s->stop == 2,
	};

	session_end(s, &end);
}

static void
handle(struct session *s, const struct smtp_event *e)
{
	struct flight *f;

	switch (e->type) {
	case SMTP_STARTTLS:
		session_start_tls(s);
		break;
	case SMTP_READY:
		s->ready = true;
		auth_release(&s->query); /* the secret has done its work */
		smtp_rest(s->smtp); /* mail needs less than what came before it */
		if (s->ops->ready != NULL)
			s->ops->ready(s->ctx, s);
		break;
	case SMTP_SETTLED:
		f = flight_of(s, e->mail);
		s->ops->settled(s->ctx, s, f->job, f->index[e->rcpt], e->verdict);
		break;
	case SMTP_BODY:
		give_body(s, flight_of(s, e->mail), e->want);
		break;
	case SMTP_DONE:
		finish(s, e);
		break;
	case SMTP_CLOSE:
		on_close(s, e);
		break;
	case SMTP_NONE:
		break;
	}
}

static void
events(struct session *s)
{
	struct smtp_event e;

	while (!s->closed && smtp_next_event(s->smtp, &e))
		handle(s, &e);
}

/* --- bytes -------------------------------------------------------------------------------- */

/* Writes what there is; false when there was nothing or it is blocked. */
static bool
flush(struct session *s)
{
	const char *data;
	size_t n = smtp_output(s->smtp, &data);
	ssize_t done;

	s->blocked = false;
	if (n == 0 || s->write_errno != 0)
		return false;
	done = conn_write(s->conn, data, n);
	if (done < 0) {
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			s->blocked = true;
		else
			s->write_errno = errno;
		return false;
	}
	smtp_sent(s->smtp, (size_t)done);
	return true;
}

/* The time the server has runs anew whenever the engine says so. */
static void
set_deadline(struct session *s)
{
	unsigned serial = s->serial;
	int patience_s = smtp_patience(s->smtp, &serial);

	if (s->shaking) /* the handshake has a deadline of its own */
		return;
	if (serial == s->serial && patience_s == s->patience_s)
		return;
	s->serial = serial;
	s->patience_s = patience_s;
	conn_deadline(
	    s->conn, patience_s == 0 ? 0 : reactor_now(s->reactor) + (int64_t)patience_s * 1000);
}

/* Events first, then new jobs, then one write for all that came of it. */
void
session_pump(struct session *s)
{
	int writes = 0;

	do {
		do
			events(
			    s); /* among them bodies, and behind each there may be room for more */
		while (offer(s));
	} while (!s->closed && flush(s) && ++writes < WRITES_A_TURN);
	if (s->closed)
		return;
	if (!s->welcome && (s->login == NULL ? smtp_greeted(s->smtp) : s->ready)) {
		s->welcome = true;
		if (s->ops->welcome != NULL)
			s->ops->welcome(s->ctx, s);
	}
	/* after so much of a large message it is the others' turn */
	conn_want(s->conn, true, s->blocked || writes == WRITES_A_TURN);
	set_deadline(s);
	if (s->ready && s->stop == 0 && smtp_idle(s->smtp)) {
		smtp_rest(s->smtp);
		spares_free(&s->spares);
		s->ops->idle(s->ctx, s);
	}
}

static void
feed(struct session *s, const char *data, size_t n)
{
	while (n > 0 && !s->closed) {
		size_t took = smtp_input(s->smtp, data, n);

		data += took;
		n -= took;
		events(s);
		if (n > 0 && took == 0 && !s->closed)
			bug("the engine takes no input and has no event");
	}
}

static void
receive(struct session *s)
{
	static char block[READ_SIZE];

	for (int i = 0; i < READS_A_TURN && !s->closed; i++) {
		ssize_t n = conn_read(s->conn, block, sizeof(block));

		if (n > 0) {
			feed(s, block, (size_t)n);
			if ((size_t)n < sizeof(block))
				break;
			continue;
		}
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (n == 0 && s->write_errno == 0)
			smtp_lost(s->smtp, "the server closed the connection");
		else
			smtp_lost(s->smtp, strerror(n < 0 ? errno : s->write_errno));
		events(s);
		break;
	}
}

static void
on_conn(void *ctx, enum conn_event event)
{
	struct session *s = ctx;

	if (session_tls_event(s, event))
		return;
	if (event == CONN_DEADLINE) {
		s->patience_s = 0;
		smtp_timeout(s->smtp);
	} else {
		receive(s);
	}
	if (!s->closed)
		session_pump(s);
}

/* --- the outside -------------------------------------------------------------------------- */

static void
session_free(struct session *s)
{
	smtp_free(&s->smtp);
	spares_free(&s->spares);
	auth_release(&s->query);
	free(s->login);
	free(s->relay);
	free(s);
}

static void
on_task(void *ctx)
{
	struct session *s = ctx;

	if (s->closed) {
		session_free(s);
		return;
	}
	if (s->smtp == NULL) {
		session_prepare(s);
		return;
	}
	if (s->stop == 2)
		smtp_lost(s->smtp, "stopped");
	else if (s->stop == 1)
		smtp_stop(s->smtp);
	session_pump(s);
}

static void
on_trace(void *ctx, char dir, const char *line)
{
	const struct session *s = ctx;

	trace_line(s->options.trace, "%c%c%c %s %s", dir, dir, dir, s->relay, line);
}

/* RFC 5321 4.1.4: without a name of its own a client sends its address literal. */
static void
address_literal(const struct conn *c, char *dst, size_t size)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	char ip[INET6_ADDRSTRLEN] = "127.0.0.1";

	memset(&ss, 0, sizeof(ss));
	if (conn_local(c, &ss, &len) == 0 && ss.ss_family == AF_INET6) {
		struct sockaddr_in6 sin6;

		memcpy(&sin6, &ss, sizeof(sin6));
		inet_ntop(AF_INET6, &sin6.sin6_addr, ip, sizeof(ip));
		snprintf(dst, size, "[IPv6:%s]", ip);
		return;
	}
	if (ss.ss_family == AF_INET) {
		struct sockaddr_in sin;

		memcpy(&sin, &ss, sizeof(sin));
		inet_ntop(AF_INET, &sin.sin_addr, ip, sizeof(ip));
	}
	snprintf(dst, size, "[%s]", ip);
}

void
session_start_engine(struct session *s, struct smtp_options *so)
{
	static struct buf room; /* for all: there is one thread */
	const struct session_options *o = &s->options;
	char literal[INET6_ADDRSTRLEN + 8];

	if (o->helo == NULL)
		address_literal(s->conn, literal, sizeof(literal));
	so->helo = o->helo != NULL ? o->helo : literal;
	so->lmtp = o->hop->lmtp;
	so->loop_ok = o->hop->configured;
	so->may_pipeline = true;
	so->room = &room;
	so->may_chunk = !o->no_chunking && (o->network == NULL || o->network->config->chunking);
	so->ahead = o->network != NULL ? o->network->ahead : 0;
	/* Some submission servers die of a RCPT that is there before they have answered the dot:
	 * the mail is gone, the answer lost, and what follows a duplicate. */
	so->one_behind_dot = o->one_behind_dot && !o->hop->submission && so->auth == NULL;
	memcpy(so->patience_s, o->patience_s, sizeof(so->patience_s));
	s->smtp = smtp_new(so);
	if (log_is_verbose() || o->trace != NULL)
		smtp_trace(s->smtp, on_trace, s);
	session_pump(s);
}

struct session *
session_new(struct reactor *r, struct conn *c, const struct session_options *o,
    const struct session_ops *ops, void *ctx)
{
	struct session *s = xcalloc(1, sizeof(*s));
	size_t n = strlen(o->hop->host) + strlen(o->hop->peer) + 1;

	list_init(&s->link);
	list_init(&s->flights);
	auth_query_init(&s->query);
	s->reactor = r;
	s->conn = c;
	s->options = *o;
	s->ops = ops;
	s->ctx = ctx;
	s->relay = xmalloc(n);
	snprintf(s->relay, n, "%s%s", o->hop->host, o->hop->peer);
	s->started_ms = reactor_now(r);
	task_init(&s->task, on_task, s);
	conn_handler(c, on_conn, s);
	task_queue(r, &s->task);
	return s;
}

void
session_kick(struct session *s)
{
	if (!s->closed)
		task_queue(s->reactor, &s->task);
}

void
session_quit(struct session *s)
{
	if (s->closed)
		return;
	if (s->smtp != NULL)
		smtp_quit(s->smtp);
	else
		s->stop = 1;
	task_queue(s->reactor, &s->task);
}

void
session_stop(struct session *s, bool hard)
{
	if (s->closed)
		return;
	s->stop = hard ? 2 : 1;
	task_queue(s->reactor, &s->task);
}

const char *
session_relay(const struct session *s)
{
	return s->relay;
}

const struct tls_facts *
session_tls(const struct session *s)
{
	return conn_tls(s->conn);
}

const char *
session_login(const struct session *s)
{
	return s->ready ? s->login : NULL;
}

bool
session_is_ready(const struct session *s)
{
	return s->ready;
}

bool
session_is_idle(const struct session *s)
{
	return !s->closed && s->ready && smtp_idle(s->smtp);
}

size_t
session_in_flight(const struct session *s)
{
	return s->smtp != NULL ? smtp_in_flight(s->smtp) : 0;
}

size_t
session_hop(const struct session *s)
{
	return s->options.hop_index;
}

unsigned
session_delivered(const struct session *s)
{
	return s->delivered;
}

struct list *
session_link(struct session *s)
{
	return &s->link;
}

struct session *
session_of_link(struct list *l)
{
	return list_item(l, struct session, link);
}
