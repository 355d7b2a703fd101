/*
 * network.h: what every conversation with the outside needs, built from the configuration: the
 * reactor, the resolver, the router, TLS and the credentials.
 */
#ifndef NETWORK_H
#define NETWORK_H

#include <stddef.h>

#include "auth.h"
#include "config.h"
#include "dns/dns.h"
#include "net/reactor.h"
#include "net/tls.h"
#include "route.h"
#include "session.h"
#include "spool/spool.h"

struct network {
	struct reactor *reactor;
	struct dns *dns;
	struct router *router;
	struct tls *tls;
	struct auth *auth;
	struct session_network session; /* what sessions are given */
	struct config *config;
	unsigned sessions; /* as many as the limit on open files allows */
};

/*
 * Builds all of it. Returns EX_OK, or EX_CONFIG after one line, in the log and on stderr, that says what is
 * wrong: then there is nothing to take down.
 */
int network_open(struct network *n, struct config *c);
/*
 * The TLS sessions of earlier runs, to be resumed. To be called when the run has confined itself: an earlier
 * one, perhaps not itself any more, wrote the file.
 */
void network_load_sessions(struct network *n, struct spool *sp);
/* Saves the TLS sessions, takes all down. Nothing may use it any more. */
void network_close(struct network *n, struct spool *sp);

#endif
