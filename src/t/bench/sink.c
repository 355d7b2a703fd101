/*
 * sink: an SMTP server that takes everything, for whole-program runs. It listens on loopback only.
 *
 *	sink [OPTION]...
 *	sink --certs DIR --ports FILE [OPTION]... CASE...
 *
 *	--port N        0 (the default): any free one, the same on every address
 *	--port-file F   the port is written there once the sink listens
 *	--addresses N   listen on the first N of 127.0.0.1, 127.0.0.2, ... 127.0.0.255, 127.0.1.0, ...
 *	--latency MS    every group of replies goes out that long after its commands came in; several
 *	                are on the way at a time, as on a long line (sink_client.c)
 *	--record FILE   for each recipient of an accepted message a line "MESSAGE-ID RECIPIENT" is
 *	                appended when its end of data is read, one write(2) a message; the 250 comes
 *	                after that (and after the latency), as with a server that keeps its promises
 *	--count FILE    what is counted is there all the time (count.h)
 *	--hold N        the reply to the first MAIL of a connection waits until those of N do, or
 *	                until SIGUSR1
 *	--reject        every RCPT is refused for good
 *	--greylist      the first RCPT for each recipient gets 451
 *	--no-pipelining, --chunking     what is not offered, and what is
 *	--tls PEM       STARTTLS, with the certificate, its chain and its key from one file
 *
 * Of the addresses, numbered from 0, those whose number divided by M leaves R:
 *
 *	--tarpit R/M    have a latency of 30 s; or of --tarpit-seconds N
 *	--grey R/M      greylist
 *	--dead R/M      never answer, not even to connect(2): their queue is full
 *	--refused R/M   refuse every connection: nobody listens
 *
 * Every CASE (sink_tls.c) is a server at 127.0.0.1 and a port of its own; FILE gets a line "PORT CASE"
 * for each once all listen. They record a line "CASE tls|clear Message-ID" a message, with " auth"
 * behind it when the client has logged in: AUTH PLAIN is offered, in clear text too, when --auth says
 * what it must come with (in base64).
 *
 * On SIGTERM or SIGINT it prints what it counted and ends. The command XSINK is answered with the
 * number of other open connections.
 */
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
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
#include "certs.h"
#include "sink.h"
#include "whole.h"

enum { ADDRESSES_MAX = 60000, CASES_MAX = 50, FILES_MAX = 65536, FEW = 16 };

struct some { /* of the addresses */
	uint64_t remainder, divisor; /* 0: none */
};

struct sink_options opt = {.addresses = 1, .record = -1};
static struct count counted;
struct count *count = &counted;

static const char *port_file, *ports_file, *pem;
static struct some tarpits, greys, dead, refused;
static struct lane line, tarpit = {.delay_ns = INT64_C(30000000000)};
static char *cases[CASES_MAX];
static size_t ncases, listeners_cap;
static struct listener *listeners;
static volatile sig_atomic_t stop, release;

static void
on_signal(int sig)
{
	if (sig == SIGUSR1)
		release = 1;
	else
		stop = 1;
}

int64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static bool
is_one_of(const struct some *s, unsigned nth)
{
	return s->divisor > 0 && nth % s->divisor == s->remainder;
}

/* --- listening --- */

static int
listen_at(unsigned nth, int *port, int backlog)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK + nth);
	sin.sin_port = htons((uint16_t)*port);
	if (fd < 0)
		die(EX_UNAVAILABLE, "no socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0 || listen(fd, backlog) != 0 ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) != 0)
		die(EX_UNAVAILABLE, "cannot listen on address %u: %s", nth, strerror(errno));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	*port = ntohs(sin.sin_port);
	return fd;
}

/* One connection that nobody accepts fills the shortest queue; the kernel lets the SYNs of all others
 * wait unanswered. Both stay open until the end. */
static void
play_dead(unsigned nth)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	int fd;

	listen_at(nth, &opt.port, 0);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK + nth);
	sin.sin_port = htons((uint16_t)opt.port);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0)
		die(EX_UNAVAILABLE, "cannot fill a queue: %s", strerror(errno));
	fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static struct listener *
