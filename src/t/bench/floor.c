/*
 * floor: what a machine can do: a client that reads files, sends them, and knows nothing else: no
 * queue, no envelopes, no retries, no names. What a mailer does beyond this is its own cost. Anything
 * unexpected ends it.
 *
 *	floor [OPTION]... PORT DIR
 *
 *	--connections N     to 127.0.0.1:PORT, at most (20); never more than there are files
 *	--ahead             the next MAIL goes out with the final dot (RFC 2920 3.1)
 *	--unlink            each file is removed when it has been accepted
 *	--sync turn         the directory is synced at the end of each turn that removed something
 *	--sync message      ... after each removal
 *	--tls CA            STARTTLS; the certificate is issued by CA
 *
 * Every file is a message of whole lines that end in CRLF, none of which begins with a dot, for one
 * recipient, and is read when its DATA has been answered. Prints how many went and in how many seconds.
 */
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"

enum { PIECE = 64 * 1024, COMMANDS_MAX = 512, REPLIES_MAX = 1024, CONNECTIONS_MAX = 20000 };

/* What the next reply answers. Transactions go round from MAIL to DOT. */
enum step { GREETING, EHLO, STARTTLS, HANDSHAKE, EHLO_AGAIN, MAIL, RCPT, DATA, DOT, QUIT };

struct conn {
	int fd;
	SSL *ssl; /* NULL: clear text */
	enum step step;
	int file; /* being sent, -1: none */
	size_t message, next; /* the one whose replies come, the one sent ahead; no_message */
	char out[PIECE + COMMANDS_MAX];
	size_t out_at, out_end;
	char in[REPLIES_MAX];
	size_t in_len;
};

static const size_t no_message = (size_t)-1;

static struct {
	int port;
	size_t connections;
	bool ahead, unlink, sync_turn, sync_message;
	const char *ca, *dir;
} opt = {.connections = 20};

static char **names;
static size_t nnames, names_cap, given, done;
static struct conn *conns;
static struct pollfd *polled;
static size_t nopen;
static int dir;
static bool removed; /* something, in this turn */
static SSL_CTX *tls;

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* --- files --- */

static void
list_files(void)
{
	struct dirent *e;
	DIR *d = opendir(opt.dir);

	if (d == NULL || (dir = open(opt.dir, O_RDONLY | O_DIRECTORY)) < 0)
		die(EX_NOINPUT, "%s: %s", opt.dir, strerror(errno));
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		names = xgrow(names, nnames, &names_cap, sizeof(*names));
		names[nnames++] = xstrdup(e->d_name);
	}
	closedir(d);
}

static void
sync_dir(void)
{
	if (fsync(dir) != 0)
		die(EX_IOERR, "cannot sync: %s", strerror(errno));
}

static void
accepted(size_t message)
{
	done++;
	if (!opt.unlink)
		return;
	if (unlinkat(dir, names[message], 0) != 0)
		die(EX_IOERR, "%s: %s", names[message], strerror(errno));
	removed = true;
	if (opt.sync_message)
		sync_dir();
}

/* --- output --- */

static void
say(struct conn *c, const char *text)
{
	size_t n = strlen(text);

	if (c->out_end + n > sizeof(c->out))
		die(EX_SOFTWARE, "more commands than there is room for");
	memcpy(c->out + c->out_end, text, n);
	c->out_end += n;
}

/* The next transaction as far as DATA, or QUIT. */
static void
say_envelope(struct conn *c)
{
	char text[COMMANDS_MAX / 2];

	c->next = given < nnames ? given++ : no_message;
	if (c->next == no_message) {
		say(c, "QUIT\r\n");
		return;
	}
	snprintf(text, sizeof(text),
	    "MAIL FROM:<a@bench.example>\r\nRCPT TO:<r%zu@bench.example>\r\nDATA\r\n", c->next);
	say(c, text);
}

/* Fills the room for output with what comes next of the file; behind its end the dot. */
static void
next_piece(struct conn *c)
{
	ssize_t n = read(c->file, c->out, PIECE);

	if (n < 0)
		die(EX_IOERR, "%s: %s", names[c->message], strerror(errno));
	c->out_at = 0;
	c->out_end = (size_t)n;
	if (n == PIECE)
		return;
	close(c->file);
	c->file = -1;
	say(c, ".\r\n");
	c->next = no_message;
	if (opt.ahead)
		say_envelope(c);
}

