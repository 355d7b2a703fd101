/*
 * tls.c: TLS for connections, by OpenSSL (3.0 and later).
 *
 * OpenSSL reads and writes through tls_wire.h, which takes whatever it writes; tls_write() takes
 * nothing more until that has gone out. So EAGAIN means here what it means with a socket: nothing
 * was taken, and the next call may bring other bytes, which SSL_write() alone would not forgive.
 */
#include "net/tls_impl.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "net/tls_why.h"

enum {
	RECORD = 16384, /* RFC 8446 5.1: at most so much in one record */
	/* Records without content cost work too, and there may be no end of them. */
	RECVS_A_CALL = 64,
};

/* --- verification --- */

bool
tls_is_trusted(long verify_result)
{
	return verify_result == X509_V_OK || verify_result == X509_V_ERR_HOSTNAME_MISMATCH;
}

/*
 * Instead of OpenSSL's own: the chain is judged without the name and the name by itself, because
 * the facts tell both, and what the session remembers (the error left in ctx) must say exactly what
 * was found: X509_V_OK, chain and name are right; HOSTNAME_MISMATCH, the chain alone; others, neither.
 */
int
tls_on_chain(X509_STORE_CTX *ctx, void *unused)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_conn *c = SSL_get_app_data(ssl);
	X509 *leaf = X509_STORE_CTX_get0_cert(ctx), *fault = leaf;
	int error = X509_V_OK;

	(void)unused;
	if (log_is_verbose())
		tls_trace_chain(X509_STORE_CTX_get0_untrusted(ctx));
	if (X509_verify_cert(ctx) != 1) {
		error = X509_STORE_CTX_get_error(ctx);
		if (error == X509_V_OK)
			error = X509_V_ERR_UNSPECIFIED;
		fault = X509_STORE_CTX_get_current_cert(ctx);
	} else if (!tls_name_matches(&c->name, leaf)) {
		error = X509_V_ERR_HOSTNAME_MISMATCH;
	}
	if (error != X509_V_OK)
		tls_explain(error, fault, &c->name, c->facts.why, sizeof(c->facts.why));
	X509_STORE_CTX_set_error(ctx, error);
	c->facts.trusted = tls_is_trusted(error);
	tls_describe(leaf, &c->facts);
	if (c->policy->level == TLS_VERIFY)
		return error == X509_V_OK;
	if (c->policy->level != TLS_FINGERPRINT || tls_fingerprint_listed(leaf, c->policy))
		return 1;
	if (error == X509_V_OK) /* an alert is made of it */
		X509_STORE_CTX_set_error(ctx, X509_V_ERR_APPLICATION_VERIFICATION);
	str_copy(c->facts.why, sizeof(c->facts.why), "the certificate is none of those listed");
	return 0;
}

/* --- the handshake --- */

/*
 * OpenSSL's security level, SSL_CTX_set_security_level(3). Where the alternative is clear text, any
 * encryption is better; where it is to hold against somebody, 2 is 112 bits (RFC 9325 4).
 */
static int
security_level(const struct tls_policy *p)
{
	if (p->level == TLS_MAY || p->old_versions) /* TLS 1.0 and 1.1 sign with SHA-1 */
		return 0;
	return p->level == TLS_VERIFY ? 2 : 1;
}

static void
configure(struct tls_conn *c)
{
	/* Servers that do not know RFC 5746 can be made to take somebody else's bytes for the start
	 * of ours: nothing that matters where anybody could be the server. We never renegotiate. */
	if (c->policy->level == TLS_MAY || c->policy->level == TLS_ENCRYPT ||
	    c->policy->old_versions)
		SSL_set_options(c->ssl, SSL_OP_LEGACY_SERVER_CONNECT);
	SSL_set_security_level(c->ssl, security_level(c->policy));
	SSL_set_min_proto_version(c->ssl, c->policy->old_versions ? TLS1_VERSION : TLS1_2_VERSION);
	X509_VERIFY_PARAM_set_time(SSL_get0_param(c->ssl), (time_t)clock_wall_s());
	/* RFC 6066 3: no address literals. A name too long for it is one that nobody has. */
	if (c->name.iplen == 0 && c->name.text[0] != '\0')
		(void)SSL_set_tlsext_host_name(c->ssl, c->name.text);
	SSL_set_connect_state(c->ssl);
}

