#include "receiver.h"

#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "dns_fake.h"

enum {
	SITES = 3,
	SESSIONS = 16, /* at once */
	RCPTS = 16, /* of one transaction */
	TEXT_MAX = 1 << 20,
	READ_SIZE = 16384,
};

struct session {
	int fd; /* -1: free */
	bool data;
	bool chunk; /* so many of its bytes are still to come */
	size_t left;
	struct buf in, text;
	char rcpts[RCPTS][RECEIVER_NAME_MAX];
	unsigned nrcpts;
};

static int listeners[SITES], dns_fd, port, dns_port;
static struct session sessions[SESSIONS];
static struct receipt *receipts;
static size_t nreceipts, receipts_cap;
static bool relented, chunking;
static struct dns_fake zone;

/* --- what was taken --- */

struct receipt *
receiver_receipts(size_t *n)
{
	*n = nreceipts;
	return receipts;
}

struct receipt *
receiver_find(const char *id, const char *rcpt)
{
	size_t i;

	for (i = 0; i < nreceipts; i++)
		if (strcmp(receipts[i].id, id) == 0 && strcmp(receipts[i].rcpt, rcpt) == 0)
			return &receipts[i];
	return NULL;
}

/* The local part of the first Message-ID field. */
static void
read_id(struct buf *text, char id[RECEIVER_NAME_MAX])
{
	const char *field = strstr(buf_str(text), "\nMessage-ID: <");

	if (field == NULL || sscanf(field, "\nMessage-ID: <%79[^@>]@", id) != 1)
		str_copy(id, RECEIVER_NAME_MAX, "?");
}

static void
take(struct buf *text, const char *rcpt)
{
	char id[RECEIVER_NAME_MAX];
	struct receipt *r;

	read_id(text, id);
	if ((r = receiver_find(id, rcpt)) == NULL) {
		receipts = xgrow(receipts, nreceipts, &receipts_cap, sizeof(*receipts));
		r = &receipts[nreceipts++];
		*r = (struct receipt){.times = 0};
		str_copy(r->id, sizeof(r->id), id);
		str_copy(r->rcpt, sizeof(r->rcpt), rcpt);
		buf_init(&r->text, TEXT_MAX);
		buf_add(&r->text, buf_data(text), buf_len(text));
	} else if (buf_len(&r->text) != buf_len(text) ||
		   memcmp(buf_data(&r->text), buf_data(text), buf_len(text)) != 0)
		r->differs = true;
	r->times++;
}

void
receiver_put(const char *rcpt, struct buf *text)
{
	take(text, rcpt);
}

/* --- a session --- */

static void
hang_up(struct session *s)
{
	close(s->fd);
	s->fd = -1;
	s->data = s->chunk = false;
	s->nrcpts = 0;
	buf_free(&s->in);
	buf_free(&s->text);
}

static void
say(struct session *s, const char *reply)
{
	/* So little fits into any socket's buffer; who does not listen any more does not matter. */
	if (send(s->fd, reply, strlen(reply), MSG_NOSIGNAL) < 0 && errno == EAGAIN)
		die(EX_SOFTWARE, "receiver: a reply does not fit");
}

static void
on_rcpt(struct session *s, const char *line)
{
	char *to = s->rcpts[s->nrcpts];

	if (s->nrcpts == RCPTS - 1 || sscanf(line, "RCPT TO:<%79[^>]>", to) != 1)
		say(s, "501 5.1.3 what?\r\n");
	else if (str_starts(to, "no"))
		say(s, "550 5.1.1 no such user\r\n");
	else if (str_starts(to, "later") && !relented)
		say(s, "451 4.7.1 later\r\n");
	else {
		s->nrcpts++;
		say(s, "250 2.1.5 ok\r\n");
	}
}

