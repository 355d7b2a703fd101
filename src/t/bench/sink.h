/*
 * sink.h: the parts of the sink, below each other: sink.c (options, addresses, the loop) <-
 * sink_smtp.c (the conversation) <- sink_tls.c, sink_client.c (bytes and their time) <- sink_grey.c.
 *
 * A client belongs to sink_client.c from accept(2) to close(2). Nobody else closes one but through
 * client_close(), after which its pointer is worthless.
 */
#ifndef T_BENCH_SINK_H
#define T_BENCH_SINK_H

#include <sys/types.h>

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "count.h"
#include "tls_server.h"

enum { READ_MAX = 64 * 1024, LINE_MAX_SINK = 64 * 1024 };

/* Groups of replies that all wait equally long, so the queue is in order of time. */
struct lane {
	int64_t delay_ns;
	struct group *groups;
	size_t start, end, cap;
};

struct listener {
	int fd, port;
	struct lane *lane; /* what its replies go through */
	bool tarpit, grey;
	const char *name; /* of a case of TLS (sink_tls.c); NULL: none */
	bool implicit; /* TLS from the start */
	struct tls_server *tls; /* NULL: none */
};

enum client_state { SHAKING, COMMAND, HEADER, BODY, CHUNK };

struct client {
	int fd;
	size_t at; /* index in clients[] */
	unsigned serial; /* of the connection, so that a late reply does not reach the next one */
	const struct listener *from;
	struct tls_peer *peer; /* NULL: clear text */
	enum client_state state;
	bool quit, mail, auth, last;
	bool held, mailed; /* the first MAIL is waiting; there was one */
	size_t rcpts;
	uint64_t chunk; /* what is left of BDAT's */
	struct buf in; /* the beginning of a line */
	struct buf
	    out; /* replies; the first `ready` bytes may go, the last `fresh` have no time yet */
	size_t ready, fresh;
	struct buf recipients; /* one a line, when there is a record */
	char message_id[128];
};

struct sink_options {
	int port, addresses;
	int record; /* descriptor, -1: none */
	uint64_t hold;
	bool reject, greylist, no_pipelining, chunking;
	const char *auth, *certs; /* NULL: none */
};

extern struct sink_options opt;
extern struct count *count; /* perhaps in the file of --count */

int64_t now_ns(void);

/* --- sink_client.c --- */

extern struct client **clients;
extern struct pollfd
    *polled; /* the listeners', and behind them a client's each, in step with clients[] */
extern size_t nclients, nlisteners;

void clients_start(const struct listener *listeners); /* when there are nlisteners of them */
void client_accept(const struct listener *from); /* all that wait there */
void client_ready(struct client *c, short revents);
void client_close(struct client *c);
void client_reply(struct client *c, const char *text); /* a line, or several */
void client_hold(struct client *c); /* at MAIL: with --hold its reply waits */
int lane_send_due(struct lane *lane, int64_t now); /* ms until the next, -1: none waits */
void clients_release(void); /* no MAIL is held any more */

/* --- sink_smtp.c --- */

void smtp_start(struct client *c);
/* Takes whole lines (of content in chunks, anything) and returns how many bytes it took. */
size_t smtp_input(struct client *c, const char *data, size_t n);

/* --- sink_tls.c --- */

void tls_begin(struct client *c);
void tls_shake(struct client *c); /* may close */
void tls_listener(struct listener *l, const char *pem); /* STARTTLS */
void tls_case(struct listener *l, char *name); /* NAME[+implicit] of --certs */
bool tls_offered(const struct client *c);

/* --- sink_grey.c --- */

bool grey_seen(const char *recipient, size_t n); /* whether it was asked about before */

#endif