static ssize_t
some_out(struct conn *c)
{
	const char *data = c->out + c->out_at;
	size_t n = c->out_end - c->out_at;
	int rc;

	if (c->ssl == NULL || c->step == STARTTLS)
		return send(c->fd, data, n, MSG_NOSIGNAL);
	rc = SSL_write(c->ssl, data, (int)n);
	if (rc > 0)
		return rc;
	errno = SSL_get_error(c->ssl, rc) == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
	return -1;
}

static void
flush_out(struct conn *c)
{
	while (c->out_at < c->out_end) {
		ssize_t n = some_out(c);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			die(EX_IOERR, "cannot send: %s", strerror(errno));
		c->out_at += (size_t)n;
		if (c->out_at == c->out_end) {
			c->out_at = c->out_end = 0;
			if (c->file >= 0)
				next_piece(c);
		}
	}
	polled[c - conns].events = (short)(POLLIN | (c->out_at < c->out_end ? POLLOUT : 0));
}

/* --- replies --- */

static void
shake(struct conn *c)
{
	int rc = SSL_connect(c->ssl);

	if (rc != 1 && SSL_get_error(c->ssl, rc) != SSL_ERROR_WANT_READ)
		die(EX_PROTOCOL, "no TLS: %s", ERR_reason_error_string(ERR_peek_error()));
	if (rc != 1)
		return;
	c->step = EHLO_AGAIN;
	say(c, "EHLO bench.example\r\n");
}

static void
start_tls(struct conn *c)
{
	c->step = HANDSHAKE;
	c->ssl = SSL_new(tls);
	if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1)
		die(EX_SOFTWARE, "no TLS");
	shake(c);
}

static void
start_file(struct conn *c)
{
	c->file = openat(dir, names[c->message], O_RDONLY);
	if (c->file < 0)
		die(EX_NOINPUT, "%s: %s", names[c->message], strerror(errno));
	next_piece(c);
}

static void
begin(struct conn *c)
{
	c->step = c->next == no_message ? QUIT : MAIL;
	c->message = c->next;
}

static void
on_reply(struct conn *c, char first)
{
	if (first != (c->step == DATA ? '3' : '2'))
		die(EX_PROTOCOL, "refused: %.*s", (int)c->in_len, c->in);
	switch (c->step) {
	case GREETING:
		c->step = EHLO;
		say(c, "EHLO bench.example\r\n");
		break;
	case EHLO:
		if (tls != NULL) {
			c->step = STARTTLS;
			say(c, "STARTTLS\r\n");
			break;
		}
		/* fallthrough */
	case EHLO_AGAIN:
		say_envelope(c);
		begin(c);
		break;
	case STARTTLS:
		start_tls(c);
		break;
	case MAIL:
	case RCPT:
		c->step++;
		break;
	case DATA:
		c->step = DOT;
		start_file(c);
		break;
	case DOT:
		accepted(c->message);
		if (!opt.ahead)
			say_envelope(c);
		begin(c);
		break;
	case HANDSHAKE:
	case QUIT:
		break;
	}
}

/* Answers every whole line that is the last of its reply. */
static void
on_input(struct conn *c)
{
	size_t at = 0;
	const char *nl;

	while ((nl = memchr(c->in + at, '\n', c->in_len - at)) != NULL) {
		const char *line = c->in + at;

		at = (size_t)(nl - c->in) + 1;
		if (nl - line > 3 && line[3] != '-')
			on_reply(c, line[0]);
	}
	memmove(c->in, c->in + at, c->in_len - at);
	c->in_len -= at;
}

static void
hang_up(struct conn *c)
{
	if (c->step != QUIT)
		die(EX_PROTOCOL, "the server has hung up");
	SSL_free(c->ssl);
	close(c->fd);
	polled[c - conns].fd = -1;
	nopen--;
}