add_listener(unsigned nth, int port)
{
	struct listener *l;

	listeners = xgrow(listeners, nlisteners, &listeners_cap, sizeof(*listeners));
	l = &listeners[nlisteners++];
	*l = (struct listener){.lane = &line, .port = port, .grey = opt.greylist};
	l->fd = listen_at(nth, &l->port, 4096);
	return l;
}

static void
listen_everywhere(void)
{
	for (unsigned nth = 0; nth < (unsigned)opt.addresses; nth++) {
		struct listener *l;

		if (is_one_of(&refused, nth))
			continue;
		if (is_one_of(&dead, nth)) {
			play_dead(nth);
			continue;
		}
		l = add_listener(nth, opt.port);
		opt.port = l->port;
		l->grey = l->grey || is_one_of(&greys, nth);
		l->tarpit = is_one_of(&tarpits, nth);
		l->lane = l->tarpit ? &tarpit : &line;
		if (pem != NULL)
			tls_listener(l, pem);
	}
}

static void
listen_for_cases(void)
{
	char temporary[256], ca[256];
	struct buf b;

	snprintf(ca, sizeof(ca), "%s/ca.pem", opt.certs);
	if (access(ca, R_OK) != 0)
		certs_make(opt.certs);
	buf_init(&b, 64 * 1024);
	for (size_t i = 0; i < ncases; i++) {
		struct listener *l = add_listener(0, 0);

		buf_addf(&b, "%d %s\n", l->port, cases[i]);
		tls_case(l, cases[i]);
	}
	snprintf(temporary, sizeof(temporary), "%s.new", ports_file);
	whole_write_file(temporary, "%s", buf_str(&b));
	if (rename(temporary, ports_file) != 0) /* appears complete */
		die(EX_CANTCREAT, "%s: %s", ports_file, strerror(errno));
	buf_free(&b);
}

/* --- the loop --- */

static int
sooner(int a, int b)
{
	if (a < 0 || b < 0)
		return a < 0 ? b : a;
	return a < b ? a : b;
}

/*
 * A thousand listeners are asked once a millisecond: they would cost more than the connections
 * of a turn. No wait is longer than 100 ms, because a signal that comes just before poll(2) would
 * not be seen.
 */
static void
turn(void)
{
	static int64_t asked_ns;
	int64_t now = now_ns();
	int timeout = sooner(lane_send_due(&line, now), lane_send_due(&tarpit, now));
	bool all = nlisteners <= FEW || now - asked_ns >= 1000000;
	size_t skip = all ? 0 : nlisteners;

	timeout = sooner(timeout, all ? 100 : 1);
	if (poll(polled + skip, (nfds_t)(nlisteners + nclients - skip), timeout) <= 0)
		return;
	for (size_t i = nclients; i-- > 0;) /* from the end: who closes is replaced by the last */
		if (i < nclients && polled[nlisteners + i].revents != 0)
			client_ready(clients[i], polled[nlisteners + i].revents);
	if (!all)
		return;
	asked_ns = now;
	for (size_t i = 0; i < nlisteners; i++)
		if (polled[i].revents != 0)
			client_accept(&listeners[i]);
}

static double
seconds(int64_t last_ns)
{
	return last_ns == 0 ? 0 : (double)(last_ns - count->first_ns) / 1e9;
}

static void
print_counts(void)
{
	printf("connections %" PRIu64 "\npeak %" PRIu64 "\nmessages %" PRIu64
	       "\nrecipients %" PRIu64 "\nbytes %" PRIu64 "\nseconds %.3f\n",
	    count->connections, count->peak, count->messages, count->recipients, count->bytes,
	    seconds(count->last_ns));
	printf("full %" PRIu64 "\nresumed %" PRIu64 "\nfailed %" PRIu64 "\ncommands %" PRIu64
	       "\ngroups %" PRIu64 "\ngood %" PRIu64 "\ngood-seconds %.3f\n",
	    count->full, count->resumed, count->failed, count->commands, count->groups, count->good,
	    seconds(count->good_ns));
}

/* --- options --- */

LOG_NORETURN static void
usage(void)
{
	die(EX_USAGE, "usage: sink [--port N] [--port-file FILE] [--addresses N] [--latency MS]\n"
		      "\t[--record FILE] [--count FILE] [--hold N] [--reject] [--greylist]\n"
		      "\t[--no-pipelining] [--chunking] [--tls PEM] [--tarpit R/M] [--grey R/M]\n"
		      "\t[--dead R/M] [--refused R/M] [--tarpit-seconds N]\n"
		      "\t[--certs DIR --ports FILE [--auth WORD] CASE...]");
}

