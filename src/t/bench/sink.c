/*
 * sink: an SMTP server that takes everything, for whole-program runs. It listens on loopback only.
 *
 *	sink [--port N] [--port-file FILE] [--addresses N] [--latency MS] [--record FILE]
 *	     [--reject] [--greylist] [--no-pipelining]
 *
 *	--port N        0 (the default): any free one, the same on every address
 *	--port-file F   the port is written there once the sink listens
 *	--addresses N   listen on the first N of 127.0.0.1, 127.0.0.2, ...
 *	--latency MS    every reply goes out that long after its command came in
 *	--record FILE   for each recipient of an accepted message a line "MESSAGE-ID RECIPIENT" is
 *	                appended when its end of data is read, one write(2) a message; the 250 comes
 *	                after that (and after the latency), as with a server that keeps its promises
 *	--reject        every RCPT is refused for good
 *	--greylist      the first RCPT for each recipient gets 451
 *
 * On SIGTERM or SIGINT it prints what it counted and ends. The command XSINK is answered with the
 * number of other open connections.
 */
#include <sys/socket.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/str.h"
#include "whole.h"

enum {
	INPUT_MAX = 64 * 1024, /* one read, and the longest line */
	OUTPUT_MAX = 1024 * 1024,
	RECORD_MAX = 64 * 1024 * 1024,
	ADDRESSES_MAX = 1024,
};

enum client_state { COMMAND, HEADER, BODY };

struct client {
	int fd; /* -1: free */
	unsigned serial; /* of the connection, so that a late reply does not reach the next one */
	enum client_state state;
	bool quit, mail;
	size_t rcpts;
	struct buf in, out;
	struct buf recipients; /* one a line */
	char message_id[256];
};

struct reply { /* waiting for its time */
	int64_t due_ns;
	size_t client;
	unsigned serial;
	char text[40]; /* "": one of the constants */
	const char *constant;
};

static struct {
	int port, addresses;
	int64_t latency_ns;
	const char *port_file;
	int record; /* descriptor, -1: none */
	bool reject, greylist, no_pipelining;
} opt = {.addresses = 1, .record = -1};

static struct {
	uint64_t connections, messages, recipients, bytes;
	size_t open, peak;
	int64_t first_ns, last_ns; /* first connection, last message */
} count;

/* polled[0..listeners) listen; behind them a client each, in step with clients[]. */
static struct pollfd *polled;
static struct client *clients;
static size_t nclients, clients_cap, polled_cap, listeners;

/* All replies wait equally long, so a queue is in order of time. */
static struct reply *waiting;
static size_t waiting_start, waiting_end, waiting_cap;

/* Recipients that have been put off once: hashes in a table of open addresses. */
static uint64_t *seen;
static size_t nseen, seen_cap;

static volatile sig_atomic_t stop;

static void
on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static int64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static uint64_t
hash(const char *s, size_t n)
{
	uint64_t h = whole_digest(WHOLE_DIGEST, s, n);

	return h != 0 ? h : 1;
}

static void
seen_put(uint64_t h)
{
	size_t i = (size_t)h & (seen_cap - 1);

	while (seen[i] != 0)
		i = (i + 1) & (seen_cap - 1);
	seen[i] = h;
	nseen++;
}

/* Whether it was asked about before. */
static bool
seen_before(uint64_t h)
{
	size_t i;

	if (2 * (nseen + 1) > seen_cap) {
		uint64_t *old = seen;
		size_t cap = seen_cap;

		seen_cap = cap != 0 ? 2 * cap : 1024;
		seen = xcalloc(seen_cap, sizeof(*seen));
		nseen = 0;
		for (i = 0; i < cap; i++)
			if (old[i] != 0)
				seen_put(old[i]);
		free(old);
	}
	for (i = (size_t)h & (seen_cap - 1); seen[i] != 0; i = (i + 1) & (seen_cap - 1))
		if (seen[i] == h)
			return true;
	seen_put(h);
	return false;
}

/* --- replies --- */

static void
client_close(struct client *c)
{
	size_t i = (size_t)(c - clients);

	close(c->fd);
	c->fd = polled[listeners + i].fd = -1;
	c->serial++;
	buf_clear(&c->in);
	buf_clear(&c->out);
	count.open--;
}

