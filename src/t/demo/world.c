/*
 * world: the servers of `make demo`, on real sockets of 127.0.0.0/8.
 *
 *	world DIR
 *
 * One DNS server and four SMTP servers, a domain each, that behave as their names say. Every message
 * taken becomes a file DIR/DOMAIN.N. DIR/ports gets the DNS port and the SMTP port once all listen.
 * SIGTERM ends it. Each connection is served by a child with blocking stdio: this is a stage set.
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "dns_fake.h"

enum { NSERVERS = 4, TRIES = 50, LINE = 2048 };

struct server {
	const char *domain, *address;
	bool greylists; /* the first RCPT for each recipient gets 451 */
	const char *refuses; /* this recipient, for good */
	int fd;
};

static struct server servers[NSERVERS] = {
    {.domain = "friendly.example", .address = "127.0.0.2"},
    {.domain = "careful.example", .address = "127.0.0.3", .greylists = true},
    {.domain = "strict.example", .address = "127.0.0.4", .refuses = "nobody@strict.example"},
    {.domain = "home.example", .address = "127.0.0.5"},
};

static int
listen_at(const char *address, int type, uint16_t port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, type, 0), on = 1;

	inet_pton(AF_INET, address, &sin.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0 ||
	    (type == SOCK_STREAM && listen(fd, 20) != 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

static uint16_t
port_of(int fd)
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);

	return getsockname(fd, (struct sockaddr *)&sin, &len) == 0 ? ntohs(sin.sin_port) : 0;
}

/* All servers at the same port, whichever is free on every address. */
static uint16_t
listen_all(void)
{
	for (int try = 0; try < TRIES; try++) {
		size_t n = 0;
		uint16_t port = 0;

		for (; n < NSERVERS; n++) {
			servers[n].fd = listen_at(servers[n].address, SOCK_STREAM, port);
			if (servers[n].fd < 0)
				break;
			port = port_of(servers[n].fd);
		}
		if (n == NSERVERS)
			return port;
		while (n-- > 0)
			close(servers[n].fd);
	}
	die(EX_UNAVAILABLE, "no free port on 127.0.0.2 to 127.0.0.5");
}

/* --- one SMTP conversation ---------------------------------------------------------------- */

