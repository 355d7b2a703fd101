/*
 * tlssink: SMTP servers with TLS that take everything, for whole-program runs. Loopback only.
 *
 *	tlssink --certs DIR --ports FILE [--record FILE] [--auth WORD] CASE...
 *
 * Every CASE is a server at a port of its own: the name of a certificate of lib/certs.h (made below
 * DIR when they are not there), or, with the certificate "good":
 *
 *	stripped    STARTTLS is not offered, as behind a proxy that takes it out
 *	refused     STARTTLS is answered with 454
 *	killed      the connection ends as soon as the handshake begins
 *	garbled     the handshake is answered with something else
 *	tls1.0      nothing newer is spoken
 *	tls1.2      the same
 *
 * CASE+implicit shakes hands first, as on port 465. FILE gets a line "PORT CASE" for each once all
 * listen. For each message taken a line "CASE tls|clear Message-ID" is recorded, with "auth" behind it
 * when the client has logged in: AUTH PLAIN is offered everywhere, in clear text too, when --auth
 * says what it must come with (in base64).
 *
 * On SIGTERM it prints what it counted and ends.
 */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/str.h"
#include "certs.h"
#include "tls_server.h"
#include "whole.h"

enum { CASES_MAX = 50, CLIENTS_MAX = 200, INPUT_MAX = 64 * 1024 };

struct server {
	const char *name; /* without +implicit */
	bool implicit;
	int fd, port;
	struct tls_server *tls;
};

enum client_state { SHAKING, COMMAND, HEADER, BODY };

struct client {
	int fd; /* -1: free */
	const struct server *server;
	struct tls_peer *peer; /* NULL: clear text */
	enum client_state state;
	bool quit, auth;
	struct buf in, out;
	char message_id[256];
};

static const char *certs_dir, *ports_file, *auth;
static FILE *record;
static struct server servers[CASES_MAX];
static size_t nservers;
static struct client clients[CLIENTS_MAX];
static struct pollfd polled[CASES_MAX + CLIENTS_MAX];
static struct {
	unsigned connections, full, resumed, failed, messages, open, peak;
} count;
static volatile sig_atomic_t stop;

static void
on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static void
client_close(struct client *c)
{
	if (c->peer != NULL)
		tls_peer_close_notify(c->peer);
	tls_peer_free(&c->peer);
	close(c->fd);
	c->fd = -1;
	buf_clear(&c->in);
	buf_clear(&c->out);
	count.open--;
}

static void
client_write(struct client *c)
{
	while (c->state != SHAKING && buf_len(&c->out) > 0) {
		ssize_t n = c->peer != NULL
				? tls_peer_send(c->peer, buf_data(&c->out), buf_len(&c->out))
				: send(c->fd, buf_data(&c->out), buf_len(&c->out), MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			client_close(c);
			return;
		}
		buf_consume(&c->out, (size_t)n);
	}
	if (c->quit)
		client_close(c);
}

/* --- the handshake --- */

static void
begin_tls(struct client *c)
{
	buf_clear(&c->in); /* what came too early is none of TLS's */
	c->auth = false;
	c->state = SHAKING;
	if (c->server->tls != NULL)
		c->peer = tls_peer_new(c->server->tls, c->fd);
}

static void
shake(struct client *c)
{
	static const char garbage[] = "this is not TLS\r\n";
	int rc = 0;

	if (strcmp(c->server->name, "garbled") == 0)
		send(c->fd, garbage, sizeof(garbage) - 1, MSG_NOSIGNAL);
	if (c->peer == NULL || (rc = tls_peer_accept(c->peer)) < 0) {
		count.failed++;
		client_close(c);
	} else if (rc == 1) {
		*(tls_peer_resumed(c->peer) ? &count.resumed : &count.full) += 1;
		c->state = COMMAND;
		if (c->server->implicit)
			buf_adds(&c->out, "220 mx.example.org ESMTP\r\n");
		client_write(c);
	}
}

/* --- the conversation --- */

static bool
is(const char *line, const char *verb)
{
	return strncasecmp(line, verb, strlen(verb)) == 0;
}

