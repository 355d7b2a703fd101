/*
 * nsfake: a DNS server for whole-program runs with many domains. UDP, on 127.0.0.1 only.
 *
 *	nsfake [--port N] [--port-file FILE] [--addresses N]
 *
 * Every name NAME has one MX record, 0 mx.NAME; every mx.NAME has one A record, one of the first
 * N (default 1) of 127.0.0.1, 127.0.0.2, ... 127.0.0.255, 127.0.1.0, ...: for a name that begins with
 * "d" and a number the one of that number (from 0, modulo N), for others any. There is nothing else.
 * SIGTERM ends it.
 */
#include <sys/socket.h>

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"
#include "dns_fake.h"
#include "whole.h"

enum { ADDRESSES_MAX = 60000 };
enum { TYPE_A = 1, TYPE_MX = 15, TTL = 3600, FLAGS_AUTHORITATIVE = 0x8400, NAME_MAX_TEXT = 256 };

static unsigned addresses = 1;
static volatile sig_atomic_t stop;

static void
on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

/* The question's name in text form and its type; false: not a question we understand. */
static bool
question(const uint8_t *query, size_t n, char name[NAME_MAX_TEXT], unsigned *type)
{
	size_t at = 12, len = 0;

	while (at < n && query[at] != 0) {
		size_t label = query[at++];

		if (label > 63 || at + label > n || len + label + 2 > NAME_MAX_TEXT)
			return false;
		if (len > 0)
			name[len++] = '.';
		memcpy(name + len, query + at, label);
		len += label;
		at += label;
	}
	name[len] = '\0';
	if (len == 0 || at + 5 > n)
		return false;
	*type = query[at + 1] * 256U + query[at + 2];
	return true;
}

/* 127.0.0.1 and so on, of the exchange mx.NAME. */
static unsigned long
address_of(const char *exchange)
{
	const char *name = exchange + strlen("mx.");
	unsigned long nth = 5381;
	char *end;

	if (name[0] == 'd' && name[1] >= '0' && name[1] <= '9') {
		nth = strtoul(name + 1, &end, 10);
		if (*end == '.')
			return INADDR_LOOPBACK + nth % addresses;
	}
	while (*name != '\0')
		nth = (33 * nth + (unsigned char)*name++) & 0xffffffff;
	return INADDR_LOOPBACK + nth % addresses;
}

static void
answer(struct dns_packet *p, uint16_t id, const char *name, unsigned type)
{
	bool exchange = strncmp(name, "mx.", 3) == 0;
	char rdata[NAME_MAX_TEXT + 16];

	dns_packet_start(p, id, FLAGS_AUTHORITATIVE);
	dns_packet_question(p, name, type);
	if (type == TYPE_MX && !exchange) {
		snprintf(rdata, sizeof(rdata), "0 mx.%s", name);
		dns_packet_record(p, 1, NULL, TTL, "MX", rdata);
	} else if (type == TYPE_A && exchange) {
		unsigned long at = address_of(name);

		snprintf(rdata, sizeof(rdata), "127.%lu.%lu.%lu", at >> 16 & 255, at >> 8 & 255,
		    at & 255);
		dns_packet_record(p, 1, NULL, TTL, "A", rdata);
	} else
		dns_packet_soa(p, name, TTL, TTL);
}

static void
serve(int fd)
{
	static struct dns_packet p;
	uint8_t query[1500];
	char name[NAME_MAX_TEXT];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	unsigned type;
	ssize_t n = recvfrom(fd, query, sizeof(query), 0, (struct sockaddr *)&from, &len);

	if (n < 12 || !question(query, (size_t)n, name, &type))
		return;
	answer(&p, (uint16_t)(query[0] << 8 | query[1]), name, type);
	sendto(fd, p.bytes, p.len, 0, (struct sockaddr *)&from, len);
}

int
main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 4 * 1024 * 1024, i;
	const char *port_file = NULL;
	uint64_t n;

	for (i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--port-file") == 0)
			port_file = argv[i + 1];
		else if (strcmp(argv[i], "--addresses") == 0 &&
			 str_u64(argv[i + 1], ADDRESSES_MAX, &n) && n > 0)
			addresses = (unsigned)n;
		else if (strcmp(argv[i], "--port") == 0 && str_u64(argv[i + 1], 65535, &n))
			at.sin_port = htons((uint16_t)n);
		else
			break;
	}
	if (i != argc)
		die(EX_USAGE, "usage: nsfake [--port N] [--port-file FILE] [--addresses N]");
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) != 0)
		die(EX_UNAVAILABLE, "cannot bind: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (port_file != NULL)
		whole_write_port(port_file, ntohs(at.sin_port));
	while (!stop)
		serve(fd);
	return 0;
}