static ssize_t
some_in(struct conn *c)
{
	size_t room = sizeof(c->in) - c->in_len;
	int rc, error;

	if (c->ssl == NULL)
		return recv(c->fd, c->in + c->in_len, room, 0);
	rc = SSL_read(c->ssl, c->in + c->in_len, (int)room);
	if (rc > 0)
		return rc;
	error = SSL_get_error(c->ssl, rc);
	errno = error == SSL_ERROR_WANT_READ ? EAGAIN : EPROTO;
	return error == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

static void
read_replies(struct conn *c)
{
	do {
		ssize_t n = some_in(c);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			hang_up(c);
			return;
		}
		c->in_len += (size_t)n;
		on_input(c);
	} while (c->ssl != NULL && c->step != HANDSHAKE && SSL_pending(c->ssl) > 0);
	flush_out(c);
}

static void
ready(struct conn *c, short revents)
{
	if ((revents & POLLOUT) != 0)
		flush_out(c);
	if ((revents & (POLLIN | POLLHUP | POLLERR)) == 0)
		return;
	if (c->step == HANDSHAKE) {
		shake(c);
		flush_out(c);
	} else
		read_replies(c);
}

/* --- the loop --- */

static void
open_conn(struct conn *c)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port)};
	int on = 1;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*c = (struct conn){.fd = socket(AF_INET, SOCK_STREAM, 0), .file = -1};
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		die(EX_UNAVAILABLE, "cannot connect: %s", strerror(errno));
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	polled[nopen++] = (struct pollfd){.fd = c->fd, .events = POLLIN};
}

static void
run(void)
{
	size_t n = opt.connections < nnames ? opt.connections : nnames;

	conns = xcalloc(n, sizeof(*conns));
	polled = xcalloc(n, sizeof(*polled));
	for (size_t i = 0; i < n; i++)
		open_conn(&conns[i]);
	while (nopen > 0) {
		if (poll(polled, (nfds_t)n, -1) < 0)
			die(EX_OSERR, "poll: %s", strerror(errno));
		for (size_t i = 0; i < n; i++)
			if (polled[i].fd >= 0 && polled[i].revents != 0)
				ready(&conns[i], polled[i].revents);
		if (removed && opt.sync_turn)
			sync_dir();
		removed = false;
	}
}

static void
prepare_tls(void)
{
	if (opt.ca == NULL)
		return;
	tls = SSL_CTX_new(TLS_client_method());
	if (tls == NULL || SSL_CTX_load_verify_file(tls, opt.ca) != 1)
		die(EX_NOINPUT, "%s holds no certificate", opt.ca);
	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

/* --- options --- */

LOG_NORETURN static void
usage(void)
{
	die(EX_USAGE, "usage: floor [--connections N] [--ahead] [--unlink] [--sync turn|message] "
		      "[--tls CA] PORT DIR");
}

static uint64_t
number(const char *s, uint64_t max)
{
	uint64_t n;

	if (!str_u64(s, max, &n) || n == 0)
		usage();
	return n;
}

static void
options(int argc, char **argv)
{
	int i = 1;

	for (; i + 2 < argc; i++) {
		if (strcmp(argv[i], "--ahead") == 0)
			opt.ahead = true;
		else if (strcmp(argv[i], "--unlink") == 0)
			opt.unlink = true;
		else if (strcmp(argv[i], "--connections") == 0)
			opt.connections = number(argv[++i], CONNECTIONS_MAX);
		else if (strcmp(argv[i], "--tls") == 0)
			opt.ca = argv[++i];
		else if (strcmp(argv[i], "--sync") != 0)
			usage();
		else if (strcmp(argv[++i], "turn") == 0)
			opt.sync_turn = true;
		else if (strcmp(argv[i], "message") == 0)
			opt.sync_message = true;
		else
			usage();
	}
	if (i + 2 != argc)
		usage();
	opt.port = (int)number(argv[i], 65535);
	opt.dir = argv[i + 1];
}

int
main(int argc, char **argv)
{
	double start = now();

	options(argc, argv);
	signal(SIGPIPE, SIG_IGN); /* OpenSSL's own BIO writes with write(2) */
	list_files();
	prepare_tls();
	run();
	printf("messages %zu\nseconds %.3f\n", done, now() - start);
	return done == nnames ? 0 : EX_SOFTWARE;
}
