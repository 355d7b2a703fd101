/*
 * tickets.h: TLS sessions that can be resumed, as the bytes that OpenSSL made of them, by key.
 *
 * Who may use a session is said by its key alone: 64 hex digits that tls.c makes. A few a key and
 * TICKETS_MAX in all; the oldest give way. Time is seconds since 1970, and passed in.
 */
#ifndef NET_TICKETS_H
#define NET_TICKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TICKETS_MAX = 1000,
	TICKETS_A_KEY = 8, /* as many connections as come to one server at once, about */
	TICKET_BYTES_MAX = 65536,
	TICKET_KEY_LEN = 64,
};

struct tickets;

struct tickets *tickets_new(void);
void tickets_free(struct tickets **t);

/* once: gone when taken (RFC 8446 C.4: so that nobody can tell two connections are one client's). */
void tickets_put(struct tickets *t, const char *key, const unsigned char *bytes, size_t n,
    int64_t expires_at, bool once);
/* The newest that has not expired, its length in *n, to be freed by the caller. NULL: none. */
unsigned char *tickets_take(struct tickets *t, const char *key, int64_t now, size_t *n);
void tickets_drop(struct tickets *t, const char *key); /* all of that key */

/* One file, as text with the bytes in between; see tls.h. Those expired by then are left out. */
void tickets_load(struct tickets *t, int fd, int64_t now);
int tickets_save(struct tickets *t, int fd, int64_t now);
bool tickets_changed(const struct tickets *t);
size_t tickets_count(const struct tickets *t);

#endif
