/*
 * sink_tls.c: handshakes, good and bad. A case is the name of a certificate of lib/certs.h, or, with
 * the certificate "good":
 *
 *	stripped    STARTTLS is not offered, as behind a proxy that takes it out
 *	refused     STARTTLS is answered with 454
 *	killed      the connection ends as soon as the handshake begins
 *	garbled     the handshake is answered with something else
 *	tls1.0      nothing newer is spoken
 *	tls1.2      the same
 *
 * CASE+implicit shakes hands first, as on port 465.
 */
#include <sys/socket.h>

#include <stdio.h>
#include <string.h>

#include "certs.h"
#include "sink.h"

bool
tls_offered(const struct client *c)
{
	const char *name = c->from->name;

	if (c->peer != NULL)
		return false;
	return name != NULL ? strcmp(name, "stripped") != 0 : c->from->tls != NULL;
}

void
tls_begin(struct client *c)
{
	c->auth = false;
	c->state = SHAKING;
	if (c->from->tls != NULL)
		c->peer = tls_peer_new(c->from->tls, c->fd);
}

void
tls_shake(struct client *c)
{
	static const char garbage[] = "this is not TLS\r\n";
	int rc = 0;

	if (c->from->name != NULL && strcmp(c->from->name, "garbled") == 0)
		send(c->fd, garbage, sizeof(garbage) - 1, MSG_NOSIGNAL);
	if (c->peer == NULL || (rc = tls_peer_accept(c->peer)) < 0) {
		count->failed++;
		client_close(c);
	} else if (rc == 1) {
		*(tls_peer_resumed(c->peer) ? &count->resumed : &count->full) += 1;
		c->state = COMMAND;
		if (c->from->implicit)
			client_reply(c, "220 sink ESMTP\r\n");
	}
}

void
tls_listener(struct listener *l, const char *pem)
{
	static struct tls_server *shared; /* so that a ticket is good at every address */
	struct tls_server_options o = {.pem = pem};

	if (shared == NULL)
		shared = tls_server_new(&o);
	l->tls = shared;
}

void
tls_case(struct listener *l, char *name)
{
	struct tls_server_options o = {.lowest = 0x0301};
	char *plus = strchr(name, '+'), pem[256];
	bool cert = false;

	l->implicit = plus != NULL;
	if (plus != NULL)
		*plus = '\0';
	l->name = name;
	for (size_t i = 0; certs_names[i] != NULL; i++)
		cert = cert || strcmp(name, certs_names[i]) == 0;
	snprintf(pem, sizeof(pem), "%s/%s.pem", opt.certs, cert ? name : "good");
	o.pem = pem;
	if (strcmp(name, "tls1.0") == 0)
		o.highest = 0x0301;
	if (strcmp(name, "tls1.2") == 0)
		o.highest = 0x0303;
	if (strcmp(name, "killed") != 0)
		l->tls = tls_server_new(&o);
}