static void
client_write(struct client *c)
{
	size_t i = (size_t)(c - clients);

	while (buf_len(&c->out) > 0) {
		ssize_t n = send(c->fd, buf_data(&c->out), buf_len(&c->out), MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			client_close(c);
			return;
		}
		buf_consume(&c->out, (size_t)n);
	}
	polled[listeners + i].events = (short)(POLLIN | (buf_len(&c->out) > 0 ? POLLOUT : 0));
	if (c->quit && buf_len(&c->out) == 0 && opt.latency_ns == 0)
		client_close(c);
}

static void
reply(struct client *c, const char *constant, const char *text)
{
	struct reply *r;

	if (opt.latency_ns == 0) {
		buf_adds(&c->out, constant != NULL ? constant : text);
		return;
	}
	if (waiting_start > 0 && waiting_start == waiting_end)
		waiting_start = waiting_end = 0;
	waiting = xgrow(waiting, waiting_end, &waiting_cap, sizeof(*waiting));
	r = &waiting[waiting_end++];
	r->due_ns = now_ns() + opt.latency_ns;
	r->client = (size_t)(c - clients);
	r->serial = c->serial;
	r->constant = constant;
	str_copy(r->text, sizeof(r->text), text != NULL ? text : "");
}

/* Sends what is due; returns how long poll(2) may wait for the next, -1: for ever. */
static int
send_due(void)
{
	int64_t now = now_ns();

	while (waiting_start < waiting_end) {
		struct reply *r = &waiting[waiting_start];
		struct client *c = &clients[r->client];

		if (r->due_ns > now)
			return (int)((r->due_ns - now + 999999) / 1000000);
		waiting_start++;
		if (c->fd < 0 || c->serial != r->serial)
			continue;
		buf_adds(&c->out, r->constant != NULL ? r->constant : r->text);
		client_write(c);
		if (c->fd >= 0 && c->quit && r->constant != NULL &&
		    strncmp(r->constant, "221", 3) == 0)
			client_close(c);
	}
	return -1;
}

/* --- the conversation --- */

/* The address between < and >, at most up to the end of the line. */
static const char *
path(const char *line, size_t n, size_t *len)
{
	const char *open = memchr(line, '<', n), *close;

	if (open == NULL || (close = memchr(open, '>', n - (size_t)(open - line))) == NULL)
		return NULL;
	*len = (size_t)(close - open) - 1;
	return open + 1;
}

static void
reset(struct client *c)
{
	c->mail = false;
	c->rcpts = 0;
	c->message_id[0] = '\0';
	buf_clear(&c->recipients);
}

static void
on_rcpt(struct client *c, const char *line, size_t n)
{
	const char *address;
	size_t len;

	if (!c->mail) {
		reply(c, "503 5.5.1 MAIL first\r\n", NULL);
		return;
	}
	if ((address = path(line, n, &len)) == NULL) {
		reply(c, "501 5.1.3 no address\r\n", NULL);
		return;
	}
	if (opt.reject) {
		reply(c, "550 5.1.1 no such user\r\n", NULL);
		return;
	}
	if (opt.greylist && !seen_before(hash(address, len))) {
		reply(c, "451 4.7.1 greylisted, try again\r\n", NULL);
		return;
	}
	c->rcpts++;
	buf_add(&c->recipients, address, len);
	buf_addc(&c->recipients, '\n');
	reply(c, "250 2.1.5 ok\r\n", NULL);
}

static void
on_ehlo(struct client *c)
{
	reset(c);
	if (opt.no_pipelining)
		reply(c, "250-sink\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n", NULL);
	else
		reply(c,
		    "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 104857600\r\n"
		    "250 ENHANCEDSTATUSCODES\r\n",
		    NULL);
}

static bool
is(const char *line, size_t n, const char *verb)
{
	size_t len = strlen(verb);

	return n >= len && strncasecmp(line, verb, len) == 0;
}