/* Whether this is the first time: a file per recipient remembers. */
static bool
first_time(const char *dir, const char *rcpt)
{
	char path[LINE + 64];
	int fd;

	snprintf(path, sizeof(path), "%s/seen.%s", dir, rcpt);
	fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Whether the recipient was accepted. */
static bool
on_rcpt(const struct server *s, const char *dir, const char *line, FILE *out)
{
	char rcpt[LINE];

	if (sscanf(line, "%*[^<]<%2000[^>]>", rcpt) != 1)
		fprintf(out, "501 5.1.3 syntax\r\n");
	else if (s->refuses != NULL && strcasecmp(rcpt, s->refuses) == 0)
		fprintf(out, "550 5.1.1 <%s>: no such user here\r\n", rcpt);
	else if (s->greylists && first_time(dir, rcpt))
		fprintf(out, "451 4.7.1 <%s>: greylisted, come back later\r\n", rcpt);
	else
		return fprintf(out, "250 2.1.5 ok\r\n") > 0;
	return false;
}

static void
on_data(const struct server *s, const char *dir, FILE *in, FILE *out)
{
	char path[LINE], line[LINE];
	FILE *f = NULL;

	fprintf(out, "354 go on\r\n");
	fflush(out);
	for (int n = 1; f == NULL; n++) {
		snprintf(path, sizeof(path), "%s/%s.%d", dir, s->domain, n);
		f = fopen(path, "wx");
	}
	while (fgets(line, sizeof(line), in) != NULL && strcmp(line, ".\r\n") != 0) {
		line[strcspn(line, "\r\n")] = '\0';
		fprintf(f, "%s\n", line[0] == '.' ? line + 1 : line);
	}
	fclose(f);
	fprintf(out, "250 2.0.0 taken\r\n");
}

static void
converse(const struct server *s, const char *dir, int fd)
{
	FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
	char line[LINE];
	bool taken = false; /* some recipient, in this transaction */

	fprintf(out, "220 mx.%s ESMTP\r\n", s->domain);
	fflush(out);
	while (fgets(line, sizeof(line), in) != NULL) {
		if (strncasecmp(line, "EHLO", 4) == 0) {
			fprintf(out,
			    "250-mx.%s\r\n250-PIPELINING\r\n250-8BITMIME\r\n"
			    "250 ENHANCEDSTATUSCODES\r\n",
			    s->domain);
		} else if (strncasecmp(line, "RCPT", 4) == 0) {
			taken |= on_rcpt(s, dir, line, out);
		} else if (strncasecmp(line, "DATA", 4) == 0) {
			if (taken)
				on_data(s, dir, in, out);
			else
				fprintf(out, "503 5.5.1 no recipients\r\n");
			taken = false;
		} else if (strncasecmp(line, "QUIT", 4) == 0) {
			fprintf(out, "221 2.0.0 bye\r\n");
			break;
		} else {
			fprintf(out, "250 2.0.0 ok\r\n");
		}
		fflush(out);
	}
	fclose(out);
	fclose(in);
}

/* --- the world ---------------------------------------------------------------------------- */

static volatile sig_atomic_t over;

static void
on_term(int sig)
{
	(void)sig;
	over = 1;
}

static void
serve(const struct server *s, const char *dir)
{
	int fd = accept(s->fd, NULL, NULL);

	if (fd < 0)
		return;
	if (fork() == 0) {
		signal(SIGTERM, SIG_DFL);
		converse(s, dir, fd);
		_exit(0);
	}
	close(fd);
}

static void
answer(struct dns_fake *zone, int fd)
{
	static uint8_t reply[DNS_FAKE_MAX];
	char query[512];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(fd, query, sizeof(query), 0, (struct sockaddr *)&from, &len);
	size_t m = n > 0 ? dns_fake_answer(zone, query, (size_t)n, false, reply) : 0;

	if (m > 0)
		sendto(fd, reply, m, 0, (struct sockaddr *)&from, len);
}

static void
build_zone(struct dns_fake *zone)
{
	char line[256];

	dns_fake_init(zone);
	for (size_t i = 0; i < NSERVERS; i++) {
		snprintf(
		    line, sizeof(line), "%s MX 10 mx.%s", servers[i].domain, servers[i].domain);
		dns_fake_add(zone, line);
		snprintf(line, sizeof(line), "mx.%s A %s", servers[i].domain, servers[i].address);
		dns_fake_add(zone, line);
	}
	dns_fake_add(zone, "nomail.example MX 0 ."); /* RFC 7505: takes no mail at all */
}

static void
write_ports(const char *dir, uint16_t dns, uint16_t smtp)
{
	char path[LINE], done[LINE];
	FILE *f;

	snprintf(path, sizeof(path), "%s/ports.new", dir);
	snprintf(done, sizeof(done), "%s/ports", dir);
	if ((f = fopen(path, "w")) == NULL || fprintf(f, "%u %u\n", dns, smtp) < 0 ||
	    fclose(f) != 0 || rename(path, done) != 0)
		die(EX_CANTCREAT, "cannot write %s", done);
}

int
main(int argc, char **argv)
{
	struct pollfd fds[NSERVERS + 1];
	struct sigaction sa;
	struct dns_fake zone;
	uint16_t port;

	if (argc != 2)
		die(EX_USAGE, "usage: world DIR");
	memset(&sa, 0, sizeof(sa));
	sigemptyset(&sa.sa_mask);
	sa.sa_handler = on_term;
	sigaction(SIGTERM, &sa, NULL);
	signal(SIGCHLD, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	build_zone(&zone);
	port = listen_all();
	fds[NSERVERS] =
	    (struct pollfd){.fd = listen_at("127.0.0.1", SOCK_DGRAM, 0), .events = POLLIN};
	for (size_t i = 0; i < NSERVERS; i++)
		fds[i] = (struct pollfd){.fd = servers[i].fd, .events = POLLIN};
	write_ports(argv[1], port_of(fds[NSERVERS].fd), port);
	while (!over) {
		if (poll(fds, NSERVERS + 1, -1) < 0)
			continue;
		for (size_t i = 0; i < NSERVERS; i++)
			if (fds[i].revents != 0)
				serve(&servers[i], argv[1]);
		if (fds[NSERVERS].revents != 0)
			answer(&zone, fds[NSERVERS].fd);
	}
	dns_fake_free(&zone);
	return 0;
}
