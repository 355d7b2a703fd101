/* tls_wire.c: what TLS reads from and writes to. */
#include "net/tls_wire.h"

#include <sys/socket.h>

#include <errno.h>
#include <sysexits.h>

#include "base/log.h"
#include "base/sys.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* SO_NOSIGPIPE does it there */
#endif

enum { UNSENT_MAX = 4 * 16384 }; /* the ceiling of `out`: four records of the longest */

/* Bytes sent, 0 when none could be; an error is noted. */
static size_t
send_some(struct tls_wire *w, const char *data, size_t n)
{
	ssize_t put;

	do
		put = sys.send(w->fd, data, n, MSG_NOSIGNAL);
	while (put == -1 && errno == EINTR);
	if (put >= 0)
		return (size_t)put;
	if (errno != EAGAIN && errno != EWOULDBLOCK)
		w->send_errno = errno;
	return 0;
}

static int
wire_write(BIO *b, const char *data, int n)
{
	struct tls_wire *w = BIO_get_data(b);
	size_t len = (size_t)n, put = 0;

	BIO_clear_retry_flags(b);
	if (n <= 0 || w->send_errno != 0)
		return n;
	if (buf_room(&w->out) < len) {
		BIO_set_retry_write(b);
		return -1;
	}
	if (buf_len(&w->out) == 0)
		put = send_some(w, data, len);
	if (w->send_errno == 0)
		buf_add(&w->out, data + put, len - put);
	return n;
}

static int
wire_read(BIO *b, char *data, int n)
{
	struct tls_wire *w = BIO_get_data(b);
	ssize_t got;

	BIO_clear_retry_flags(b);
	if (w->recvs_left-- <= 0) { /* the socket is still readable: the next turn goes on */
		BIO_set_retry_read(b);
		return -1;
	}
	do
		got = sys.recv(w->fd, data, (size_t)n, 0);
	while (got == -1 && errno == EINTR);
	for (ssize_t i = 0; i < got && w->nhead < sizeof(w->head); i++)
		w->head[w->nhead++] = (unsigned char)data[i];
	if (got == 0)
		w->end = true;
	if (got == -1) {
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			BIO_set_retry_read(b);
		else
			w->recv_errno = errno;
	}
	return (int)got;
}

static long
wire_ctrl(BIO *b, int cmd, long num, void *ptr)
{
	const struct tls_wire *w = BIO_get_data(b);

	(void)num, (void)ptr;
	if (cmd == BIO_CTRL_EOF)
		return w->end;
	return cmd == BIO_CTRL_FLUSH; /* nothing to do, done */
}

static int
wire_create(BIO *b)
{
	BIO_set_init(b, 1);
	return 1;
}

BIO_METHOD *
tls_wire_method(void)
{
	/* A type of one's own is needed only to be searched for by it; there are few. */
	BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK | (BIO_TYPE_START - 1), "wire");

	if (m == NULL)
		die(EX_TEMPFAIL, "OpenSSL: no memory");
	BIO_meth_set_write(m, wire_write);
	BIO_meth_set_read(m, wire_read);
	BIO_meth_set_ctrl(m, wire_ctrl);
	BIO_meth_set_create(m, wire_create);
	return m;
}

void
tls_wire_init(struct tls_wire *w, int fd)
{
	*w = (struct tls_wire){.fd = fd};
	buf_init(&w->out, UNSENT_MAX);
}

void
tls_wire_free(struct tls_wire *w)
{
	buf_free(&w->out);
}

BIO *
tls_wire_bio(struct tls_wire *w, BIO_METHOD *m)
{
	BIO *b = BIO_new(m);

	if (b == NULL)
		die(EX_TEMPFAIL, "OpenSSL: no memory");
	BIO_set_data(b, w);
	return b;
}

void
tls_wire_flush(struct tls_wire *w)
{
	size_t put = 1;

	while (buf_len(&w->out) > 0 && put > 0) {
		put = send_some(w, buf_data(&w->out), buf_len(&w->out));
		buf_consume(&w->out, put);
	}
	/* Most of the time nothing waits: then it costs no memory either. */
	if (buf_len(&w->out) == 0 || w->send_errno != 0)
		buf_free(&w->out);
}
