/*
 * smtpd.c: submission over SMTP: moves bytes between standard input and output and proto/smtp_server.h, and
 * messages from there to submit.h.
 */
#include "smtpd.h"

#include <sys/types.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <netinet/in.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "base/sys.h"
#include "deliver.h"
#include "privilege.h"
#include "proto/smtp_server.h"
#include "submit.h"

enum {
	PATIENCE_MS = 5 * 60 * 1000, /* RFC 5321 4.5.3.2.7 */
	FAREWELL_MS = 5 * 1000, /* for a last answer, when we have been told to stop */
	TURN_MS = 1000,
	PEER_SIZE = sizeof("[IPv6:]") + INET6_ADDRSTRLEN,
	FROM_SIZE = SMTP_SERVER_NAME_MAX + PEER_SIZE + 64,
#ifdef PIPE_BUF
	ATOM = PIPE_BUF, /* what can be written without waiting when poll(2) says so */
#else
	ATOM = 512,
#endif
};

enum ending { OPEN, GONE, BROKEN, IDLE, STOPPED };

struct smtpd {
	struct program *p;
	const char *called;
	struct smtp_server server;
	char peer[PEER_SIZE]; /* "[127.0.0.1]"; "" not by TCP */
	long long uid; /* whose mail it is */
	bool terminal; /* somebody types */
	char *login; /* NULL: not asked for yet */
	enum ending ending;
	int status; /* EX_OK, or why the last message was not taken */
	bool taken; /* some message was */
	bool undelivered; /* something is queued, and nobody has been told */
	char in[64 * 1024];
	size_t at, nin;
};

/* --- who it is --- */

bool
smtpd_is_local(const struct sockaddr *sa, char *text, size_t size)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)sa;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)sa;
	char address[INET6_ADDRSTRLEN];
	const unsigned char *ip;
	bool mapped;

	text[0] = '\0';
	if (sa->sa_family != AF_INET && sa->sa_family != AF_INET6)
		return sa->sa_family == AF_UNIX;
	mapped = sa->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);
	if (sa->sa_family == AF_INET6 && !mapped) {
		inet_ntop(AF_INET6, &v6->sin6_addr, address, sizeof(address));
		snprintf(text, size, "[IPv6:%s]", address);
		return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
	}
	ip = mapped ? v6->sin6_addr.s6_addr + 12 : (const unsigned char *)&v4->sin_addr;
	snprintf(text, size, "[%u.%u.%u.%u]", ip[0], ip[1], ip[2], ip[3]);
	return ip[0] == 127;
}

/* Who has connected to a UNIX socket; whose that cannot be told is our caller's. */
static long long
client_uid(void)
{
#if defined(__linux__)
	struct { /* ucred, which glibc hides */
		pid_t pid;
		uid_t uid;
		gid_t gid;
	} who;
	socklen_t n = sizeof(who);

	if (getsockopt(STDIN_FILENO, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0 && n == sizeof(who) &&
	    who.uid != (uid_t)-1)
		return (long long)who.uid;
#else
	uid_t uid;
	gid_t gid;

	if (getpeereid(STDIN_FILENO, &uid, &gid) == 0)
		return (long long)uid;
#endif
	return (long long)privilege_caller();
}

/* A client who has reset the connection is nobody any more (ENOTCONN), but what he has sent could still be
 * read: so whoever cannot be known is refused. */
static bool
find_peer(struct smtpd *d)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);

	memset(&ss, 0, sizeof(ss));
	if (getpeername(STDIN_FILENO, (struct sockaddr *)&ss, &n) == -1)
		return errno == ENOTSOCK;
	if (n == 0)
		ss.ss_family = AF_UNIX; /* some systems' socketpair(2) */
	/* a service's client; anybody else could have some daemon of another user's at the other end */
	if (ss.ss_family == AF_UNIX && program_may_see_all(d->p))
		d->uid = client_uid();
	return smtpd_is_local((struct sockaddr *)&ss, d->peer, sizeof(d->peer));
}