static void
on_command(struct session *s, const char *line)
{
	if (str_starts(line, "EHLO")) {
		say(s, chunking ? "250-receiver.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n"
				  "250-CHUNKING\r\n250 ENHANCEDSTATUSCODES\r\n"
				: "250-receiver.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n"
				  "250 ENHANCEDSTATUSCODES\r\n");
	} else if (str_starts(line, "RCPT")) {
		on_rcpt(s, line);
	} else if (str_starts(line, "DATA")) {
		s->data = s->nrcpts > 0;
		buf_clear(&s->text);
		say(s, s->data ? "354 go on\r\n" : "554 5.5.1 no recipients\r\n");
	} else if (chunking && sscanf(line, "BDAT %zu LAST", &s->left) == 1) {
		s->chunk = true;
		buf_clear(&s->text);
	} else if (str_starts(line, "QUIT")) {
		say(s, "221 2.0.0 bye\r\n");
		hang_up(s);
	} else if (str_starts(line, "MAIL") || str_starts(line, "RSET")) {
		s->nrcpts = 0;
		say(s, "250 2.0.0 ok\r\n");
	} else
		say(s, "500 5.5.2 what?\r\n");
}

static void
on_end(struct session *s)
{
	unsigned i;

	for (i = 0; i < s->nrcpts; i++)
		take(&s->text, s->rcpts[i]);
	say(s, s->nrcpts > 0 ? "250 2.0.0 taken\r\n" : "503 5.5.1 no recipients\r\n");
	s->nrcpts = 0;
	s->data = s->chunk = false;
}

static void
on_data(struct session *s, const char *line)
{
	if (strcmp(line, ".") == 0)
		on_end(s);
	else
		buf_addf(&s->text, "%s\r\n", line + (line[0] == '.'));
}

/* What of the chunk is there; false: more has to come first. */
static bool
on_chunk(struct session *s)
{
	size_t n = buf_len(&s->in) < s->left ? buf_len(&s->in) : s->left;

	buf_add(&s->text, buf_data(&s->in), n);
	buf_consume(&s->in, n);
	s->left -= n;
	if (s->left > 0)
		return false;
	on_end(s);
	return true;
}

/* The next line; false: there is no whole one. */
static bool
on_line(struct session *s)
{
	const char *end = strstr(buf_str(&s->in), "\r\n");
	char *line;
	size_t n;

	if (end == NULL)
		return false;
	n = (size_t)(end - buf_data(&s->in));
	line = xstrndup(buf_data(&s->in), n);
	buf_consume(&s->in, n + 2);
	if (s->data)
		on_data(s, line);
	else
		on_command(s, line);
	free(line);
	return true;
}

static void
listen_to(struct session *s)
{
	ssize_t n = recv(s->fd, buf_reserve(&s->in, READ_SIZE), READ_SIZE, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		hang_up(s);
		return;
	}
	buf_commit(&s->in, (size_t)n);
	while (s->fd >= 0 && (s->chunk ? on_chunk(s) : on_line(s)))
		;
}

static void
greet(int fd)
{
	struct session *s = sessions;
	int on = 1;

	while (s < sessions + SESSIONS && s->fd >= 0)
		s++;
	if (s == sessions + SESSIONS)
		die(EX_SOFTWARE, "receiver: too many connections");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	s->fd = fd;
	buf_init(&s->in, TEXT_MAX);
	buf_init(&s->text, TEXT_MAX);
	say(s, "220 receiver.example ESMTP\r\n");
}

static void
answer_query(void)
{
	static uint8_t answer[DNS_FAKE_MAX];
	uint8_t query[1500];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t n =
	    recvfrom(dns_fd, query, sizeof(query), MSG_DONTWAIT, (struct sockaddr *)&from, &len);
	size_t size;

	if (n <= 0)
		return;
	if ((size = dns_fake_answer(&zone, query, (size_t)n, false, answer)) > 0)
		sendto(dns_fd, answer, size, MSG_DONTWAIT, (struct sockaddr *)&from, len);
}

/* --- turns --- */

