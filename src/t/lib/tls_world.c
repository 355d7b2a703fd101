/* tls_world.c: a client's connection with TLS, and the server it talks to. */
#include "tls_world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/sys.h"
#include "certs.h"
#include "vclock.h"

static char certs_dir[64];

struct reactor *reactor;
struct tls *tls;
struct tls_policy policy;
struct tls_server *server;
struct conn *conn;
char trail[64]; /* what was reported: o f r d, s(ecure), i(nsecure) */
void (*act)(enum conn_event event);

struct far far;

const char *
world_file(const char *name)
{
	static char path[8][128];
	static int which;

	which = (which + 1) % 8;
	snprintf(path[which], sizeof(path[which]), "%s/%s.pem", certs_dir, name);
	return path[which];
}

/* --- the server --- */

static void
server_send(void)
{
	ssize_t put = 1;

	while (buf_len(&far.out) > 0 && put > 0) {
		put = tls_peer_send(far.peer, buf_data(&far.out), buf_len(&far.out));
		if (put > 0)
			buf_consume(&far.out, (size_t)put);
	}
	if (buf_len(&far.out) > 0)
		far.end.due_ms = vclock_ms() + 1;
}

static void
server_receive(void)
{
	char block[4096];
	ssize_t got;

	while ((got = tls_peer_recv(far.peer, block, sizeof(block))) > 0)
		buf_add(&far.in, block, (size_t)got);
	if (got == 0 || errno != EAGAIN) {
		far.ended = true;
		far.failed = got != 0;
		net_end_close(&far.end);
	}
}

static void
server_input(struct net_end *e)
{
	int rc;

	if (far.plain != NULL) {
		far.plain();
		return;
	}
	if (!far.done) {
		rc = tls_peer_accept(far.peer);
		far.done = rc == 1;
		if (rc == -1) {
			far.failed = true;
			net_end_close(e);
		}
	}
	if (far.done)
		server_receive();
	if (far.done && !far.ended)
		server_send();
}

static void
server_due(struct net_end *e)
{
	(void)e;
	server_send();
}

void
world_hang_up(void)
{
	tls_peer_free(&far.peer);
	net_end_close(&far.end);
	buf_free(&far.in);
	buf_free(&far.out);
}

static void
server_accept(void *ctx, int fd, bool stream)
{
	(void)ctx, (void)stream;
	world_hang_up();
	far.done = far.failed = far.ended = false;
	net_end_init(&far.end, fd);
	far.end.input = server_input;
	far.end.due = server_due;
	far.peer = tls_peer_new(server, fd);
}

void
world_serve(const char *cert, int lowest, int highest)
{
	struct tls_server_options o = {
	    .pem = world_file(cert), .lowest = lowest, .highest = highest};

	tls_server_free(&server);
	server = tls_server_new(&o);
}

void
world_say(const char *data, size_t n)
{
	buf_add(&far.out, data, n);
	server_send();
}

/* --- the client --- */

static void
on_event(void *ctx, enum conn_event event)
{
	size_t n = strlen(trail);

	(void)ctx;
	if (n + 1 < sizeof(trail)) {
		trail[n] = "ofrdsi"[event];
		trail[n + 1] = '\0';
	}
	if (act != NULL)
		act(event);
}

char
world_next(void)
{
	char first;

	while (trail[0] == '\0')
		ck_assert(reactor_turn(reactor));
	first = trail[0];
	memmove(trail, trail + 1, strlen(trail));
	return first;
}

void
world_connect(const char *ip, unsigned port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	inet_pton(AF_INET, ip, &in.sin_addr);
	conn_close(&conn);
	trail[0] = '\0';
	conn = conn_connect(
	    reactor, (struct sockaddr *)(void *)&in, sizeof(in), NULL, 0, on_event, NULL);
	ck_assert_int_eq(world_next(), 'o');
}

/* Connects and shakes hands; what came of it. */
char
world_secure_as(const char *name)
{
	world_connect("192.0.2.1", 25);
	conn_start_tls(conn, tls, &policy, name);
	ck_assert_str_eq(trail, ""); /* never from within the call */
	return world_next();
}

char
world_secure(void)
{
	return world_secure_as("mx.example.org");
}

void
world_secured(void)
{
	char outcome = world_secure();

	if (outcome != 's')
		ck_abort_msg("%c: %s", outcome, conn_tls(conn)->why);
}

void
world_tls(const char *ca)
{
	struct tls_options o = {.ca = ca};
	char why[256];

	tls_free(&tls);
	tls = tls_new(&o, why, sizeof(why));
	ck_assert_msg(tls != NULL, "%s", why);
}

static void
on_tick(void *ctx)
{
	*(bool *)ctx = true;
}

/* How many turns the reactor makes until a second has passed: few, unless somebody spins. */
size_t
world_second(void)
{
	struct timer second;
	bool passed = false;
	size_t turns = 0;

	timer_init(&second, on_tick, &passed);
	timer_arm(reactor, &second, reactor_now(reactor) + 1000);
	for (; !passed && turns < 1000; turns++)
		reactor_turn(reactor);
	timer_disarm(reactor, &second);
	return turns;
}

void
world_certs(void)
{
	snprintf(certs_dir, sizeof(certs_dir), "/tmp/check_tls.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(certs_dir));
	certs_make(certs_dir);
}

void
world_certs_remove(void)
{
	certs_remove(certs_dir);
}

void
world_setup(void)
{
	vclock_install(1764000000);
	net_fake_install();
	memset(&far, 0, sizeof(far));
	far.end.fd = -1;
	list_init(&far.end.link);
	buf_init(&far.in, 64 << 20);
	buf_init(&far.out, 64 << 20);
	net_fake_listen("192.0.2.1:25", server_accept, NULL);
	net_fake_listen("192.0.2.1:587", server_accept, NULL);
	reactor = reactor_new();
	conn = NULL;
	act = NULL;
	tls = NULL;
	server = NULL;
	policy = (struct tls_policy){.level = TLS_VERIFY};
	world_tls(world_file("ca"));
	world_serve("good", 0, 0);
}

void
world_teardown(void)
{
	conn_close(&conn);
	while (reactor_turn(reactor))
		;
	reactor_free(&reactor);
	world_hang_up();
	tls_server_free(&server);
	tls_free(&tls);
	tls_free(&tls);
	sys = sys_libc;
}

void
world_read(enum conn_event event)
{
	char text[64];

	while (event == CONN_READY && conn_read(conn, text, sizeof(text)) > 0)
		;
}

/* Secured, and the tickets that come behind the handshake have been read. */
void
world_settled(void)
{
	world_secured();
	act = world_read;
	conn_want(conn, true, false);
	world_second();
	act = NULL;
	trail[0] = '\0';
}
