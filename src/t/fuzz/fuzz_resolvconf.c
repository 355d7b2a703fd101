/*
 * fuzz_resolvconf.c: whatever is in the file, there is a server to ask, and the text of each server is
 * understood as the same server again.
 */
#include <string.h>

#include "base/log.h"
#include "dns/resolvconf.h"
#include "fuzz.h"

void
fuzz_resolvconf(const uint8_t *data, size_t size)
{
	struct resolvconf rc;

	resolvconf_parse(&rc, (const char *)data, size);
	if (rc.nservers < 1 || rc.nservers > RESOLVCONF_SERVERS)
		bug("no server, or too many");
	if (rc.timeout_s < 1 || rc.timeout_s > 30 || rc.attempts < 1 || rc.attempts > 5)
		bug("timeout or attempts out of bounds");
	for (size_t i = 0; i < rc.nservers; i++) {
		char text[RESOLVCONF_SERVER_TEXT];
		struct sockaddr_storage ss;

		resolvconf_server_text(&rc.servers[i], text);
		if (!resolvconf_server(text, &ss) || memcmp(&ss, &rc.servers[i], sizeof(ss)) != 0)
			bug("a server that we would not understand ourselves");
	}
}