bool
receiver_turn(int fd, int timeout_ms)
{
	enum { DNS = SITES, FIRST, OTHER = FIRST + SESSIONS, ALL };
	struct pollfd p[ALL];
	int i, new;

	for (i = 0; i < SITES; i++)
		p[i] = (struct pollfd){.fd = listeners[i], .events = POLLIN};
	p[DNS] = (struct pollfd){.fd = dns_fd, .events = POLLIN};
	for (i = 0; i < SESSIONS; i++)
		p[FIRST + i] = (struct pollfd){.fd = sessions[i].fd, .events = POLLIN};
	p[OTHER] = (struct pollfd){.fd = fd, .events = POLLIN};
	if (poll(p, ALL, timeout_ms) <= 0)
		return false;
	for (i = 0; i < SESSIONS; i++)
		if (sessions[i].fd >= 0 && p[FIRST + i].revents != 0)
			listen_to(&sessions[i]);
	for (i = 0; i < SITES; i++)
		while (p[i].revents != 0 && (new = accept(listeners[i], NULL, NULL)) >= 0)
			greet(new);
	if (p[DNS].revents != 0)
		answer_query();
	return p[OTHER].revents != 0;
}

void
receiver_offer_chunking(bool offered)
{
	chunking = offered;
}

unsigned
receiver_sessions(void)
{
	unsigned n = 0;
	size_t i;

	for (i = 0; i < SESSIONS; i++)
		n += sessions[i].fd >= 0;
	return n;
}

void
receiver_drain(void)
{
	receiver_turn(-1, 0); /* one may have connected and died */
	while (receiver_sessions() > 0)
		receiver_turn(-1, 1000);
}

void
receiver_relent(void)
{
	relented = true;
}

void
receiver_reset(void)
{
	size_t i;

	for (i = 0; i < SESSIONS; i++)
		if (sessions[i].fd >= 0)
			hang_up(&sessions[i]);
	for (i = 0; i < nreceipts; i++)
		buf_free(&receipts[i].text);
	nreceipts = 0;
	relented = false;
}

/* --- opening --- */

static int
bind_at(int type, unsigned nth, int *at_port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)*at_port)};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, type, 0), on = 1;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK + nth);
	if (fd < 0)
		die(EX_OSERR, "receiver: no socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) != 0) {
		close(fd);
		return -1;
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	*at_port = ntohs(at.sin_port);
	return fd;
}

/* A port that is free at all of the addresses. */
static bool
bind_all(void)
{
	int i;

	port = 0;
	for (i = 0; i < SITES; i++) {
		if ((listeners[i] = bind_at(SOCK_STREAM, (unsigned)i, &port)) < 0)
			break;
		if (listen(listeners[i], SESSIONS) != 0)
			die(EX_OSERR, "receiver: cannot listen: %s", strerror(errno));
	}
	if (i == SITES)
		return true;
	while (i > 0)
		close(listeners[--i]);
	return false;
}

void
receiver_open(void)
{
	static const char *const lines[] = {"one.example MX 10 mx.one.example",
	    "mx.one.example A 127.0.0.1", "two.example MX 10 mx.two.example",
	    "mx.two.example A 127.0.0.2", "three.example MX 10 mx.three.example",
	    "mx.three.example A 127.0.0.3"};
	size_t i;

	for (i = 0; i < SESSIONS; i++)
		sessions[i].fd = -1;
	for (i = 0; !bind_all(); i++)
		if (i == 100)
			die(EX_UNAVAILABLE, "receiver: no port is free at 127.0.0.1, .2 and .3");
	if ((dns_fd = bind_at(SOCK_DGRAM, 0, &dns_port)) < 0)
		die(EX_UNAVAILABLE, "receiver: no port for the name server");
	dns_fake_init(&zone);
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (!dns_fake_add(&zone, lines[i]))
			die(EX_SOFTWARE, "receiver: a bad line of the zone");
}

int
receiver_port(void)
{
	return port;
}

int
receiver_dns_port(void)
{
	return dns_port;
}
