/*
 * ports: prints N port numbers of 127.0.0.1 that were free for TCP and UDP a moment ago, for servers
 * that cannot choose for themselves.
 *
 *	ports N
 */
#include <sys/socket.h>

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"

enum { PORTS_MAX = 100, TRIES = 100 };

/* A socket of that type at the port, 0: any; the port, or 0. Stays open, so that none comes twice. */
static in_port_t
take(int type, in_port_t port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = port};
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, type, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0 ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) != 0)
		return 0;
	return sin.sin_port;
}

int
main(int argc, char **argv)
{
	uint64_t n;

	if (argc != 2 || !str_u64(argv[1], PORTS_MAX, &n))
		die(EX_USAGE, "usage: ports N");
	for (int i = 0; n > 0 && i < TRIES; i++) {
		in_port_t port = take(SOCK_STREAM, 0);

		if (port != 0 && take(SOCK_DGRAM, port) == port) {
			printf("%d\n", ntohs(port));
			n--;
		}
	}
	return n == 0 ? 0 : EX_UNAVAILABLE;
}