static void
on_ehlo(struct client *c)
{
	buf_adds(&c->out, "250-mx.example.org\r\n");
	if (c->peer == NULL && strcmp(c->server->name, "stripped") != 0)
		buf_adds(&c->out, "250-STARTTLS\r\n");
	if (auth != NULL)
		buf_adds(&c->out, "250-AUTH PLAIN\r\n");
	buf_adds(&c->out, "250-PIPELINING\r\n250 8BITMIME\r\n");
}

static void
on_command(struct client *c, const char *line)
{
	const char *answer = "250 2.0.0 ok\r\n";

	if (is(line, "EHLO")) {
		on_ehlo(c);
		return;
	}
	if (is(line, "STARTTLS")) {
		answer = strcmp(c->server->name, "refused") == 0 ? "454 4.7.0 not now\r\n"
								 : "220 2.0.0 go on\r\n";
		send(c->fd, answer, strlen(answer), MSG_NOSIGNAL);
		if (answer[0] == '2')
			begin_tls(c);
		return;
	}
	if (is(line, "AUTH PLAIN ")) {
		c->auth = auth != NULL && strcmp(line + 11, auth) == 0;
		answer = c->auth ? "235 2.7.0 welcome\r\n" : "535 5.7.8 no\r\n";
	} else if (is(line, "DATA")) {
		c->state = HEADER;
		answer = "354 go on\r\n";
	} else if (is(line, "QUIT")) {
		c->quit = true;
		answer = "221 2.0.0 bye\r\n";
	}
	buf_adds(&c->out, answer);
}

static void
on_data(struct client *c, const char *line)
{
	if (strcmp(line, ".") == 0) {
		if (record != NULL) {
			fprintf(record, "%s %s %s%s\n", c->server->name,
			    c->peer != NULL ? "tls" : "clear", c->message_id,
			    c->auth ? " auth" : "");
			fflush(record);
		}
		count.messages++;
		c->state = COMMAND;
		buf_adds(&c->out, "250 2.0.0 taken\r\n");
	} else if (line[0] == '\0') {
		c->state = BODY;
	} else if (c->state == HEADER && is(line, "Message-ID: ")) {
		str_copy(c->message_id, sizeof(c->message_id), line + 12);
	}
}

static void
on_input(struct client *c)
{
	char *nl;

	while (c->fd >= 0 && !c->quit && c->state != SHAKING &&
	       (nl = memchr(buf_data(&c->in), '\n', buf_len(&c->in))) != NULL) {
		char *line = xstrndup(buf_data(&c->in), (size_t)(nl - buf_data(&c->in)));

		buf_consume(&c->in, strlen(line) + 1);
		line[strcspn(line, "\r")] = '\0';
		if (c->state == COMMAND)
			on_command(c, line);
		else
			on_data(c, line);
		free(line);
	}
}

static void
client_read(struct client *c)
{
	ssize_t n;

	do {
		char *room = buf_reserve(&c->in, INPUT_MAX);

		n = c->peer != NULL ? tls_peer_recv(c->peer, room, INPUT_MAX)
				    : recv(c->fd, room, INPUT_MAX, 0);
		if (n > 0) {
			buf_commit(&c->in, (size_t)n);
			on_input(c);
		}
	} while (n > 0 && c->fd >= 0 && c->state != SHAKING && !c->quit);
	if (c->fd < 0 || c->state == SHAKING)
		return;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		client_close(c);
	else
		client_write(c);
}

/* --- connections --- */

static void
accept_one(const struct server *s)
{
	int fd = accept(s->fd, NULL, NULL), on = 1;
	struct client *c = clients;

	if (fd < 0)
		return;
	while (c < clients + CLIENTS_MAX && c->fd >= 0)
		c++;
	if (c == clients + CLIENTS_MAX)
		die(EX_UNAVAILABLE, "more than %d connections", CLIENTS_MAX);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c->fd = fd;
	c->server = s;
	c->quit = c->auth = false;
	c->state = COMMAND;
	count.connections++;
	if (++count.open > count.peak)
		count.peak = count.open;
	if (s->implicit)
		begin_tls(c);
	else
		buf_adds(&c->out, "220 mx.example.org ESMTP\r\n");
	client_write(c);
}