struct tls_conn *
tls_begin(struct tls *t, int fd, const struct tls_policy *p, const char *name, unsigned port)
{
	struct tls_conn *c = xcalloc(1, sizeof(*c));
	BIO *bio;

	if (p->level == TLS_NONE)
		bug("tls_begin where TLS is not wanted");
	tls_want_store(t);
	c->tls = t;
	c->policy = p;
	tls_wire_init(&c->wire, fd);
	tls_name_set(&c->name, name);
	tls_session_key(c, port);
	c->ssl = SSL_new(t->ctx);
	if (c->ssl == NULL)
		die(EX_TEMPFAIL, "OpenSSL: no memory");
	bio = tls_wire_bio(&c->wire, t->method);
	SSL_set_bio(c->ssl, bio, bio);
	SSL_set_app_data(c->ssl, c);
	configure(c);
	tls_offer_session(c);
	return c;
}

void
tls_end(struct tls_conn **cp, bool orderly)
{
	struct tls_conn *c = *cp;

	if (c == NULL)
		return;
	*cp = NULL;
	/* Once is enough: we wait for nobody's close_notify (RFC 8446 6.1). */
	if (orderly && c->done && !c->broken && buf_len(&c->wire.out) == 0) {
		ERR_clear_error();
		SSL_shutdown(c->ssl);
	}
	SSL_free(c->ssl);
	tls_wire_free(&c->wire);
	ERR_clear_error();
	free(c);
}

/* A session remembers what tls_on_chain() found, and the leaf. */
static void
note_facts(struct tls_conn *c)
{
	struct tls_facts *f = &c->facts;
	X509 *leaf = SSL_get0_peer_certificate(c->ssl);
	long result = SSL_get_verify_result(c->ssl);

	str_copy(f->protocol, sizeof(f->protocol), SSL_get_version(c->ssl));
	str_copy(f->cipher, sizeof(f->cipher), SSL_get_cipher_name(c->ssl));
	f->resumed = SSL_session_reused(c->ssl) == 1;
	if (leaf == NULL)
		return; /* there is no cipher without one among OpenSSL's defaults */
	tls_describe(leaf, f);
	f->trusted = tls_is_trusted(result);
	f->verified = c->policy->level == TLS_FINGERPRINT
			  ? tls_fingerprint_listed(leaf, c->policy)
			  : result == X509_V_OK && tls_name_matches(&c->name, leaf);
	if (f->verified)
		f->why[0] = '\0';
	else if (f->why[0] == '\0')
		tls_explain((int)result, leaf, &c->name, f->why, sizeof(f->why));
}

static int
handshake_done(struct tls_conn *c)
{
	enum tls_level level = c->policy->level;

	note_facts(c);
	/* tls_on_chain() refuses these; a session that should not have been there ends here. */
	if ((level == TLS_VERIFY || level == TLS_FINGERPRINT) && !c->facts.verified) {
		c->broken = true;
		errno = EPROTO;
		return -1;
	}
	c->done = true;
	return 1;
}

static enum tls_want
want_of(int error)
{
	return error == SSL_ERROR_WANT_WRITE ? TLS_WANT_WRITE : TLS_WANT_READ;
}

int
tls_handshake(struct tls_conn *c, enum tls_want *want)
{
	int rc, error;

	*want = TLS_WANT_NOTHING;
	tls_flush(c);
	ERR_clear_error();
	c->wire.recvs_left = RECVS_A_CALL;
	rc = SSL_do_handshake(c->ssl);
	if (rc == 1)
		return handshake_done(c);
	error = SSL_get_error(c->ssl, rc);
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
		*want = want_of(error);
		return 0;
	}
	tls_why_handshake(&c->wire, ERR_peek_error(), c->facts.why, sizeof(c->facts.why));
	ERR_clear_error();
	c->broken = true;
	errno = c->wire.recv_errno != 0 ? c->wire.recv_errno : EPROTO;
	return -1;
}