static void
on_command(struct client *c, const char *line, size_t n)
{
	if (is(line, n, "EHLO"))
		on_ehlo(c);
	else if (is(line, n, "HELO"))
		reply(c, "250 sink\r\n", NULL);
	else if (is(line, n, "MAIL")) {
		reset(c);
		c->mail = true;
		reply(c, "250 2.1.0 ok\r\n", NULL);
	} else if (is(line, n, "RCPT"))
		on_rcpt(c, line, n);
	else if (is(line, n, "DATA")) {
		if (c->rcpts == 0)
			reply(c, "554 5.5.1 no valid recipients\r\n", NULL);
		else {
			c->state = HEADER;
			reply(c, "354 go on\r\n", NULL);
		}
	} else if (is(line, n, "RSET") || is(line, n, "NOOP")) {
		reset(c);
		reply(c, "250 2.0.0 ok\r\n", NULL);
	} else if (is(line, n, "QUIT")) {
		c->quit = true;
		reply(c, "221 2.0.0 bye\r\n", NULL);
	} else if (is(line, n, "XSINK")) {
		char text[40];

		snprintf(text, sizeof(text), "250 %zu others\r\n", count.open - 1);
		reply(c, NULL, text);
	} else
		reply(c, "500 5.5.2 what?\r\n", NULL);
}

/* One write for the whole message, so that a reader never sees half of it. */
static void
record(struct client *c)
{
	const char *at = buf_data(&c->recipients), *end = at + buf_len(&c->recipients);
	struct buf lines;

	buf_init(&lines, RECORD_MAX);
	while (at < end) {
		const char *nl = memchr(at, '\n', (size_t)(end - at));

		buf_addf(&lines, "%s ", c->message_id[0] != '\0' ? c->message_id : "-");
		buf_add(&lines, at, (size_t)(nl - at) + 1);
		at = nl + 1;
	}
	if (lines.overflow ||
	    write(opt.record, buf_data(&lines), buf_len(&lines)) != (ssize_t)buf_len(&lines))
		die(EX_IOERR, "cannot write the record: %s", strerror(errno));
	buf_free(&lines);
}

static void
on_end_of_data(struct client *c)
{
	if (opt.record >= 0)
		record(c);
	count.messages++;
	count.recipients += c->rcpts;
	count.last_ns = now_ns();
	reset(c);
	c->state = COMMAND;
	reply(c, "250 2.0.0 taken\r\n", NULL);
}

static void
on_data(struct client *c, const char *line, size_t n)
{
	static const char name[] = "Message-ID:";

	count.bytes += n + 2;
	if (n == 1 && line[0] == '.')
		on_end_of_data(c);
	else if (n == 0)
		c->state = BODY;
	else if (c->state == HEADER && is(line, n, name)) {
		const char *id = line + strlen(name);

		n -= strlen(name);
		while (n > 0 && *id == ' ') {
			id++;
			n--;
		}
		snprintf(c->message_id, sizeof(c->message_id), "%.*s", (int)n, id);
	}
}

static void
on_input(struct client *c)
{
	const char *nl;

	while (!c->quit && (nl = memchr(buf_data(&c->in), '\n', buf_len(&c->in))) != NULL) {
		const char *line = buf_data(&c->in);
		size_t n = (size_t)(nl - line);
		size_t text = n > 0 && line[n - 1] == '\r' ? n - 1 : n;

		if (c->state == COMMAND)
			on_command(c, line, text);
		else
			on_data(c, line, text);
		buf_consume(&c->in, n + 1);
	}
}

static void
client_read(struct client *c)
{
	char *room = buf_reserve(&c->in, INPUT_MAX);
	ssize_t n = recv(c->fd, room, INPUT_MAX, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_close(c);
		return;
	}
	buf_commit(&c->in, (size_t)n);
	on_input(c);
	if (buf_len(&c->in) > INPUT_MAX)
		client_close(c);
	else
		client_write(c);
}

/* --- connections --- */

static struct client *
free_client(void)
{
	struct client *c;
	size_t i;

	for (i = 0; i < nclients; i++)
		if (clients[i].fd < 0)
			return &clients[i];
	clients = xgrow(clients, nclients, &clients_cap, sizeof(*clients));
	polled = xgrow(polled, listeners + nclients, &polled_cap, sizeof(*polled));
	c = &clients[nclients++];
	*c = (struct client){.fd = -1};
	buf_init(&c->in, 2 * INPUT_MAX);
	buf_init(&c->out, OUTPUT_MAX);
	buf_init(&c->recipients, RECORD_MAX);
	return c;
}