static void
open_server(struct server *s, char *name)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	struct tls_server_options o = {.lowest = 0x0301};
	char *plus = strchr(name, '+'), pem[256];
	socklen_t len = sizeof(sin);
	bool cert = false;

	s->implicit = plus != NULL;
	if (plus != NULL)
		*plus = '\0';
	s->name = name;
	for (size_t i = 0; certs_names[i] != NULL; i++)
		cert = cert || strcmp(name, certs_names[i]) == 0;
	snprintf(pem, sizeof(pem), "%s/%s.pem", certs_dir, cert ? name : "good");
	o.pem = pem;
	if (strcmp(name, "tls1.0") == 0)
		o.highest = 0x0301;
	if (strcmp(name, "tls1.2") == 0)
		o.highest = 0x0303;
	if (strcmp(name, "killed") != 0)
		s->tls = tls_server_new(&o);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&sin, sizeof(sin)) != 0 ||
	    listen(s->fd, 1024) != 0 || getsockname(s->fd, (struct sockaddr *)&sin, &len) != 0)
		die(EX_UNAVAILABLE, "cannot listen: %s", strerror(errno));
	fcntl(s->fd, F_SETFL, O_NONBLOCK);
	s->port = ntohs(sin.sin_port);
}

static void
turn(void)
{
	for (size_t i = 0; i < nservers; i++)
		polled[i] = (struct pollfd){.fd = servers[i].fd, .events = POLLIN};
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		polled[nservers + i] = (struct pollfd){.fd = clients[i].fd,
		    .events = (short)(POLLIN |
				      (buf_len(&clients[i].out) > 0 && clients[i].state != SHAKING
					      ? POLLOUT
					      : 0))};
	if (poll(polled, (nfds_t)(nservers + CLIENTS_MAX), -1) <= 0)
		return;
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		short got = polled[nservers + i].revents;

		if (clients[i].fd >= 0 && (got & POLLOUT) != 0)
			client_write(&clients[i]);
		if (clients[i].fd < 0 || (got & (POLLIN | POLLHUP | POLLERR)) == 0)
			continue;
		if (clients[i].state == SHAKING)
			shake(&clients[i]);
		else
			client_read(&clients[i]);
	}
	for (size_t i = 0; i < nservers; i++)
		if (polled[i].revents != 0)
			accept_one(&servers[i]);
}

LOG_NORETURN static void
usage(void)
{
	die(EX_USAGE,
	    "usage: tlssink --certs DIR --ports FILE [--record FILE] [--auth WORD] CASE...");
}

static void
options(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (argv[i][0] != '-' && nservers < CASES_MAX) {
			servers[nservers++].name = argv[i];
			continue;
		}
		if (value == NULL)
			usage();
		if (strcmp(argv[i], "--certs") == 0)
			certs_dir = value;
		else if (strcmp(argv[i], "--ports") == 0)
			ports_file = value;
		else if (strcmp(argv[i], "--auth") == 0)
			auth = value;
		else if (strcmp(argv[i], "--record") != 0 || (record = fopen(value, "a")) == NULL)
			usage();
		i++;
	}
	if (certs_dir == NULL || ports_file == NULL || nservers == 0)
		usage();
}

/* Appears complete. */
static void
write_ports(void)
{
	char temporary[256];
	struct buf b;

	buf_init(&b, INPUT_MAX);
	for (size_t i = 0; i < nservers; i++)
		buf_addf(&b, "%d %s%s\n", servers[i].port, servers[i].name,
		    servers[i].implicit ? "+implicit" : "");
	snprintf(temporary, sizeof(temporary), "%s.new", ports_file);
	whole_write_file(temporary, "%s", buf_str(&b));
	if (rename(temporary, ports_file) != 0)
		die(EX_CANTCREAT, "%s: %s", ports_file, strerror(errno));
	buf_free(&b);
}

int
main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_signal};
	char ca[256];

	options(argc, argv);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	snprintf(ca, sizeof(ca), "%s/ca.pem", certs_dir);
	if (access(ca, R_OK) != 0)
		certs_make(certs_dir);
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		clients[i].fd = -1;
		buf_init(&clients[i].in, 2 * INPUT_MAX);
		buf_init(&clients[i].out, INPUT_MAX);
	}
	for (size_t i = 0; i < nservers; i++)
		open_server(&servers[i], argv[argc - (int)nservers + (int)i]);
	write_ports();
	while (!stop)
		turn();
	printf("connections %u\npeak %u\nfull %u\nresumed %u\nfailed %u\nmessages %u\n",
	    count.connections, count.peak, count.full, count.resumed, count.failed, count.messages);
	return 0;
}