static uint64_t
number(const char *s, uint64_t max)
{
	uint64_t n;

	if (!str_u64(s, max, &n))
		usage();
	return n;
}

static struct some
some(const char *s)
{
	struct some x;
	size_t slash = strcspn(s, "/");

	if (s[slash] == '\0' || !str_u64n(s, slash, ADDRESSES_MAX, &x.remainder) ||
	    !str_u64(s + slash + 1, ADDRESSES_MAX, &x.divisor) || x.divisor == 0)
		usage();
	return x;
}

static int
open_record(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (fd < 0)
		die(EX_CANTCREAT, "%s: %s", path, strerror(errno));
	return fd;
}

static void
map_count(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	void *p = MAP_FAILED;

	if (fd >= 0 && ftruncate(fd, sizeof(*count)) == 0)
		p = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		die(EX_CANTCREAT, "%s: %s", path, strerror(errno));
	close(fd);
	count = p;
}

static bool
flag(const char *name)
{
	if (strcmp(name, "--reject") == 0)
		opt.reject = true;
	else if (strcmp(name, "--greylist") == 0)
		opt.greylist = true;
	else if (strcmp(name, "--no-pipelining") == 0)
		opt.no_pipelining = true;
	else if (strcmp(name, "--chunking") == 0)
		opt.chunking = true;
	else
		return false;
	return true;
}

static bool
file_option(const char *name, const char *value)
{
	if (strcmp(name, "--port-file") == 0)
		port_file = value;
	else if (strcmp(name, "--ports") == 0)
		ports_file = value;
	else if (strcmp(name, "--certs") == 0)
		opt.certs = value;
	else if (strcmp(name, "--auth") == 0)
		opt.auth = value;
	else if (strcmp(name, "--tls") == 0)
		pem = value;
	else if (strcmp(name, "--record") == 0)
		opt.record = open_record(value);
	else if (strcmp(name, "--count") == 0)
		map_count(value);
	else
		return false;
	return true;
}

static void
number_option(const char *name, const char *value)
{
	if (strcmp(name, "--port") == 0)
		opt.port = (int)number(value, 65535);
	else if (strcmp(name, "--addresses") == 0)
		opt.addresses = (int)number(value, ADDRESSES_MAX);
	else if (strcmp(name, "--latency") == 0)
		line.delay_ns = (int64_t)number(value, 3600000) * 1000000;
	else if (strcmp(name, "--tarpit-seconds") == 0)
		tarpit.delay_ns = (int64_t)number(value, 3600) * 1000000000;
	else if (strcmp(name, "--hold") == 0)
		opt.hold = number(value, UINT64_MAX);
	else if (strcmp(name, "--tarpit") == 0)
		tarpits = some(value);
	else if (strcmp(name, "--grey") == 0)
		greys = some(value);
	else if (strcmp(name, "--dead") == 0)
		dead = some(value);
	else if (strcmp(name, "--refused") == 0)
		refused = some(value);
	else
		usage();
}

static void
options(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] != '-' && ncases < CASES_MAX) {
			cases[ncases++] = argv[i];
			continue;
		}
		if (flag(argv[i]))
			continue;
		if (i + 1 == argc)
			usage();
		if (!file_option(argv[i], argv[i + 1]))
			number_option(argv[i], argv[i + 1]);
		i++;
	}
	if (ncases > 0 && (opt.certs == NULL || ports_file == NULL))
		usage();
}

static void
raise_limit(void)
{
	struct rlimit limit = {.rlim_cur = FILES_MAX, .rlim_max = FILES_MAX};

	if (setrlimit(RLIMIT_NOFILE, &limit) == 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max; /* not root: as many as we may */
	setrlimit(RLIMIT_NOFILE, &limit);
}

int
main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_signal};

	options(argc, argv);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
	raise_limit();
	if (ncases > 0)
		listen_for_cases();
	else
		listen_everywhere();
	clients_start(listeners);
	if (port_file != NULL)
		whole_write_port(port_file, opt.port);
	while (!stop) {
		if (release) {
			release = 0;
			clients_release();
		}
		turn();
	}
	print_counts();
	return 0;
}
