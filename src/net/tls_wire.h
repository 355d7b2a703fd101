/*
 * tls_wire.h: what TLS reads from and writes to: a BIO of OpenSSL's over the table of system calls.
 *
 * What OpenSSL writes is always taken (up to a ceiling): what the socket does not take at once waits
 * in `out`. A send that fails is not told to OpenSSL but noted, and what is written later is lost,
 * so that what the server said before it hung up can still be read. SIGPIPE is never raised.
 */
#ifndef NET_TLS_WIRE_H
#define NET_TLS_WIRE_H

#include <openssl/bio.h>

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct tls_wire {
	int fd;
	struct buf out;
	int send_errno, recv_errno; /* 0: all is well */
	bool end; /* of what the server sends */
	int recvs_left; /* then reading means "later", to bound the work of one call */
	unsigned char head[3]; /* the first bytes that came: type and version of a record, if TLS */
	size_t nhead;
};

BIO_METHOD *tls_wire_method(void); /* freed with BIO_meth_free() */
void tls_wire_init(struct tls_wire *w, int fd);
void tls_wire_free(struct tls_wire *w); /* the socket stays open */
BIO *tls_wire_bio(struct tls_wire *w, BIO_METHOD *m); /* w must stay where it is */
void tls_wire_flush(struct tls_wire *w);

#endif