/* --- reading and writing --- */

static ssize_t
broken(struct tls_conn *c, unsigned long e)
{
	if (!c->broken)
		tls_why_broken(&c->wire, e, c->facts.why, sizeof(c->facts.why));
	c->broken = true;
	ERR_clear_error();
	errno = EPROTO;
	return -1;
}

static int
clip(size_t n)
{
	return n < RECORD ? (int)n : RECORD;
}

ssize_t
tls_read(struct tls_conn *c, void *buf, size_t n, enum tls_want *want)
{
	int got, error;
	unsigned long e;

	*want = TLS_WANT_NOTHING;
	if (n == 0)
		return 0;
	if (c->broken)
		return broken(c, 0);
	ERR_clear_error();
	c->wire.recvs_left = RECVS_A_CALL;
	got = SSL_read(c->ssl, buf, clip(n));
	if (got > 0)
		return got;
	error = SSL_get_error(c->ssl, got);
	e = ERR_peek_error();
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
		*want = want_of(error);
		errno = EAGAIN;
		return -1;
	}
	if (c->wire.recv_errno != 0) {
		ERR_clear_error();
		errno = c->wire.recv_errno;
		return -1;
	}
	if (error == SSL_ERROR_ZERO_RETURN) {
		ERR_clear_error();
		return 0;
	}
	return broken(c, e);
}

ssize_t
tls_write(struct tls_conn *c, const void *buf, size_t n, enum tls_want *want)
{
	int put, error;

	*want = TLS_WANT_NOTHING;
	if (n == 0)
		return 0;
	tls_flush(c);
	if (c->wire.send_errno != 0) {
		errno = c->wire.send_errno;
		return -1;
	}
	if (c->broken)
		return broken(c, 0);
	if (buf_len(&c->wire.out) > 0) {
		*want = TLS_WANT_WRITE;
		errno = EAGAIN;
		return -1;
	}
	ERR_clear_error();
	c->wire.recvs_left = RECVS_A_CALL;
	put = SSL_write(c->ssl, buf, clip(n));
	if (c->wire.send_errno != 0) {
		errno = c->wire.send_errno;
		return -1;
	}
	if (put > 0)
		return put;
	error = SSL_get_error(c->ssl, put);
	if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
		return broken(c, ERR_peek_error());
	*want = want_of(error);
	errno = EAGAIN;
	return -1;
}

bool
tls_pending(const struct tls_conn *c)
{
	return !c->broken && SSL_pending(c->ssl) > 0;
}

bool
tls_unsent(const struct tls_conn *c)
{
	return buf_len(&c->wire.out) > 0;
}

void
tls_flush(struct tls_conn *c)
{
	tls_wire_flush(&c->wire);
}

const struct tls_facts *
tls_facts(const struct tls_conn *c)
{
	return &c->facts;
}

size_t
tls_binding(const struct tls_conn *c, const char *type, unsigned char *buf, size_t size)
{
	enum { EXPORTED = 32 }; /* RFC 9266 3 */
	static const char label[] = "EXPORTER-Channel-Binding";
	X509 *leaf;

	if (!c->done)
		return 0;
	if (strcmp(type, "tls-server-end-point") == 0) {
		leaf = SSL_get0_peer_certificate(c->ssl);
		return leaf == NULL ? 0 : tls_end_point(leaf, buf, size);
	}
	/*
	 * RFC 9266 4: with TLS 1.2 only where an extended master secret was negotiated; and there an
	 * empty context is not no context (RFC 5705 4), which the RFC leaves open. TLS 1.3 alone, then.
	 */
	if (strcmp(type, "tls-exporter") != 0 || size < EXPORTED ||
	    SSL_version(c->ssl) < TLS1_3_VERSION)
		return 0;
	/* Exporting changes nothing that matters to anybody, but OpenSSL wants it writable. */
	return SSL_export_keying_material(c->ssl, buf, EXPORTED, label, sizeof(label) - 1,
		   (const unsigned char *)"", 0, 1) == 1
		   ? EXPORTED
		   : 0;
}