void
smtpd_shield_stderr(void)
{
	struct stat in, err;
	int fd;

	if (fstat(STDIN_FILENO, &in) == -1 || !S_ISSOCK(in.st_mode) ||
	    fstat(STDERR_FILENO, &err) == -1 || in.st_dev != err.st_dev || in.st_ino != err.st_ino)
		return;
	fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	dup2(fd, STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

/* --- bytes --- */

/* The stop flag is looked at once a second, because a signal just before poll(2) interrupts nothing. Whoever
 * writes goes on for a moment when we have been stopped. */
static bool
wait_for(struct smtpd *d, int fd, short events)
{
	struct pollfd pfd = {.fd = fd, .events = events};
	int64_t since = clock_mono_ms(), left;
	int ready;

	for (;;) {
		if (submit_stop && events == POLLIN) {
			d->ending = STOPPED;
			return false;
		}
		left = since + (submit_stop ? FAREWELL_MS : PATIENCE_MS) - clock_mono_ms();
		if (left <= 0) {
			d->ending = events == POLLIN ? IDLE : BROKEN;
			return false;
		}
		ready = sys.poll(&pfd, 1, left < TURN_MS ? (int)left : TURN_MS);
		if (ready > 0)
			return true;
		if (ready == -1 && errno != EINTR && errno != EAGAIN) {
			d->ending = BROKEN;
			return false;
		}
	}
}

static bool
flush(struct smtpd *d)
{
	struct smtp_server *s = &d->server;
	ssize_t n;

	while (buf_len(&s->out) > 0) {
		n = (ssize_t)buf_len(&s->out);
		if (!wait_for(d, STDOUT_FILENO, POLLOUT))
			return false;
		n = sys.write(STDOUT_FILENO, buf_data(&s->out), n < ATOM ? (size_t)n : ATOM);
		if (n > 0) {
			smtp_server_sent(s, (size_t)n);
		} else if (errno != EINTR && errno != EAGAIN) {
			d->ending = BROKEN;
			return false;
		}
	}
	return true;
}

/* When there is a pause, or before the next message: while one is written no process may be made that would
 * share its lock. Whoever delivers already is only told, so it is few processes for many messages. */
static void
deliver(struct smtpd *d)
{
	if (d->server.state == SMTP_SERVER_TEXT)
		return;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		; /* those who have delivered before */
	if (d->undelivered && d->p->options.delivery != DELIVER_QUEUE)
		deliver_in_background(d->p, d->uid);
	d->undelivered = false;
}

/* Who types has one key for the end of a line, and nobody's text but his own. */
static size_t
end_lines(char *in, size_t n)
{
	size_t more = 0, from = n, to;

	for (size_t i = 0; i < n; i++)
		more += in[i] == '\n';
	for (to = n + more; from > 0 && to > from;) {
		in[--to] = in[--from];
		if (in[to] == '\n')
			in[--to] = '\r';
	}
	return n + more;
}

/* More input, behind whatever was to be said. */
static bool
fill(struct smtpd *d)
{
	size_t room = d->terminal ? sizeof(d->in) / 2 : sizeof(d->in);
	ssize_t n;

	if (d->ending != OPEN || !flush(d))
		return false;
	deliver(d);
	do {
		if (!wait_for(d, STDIN_FILENO, POLLIN))
			return false;
		n = sys.read(STDIN_FILENO, d->in, room);
	} while (n == -1 && (errno == EINTR || errno == EAGAIN));
	if (n <= 0) {
		d->ending = n == 0 ? GONE : BROKEN;
		return false;
	}
	d->at = 0;
	d->nin = d->terminal ? end_lines(d->in, (size_t)n) : (size_t)n;
	return true;
}

/* --- messages --- */

/* submit_read_fn. The message is invited when somebody wants to read it: before, it could not have been
 * taken. */
static ssize_t
read_message(void *ctx, char *buf, size_t size)
{
	struct smtpd *d = ctx;
	struct smtp_server *s = &d->server;
	size_t n = 0;

	if (s->state == SMTP_SERVER_DATA)
		smtp_server_invite(s);
	while (n == 0 && s->state == SMTP_SERVER_TEXT) {
		if (d->at == d->nin && !fill(d))
			return -1;
		d->at += smtp_server_text(s, d->in + d->at, d->nin - d->at, buf, size, &n);
	}
	return n > 0 || s->state == SMTP_SERVER_END ? (ssize_t)n : -1;
}

/* RFC 5321 4.2.2 and 3463 beside each other: for the status that submit() puts in brackets. */
static void
refuse(struct smtpd *d, int rc, const char *why)
{
	static const struct {
		const char *enhanced;
		int code;
	} statuses[] = {{"4.3.1", 452}, {"5.3.4", 552}, {"5.1.3", 501}, {"5.6.7", 553},
	    {"5.4.6", 554}, {"5.7.1", 550}};
	const char *open = strrchr(why, '('), *enhanced = "4.3.0";
	char status[16] = "";
	int code = 451;

	if (rc == EX_DATAERR || rc == EX_USAGE) {
		code = 554;
		enhanced = "5.0.0";
	}
	if (open != NULL && strspn(open + 1, "0123456789.") == 5 && open[6] == ')') {
		snprintf(status, sizeof(status), "%.5s", open + 1);
		enhanced = status;
	}
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (strcmp(enhanced, statuses[i].enhanced) == 0)
			code = statuses[i].code;
	log_info("a message by SMTP is refused: %s", why);
	smtp_server_answer(&d->server, code, enhanced, "%s", why);
}

/* passwd is dear, by NSS: only mail from the null sender needs somebody for a From that it lacks. */
static const char *
find_login(struct smtpd *d)
{
	char number[32];
	const struct passwd *pw;

	if (d->login == NULL && d->server.sender[0] == '\0') {
		snprintf(number, sizeof(number), "uid%lld", d->uid);
		pw = getpwuid((uid_t)d->uid);
		d->login = xstrdup(pw != NULL ? pw->pw_name : number);
	}
	return d->login;
}

/* RFC 5321 4.4: what it said it was, and what is known of it. */
static void
describe_client(const struct smtpd *d, char from[FROM_SIZE])
{
	snprintf(from, FROM_SIZE, "%s (%s%suserid %lld)", d->server.helo, d->peer,
	    d->peer[0] != '\0' ? ", " : "", d->uid);
}

/* The mailboxes behind one another as the array that submit() wants. */
static char **
list_recipients(struct smtp_server *s)
{
	char **list = xcalloc(s->nrcpts + 1, sizeof(*list));
	char *p = s->rcpts.mem + s->rcpts.start;

	for (size_t i = 0; i < s->nrcpts; i++, p += strlen(p) + 1)
		list[i] = p;
	return list;
}

static int
submit_message(struct smtpd *d, char id[ENVELOPE_ID_MAX + 1], char *why, size_t whysize)
{
	struct smtp_server *s = &d->server;
	char from[FROM_SIZE], **rcpts = list_recipients(s);
	struct submit_options o = {
	    .hostname = config_hostname(&d->p->config),
	    .domain = d->p->config.domain,
	    .config = &d->p->config,
	    .login = find_login(d),
	    .uid = d->uid,
	    .sender = s->sender,
	    .ignore_dots = true, /* they have been seen to */
	    .recipients = rcpts,
	    .nrecipients = (int)s->nrcpts,
	    .source = d->called,
	    .max_size = d->p->config.max_size,
	    .input = STDIN_FILENO,
	    .read = read_message,
	    .read_ctx = d,
	    .from = from,
	    .with = s->esmtp ? "ESMTP" : "SMTP",
	};
	int rc;

	describe_client(d, from);
	rc = submit(d->p->spool, &o, id, why, whysize);
	free(rcpts);
	return rc;
}

static void
take_message(struct smtpd *d)
{
	char id[ENVELOPE_ID_MAX + 1], why[512] = "", rest[4096];
	struct smtp_server *s = &d->server;
	int rc;

	deliver(d);
	rc = submit_message(d, id, why, sizeof(why));
	while (s->state == SMTP_SERVER_TEXT && read_message(d, rest, sizeof(rest)) > 0)
		; /* refused, but the client has yet to come to its end */
	if (s->state == SMTP_SERVER_COMMAND)
		d->status = EX_DATAERR; /* with a fault in its lines, and answered */
	if (s->state != SMTP_SERVER_DATA && s->state != SMTP_SERVER_END)
		return;
	d->status = rc;
	if (rc != EX_OK && submit_stop) {
		d->ending = STOPPED;
	} else if (rc != EX_OK) {
		refuse(d, rc, why);
	} else {
		smtp_server_answer(s, 250, "2.0.0", "Ok: queued as %s", id);
		d->undelivered = d->taken = true;
		(void)flush(d); /* whoever has not heard it sends the message again */
	}
}

/* --- the whole --- */

static void
begin(struct smtpd *d)
{
	const char *host = config_hostname(&d->p->config);
	struct smtp_server_options o = {.hostname = host != NULL ? host : "localhost"};

	o.max_size = d->p->config.max_size;
	d->terminal = isatty(STDIN_FILENO) == 1;
	o.refused = !find_peer(d);
	if (o.refused)
		log_warn("%s is refused: -bs takes mail from this machine alone",
		    d->peer[0] != '\0' ? d->peer : "a client that cannot be known");
	smtp_server_init(&d->server, &o);
}

static void
converse(struct smtpd *d)
{
	struct smtp_server *s = &d->server;

	while (s->state != SMTP_SERVER_CLOSED && d->ending == OPEN) {
		if (s->state == SMTP_SERVER_DATA) {
			take_message(d);
		} else if (d->at == d->nin) {
			(void)fill(d);
		} else {
			d->at += smtp_server_input(s, d->in + d->at, d->nin - d->at);
			if (d->at < d->nin && s->state == SMTP_SERVER_COMMAND)
				(void)flush(d);
		}
	}
}

/* For those who look at the exit status alone, and not at replies: what became of the last message. */
static int
status(const struct smtpd *d)
{
	const struct smtp_server *s = &d->server;

	if (s->o.refused)
		return EX_NOPERM;
	if (d->ending != OPEN && s->mail)
		return EX_TEMPFAIL;
	if (d->ending == OPEN && !s->quit)
		return EX_PROTOCOL;
	return d->ending == BROKEN && !d->taken ? EX_IOERR : d->status;
}

static int
end(struct smtpd *d)
{
	int rc = status(d);

	if (d->ending == IDLE)
		smtp_server_close(&d->server, "4.4.2", "nothing heard for too long");
	else if (d->ending == STOPPED)
		smtp_server_close(&d->server, "4.3.2", "stopped");
	if (d->ending != GONE && d->ending != BROKEN)
		(void)flush(d);
	if (rc == EX_TEMPFAIL || rc == EX_PROTOCOL)
		log_info("a conversation by SMTP has come to no good end");
	deliver(d);
	return rc;
}

int
smtpd_session(struct program *p, const char *called)
{
	struct smtpd *d = xcalloc(1, sizeof(*d));
	int rc;

	d->p = p;
	d->uid = (long long)privilege_caller();
	d->called = called;
	p->options.verbose = false; /* there is nobody to show deliveries to */
	begin(d);
	converse(d);
	rc = end(d);
	smtp_server_free(&d->server);
	free(d->login);
	free(d);
	return rc;
}
