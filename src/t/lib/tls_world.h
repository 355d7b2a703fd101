/*
 * tls_world.h: for tests of TLS: one client's connection, and the server it talks to, in one process
 * and in virtual time, so that a deadline costs nothing and whoever waits for ever is found out.
 *
 * The client knows the root of certs.h, wants to talk to mx.example.org and verifies, unless the
 * test changes that. The server is at 192.0.2.1, ports 25 and 587.
 */
#ifndef T_LIB_TLS_WORLD_H
#define T_LIB_TLS_WORLD_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "net/conn.h"
#include "net/reactor.h"
#include "net/tls.h"
#include "net_fake.h"
#include "tls_server.h"

extern struct reactor *reactor;
extern struct tls *tls;
extern struct tls_policy policy;
extern struct conn *conn;
extern char trail[64]; /* what was reported: o f r d, s(ecure), i(nsecure) */
extern void (*act)(enum conn_event event); /* what the owner does then; NULL: nothing */

extern struct tls_server *server;
struct far { /* the server's end of the newest connection */
	struct net_end end;
	struct tls_peer *peer;
	bool done, failed, ended;
	struct buf in, out;
	void (*plain)(void); /* instead of TLS, whenever there is something to read */
};
extern struct far far;

void world_certs(void); /* an unchecked fixture: they are made once */
void world_certs_remove(void);
const char *world_file(const char *name); /* the path of a file of certs.h; good for eight calls */
void world_setup(void);
void world_teardown(void);

void world_tls(const char *ca); /* another struct tls */
void world_serve(const char *cert, int lowest, int highest); /* another server */
void world_say(const char *data, size_t n); /* the server sends, as soon as it can */
void world_hang_up(void);

char world_next(void); /* turns until something is reported, and forgets it */
void world_connect(const char *ip, unsigned port);
char world_secure_as(const char *name); /* connects and shakes hands; what came of it */
char world_secure(void);
void world_secured(void); /* fails the test unless it succeeds */
void world_settled(void); /* ... and the tickets that come behind the handshake have been read */
void world_read(enum conn_event event); /* for act: reads and forgets */
size_t world_second(void); /* how many turns in a second: few, unless somebody spins */

#endif