static void
accept_all(int listener)
{
	int fd, on = 1;

	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		struct client *c = free_client();

		fcntl(fd, F_SETFL, O_NONBLOCK);
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		c->fd = fd;
		c->quit = false;
		c->state = COMMAND;
		reset(c);
		polled[listeners + (size_t)(c - clients)] =
		    (struct pollfd){.fd = fd, .events = POLLIN};
		if (count.connections++ == 0)
			count.first_ns = now_ns();
		if (++count.open > count.peak)
			count.peak = count.open;
		reply(c, "220 sink ESMTP\r\n", NULL);
		client_write(c);
	}
}

static int
listen_at(unsigned nth, int *port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK + nth); /* 127.0.0.1, 127.0.0.2, ... */
	sin.sin_port = htons((uint16_t)*port);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0 || listen(fd, 1024) != 0 ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) != 0) {
		close(fd);
		return -1;
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	*port = ntohs(sin.sin_port);
	return fd;
}

static void
listen_everywhere(void)
{
	unsigned i;

	for (i = 0; i < (unsigned)opt.addresses; i++) {
		int fd = listen_at(i, &opt.port);

		if (fd < 0)
			die(EX_UNAVAILABLE, "cannot listen on 127.0.0.%u: %s", i + 1,
			    strerror(errno));
		polled = xgrow(polled, listeners, &polled_cap, sizeof(*polled));
		polled[listeners++] = (struct pollfd){.fd = fd, .events = POLLIN};
	}
}

static void
turn(void)
{
	int timeout = send_due();
	size_t i;

	/* A signal that comes just before poll(2) would otherwise not be seen until something else is. */
	if (timeout < 0 || timeout > 100)
		timeout = 100;
	if (poll(polled, (nfds_t)(listeners + nclients), timeout) <= 0)
		return;
	for (i = 0; i < nclients; i++) {
		short got = polled[listeners + i].revents;

		if (clients[i].fd >= 0 && (got & POLLOUT) != 0)
			client_write(&clients[i]);
		if (clients[i].fd >= 0 && (got & (POLLIN | POLLHUP | POLLERR)) != 0)
			client_read(&clients[i]);
	}
	for (i = 0; i < listeners; i++)
		if (polled[i].revents != 0)
			accept_all(polled[i].fd);
}

LOG_NORETURN static void
usage(void)
{
	fprintf(stderr, "usage: sink [--port N] [--port-file FILE] [--addresses N] [--latency MS]\n"
			"            [--record FILE] [--reject] [--greylist] [--no-pipelining]\n");
	exit(EX_USAGE);
}

static int
number(const char *s, unsigned max)
{
	uint64_t n;

	if (s == NULL || !str_u64(s, max, &n))
		usage();
	return (int)n;
}

static void
options(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (strcmp(argv[i], "--reject") == 0)
			opt.reject = true;
		else if (strcmp(argv[i], "--greylist") == 0)
			opt.greylist = true;
		else if (strcmp(argv[i], "--no-pipelining") == 0)
			opt.no_pipelining = true;
		else if (strcmp(argv[i], "--port") == 0)
			opt.port = number(value, 65535), i++;
		else if (strcmp(argv[i], "--addresses") == 0)
			opt.addresses = number(value, ADDRESSES_MAX), i++;
		else if (strcmp(argv[i], "--latency") == 0)
			opt.latency_ns = (int64_t)number(value, 60000) * 1000000, i++;
		else if (strcmp(argv[i], "--port-file") == 0 && value != NULL)
			opt.port_file = value, i++;
		else if (strcmp(argv[i], "--record") == 0 && value != NULL) {
			opt.record = open(value, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
			if (opt.record < 0)
				die(EX_CANTCREAT, "%s: %s", value, strerror(errno));
			i++;
		} else
			usage();
	}
}

int
main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_signal};

	options(argc, argv);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	listen_everywhere();
	if (opt.port_file != NULL)
		whole_write_port(opt.port_file, opt.port);
	while (!stop)
		turn();
	printf("connections %" PRIu64 "\npeak %zu\nmessages %" PRIu64 "\nrecipients %" PRIu64
	       "\nbytes %" PRIu64 "\nseconds %.3f\n",
	    count.connections, count.peak, count.messages, count.recipients, count.bytes,
	    (double)(count.last_ns - count.first_ns) / 1e9);
	return 0;
}
