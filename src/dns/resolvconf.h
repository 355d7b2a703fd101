/*
 * resolvconf.h: resolv.conf's text -> servers and options, as resolv.conf(5) of libc has it. Pure,
 * but for the index of an interface named behind a '%'. Reading the file is the caller's affair.
 */
#ifndef DNS_RESOLVCONF_H
#define DNS_RESOLVCONF_H

#include <sys/socket.h>

#include <stdbool.h>
#include <stddef.h>

enum {
	RESOLVCONF_SERVERS = 8, /* further ones are ignored (libc ignores those after the third) */
	RESOLVCONF_SERVER_TEXT = 80
};

struct resolvconf {
	struct sockaddr_storage servers[RESOLVCONF_SERVERS]; /* IPv4 or IPv6 */
	size_t nservers; /* never 0 once parsed */
	unsigned timeout_s; /* 1 to 30: how long to wait for one server */
	unsigned attempts; /* 1 to 5: rounds over all of them */
	bool rotate; /* begin with any */
};

/*
 * What the text says; what it leaves open is libc's: 127.0.0.1, 5 s, two attempts. Lines that it does
 * not understand are skipped, as libc does. An empty text is fine.
 */
void resolvconf_parse(struct resolvconf *rc, const char *text, size_t len);

/*
 * A server as our own configuration names it: "192.0.2.1", "127.0.0.1:5353", "2001:db8::1",
 * "fe80::1%eth0", "[::1]:53". The port is 53 unless given.
 */
bool resolvconf_server(const char *text, struct sockaddr_storage *ss);

socklen_t resolvconf_server_len(const struct sockaddr_storage *ss);
/* For people; the port only when it is not 53. Returns dst[RESOLVCONF_SERVER_TEXT]. */
const char *resolvconf_server_text(const struct sockaddr_storage *ss, char *dst);

#endif
