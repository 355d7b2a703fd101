/*
 * tls_setup.c: what all connections of a run have in common: OpenSSL's settings, the CA store, a
 * client certificate.
 */
#include "net/tls_impl.h"

#include <openssl/bio.h>
#include <openssl/err.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"

enum { DEPTH_MAX = 10 }; /* of a chain */

static int
no_passphrase(char *buf, int size, int writing, void *ctx)
{
	(void)buf, (void)size, (void)writing, (void)ctx;
	return -1; /* OpenSSL would ask on the terminal */
}

static bool
use_client_cert(struct tls *t, const struct tls_options *o, char *why, size_t whysize)
{
	const char *key = o->key != NULL ? o->key : o->cert, *at = o->cert;
	unsigned long e;

	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(t->ctx, o->cert) == 1) {
		at = key;
		if (SSL_CTX_use_PrivateKey_file(t->ctx, key, SSL_FILETYPE_PEM) == 1 &&
		    SSL_CTX_check_private_key(t->ctx) == 1 &&
		    tls_store_digest(o->cert, t->identity))
			return true;
	}
	e = ERR_peek_error();
	snprintf(why, whysize, "client certificate: %s: %s", at,
	    e == 0                ? strerror(errno)
	    : ERR_SYSTEM_ERROR(e) ? strerror(ERR_GET_REASON(e))
				  : ERR_reason_error_string(e));
	ERR_clear_error();
	return false;
}

static SSL_CTX *
new_ctx(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL)
		die(EX_TEMPFAIL, "OpenSSL does not start");
	SSL_CTX_set_options(
	    ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	/* Without AUTO_RETRY a record that holds none of our bytes ends the call: bounded work. */
	SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, tls_on_new_session);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_verify_depth(ctx, DEPTH_MAX);
	SSL_CTX_set_cert_verify_callback(ctx, tls_on_chain, NULL);
	SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
	SSL_CTX_set_security_level(ctx, 0); /* each connection has its own */
	return ctx;
}

static bool
load_store(struct tls *t, const char *ca)
{
	t->store_tried = true;
	t->has_ca = tls_store_load(
	    SSL_CTX_get_cert_store(t->ctx), ca, t->identity, t->store_why, sizeof(t->store_why));
	return t->has_ca;
}

/*
 * With the first handshake, or to read the files that the configuration names: what OpenSSL loads for it
 * is more than 2 MB, and many runs never need it.
 */
static void
want_ctx(struct tls *t)
{
	if (t->ctx != NULL)
		return;
	t->ctx = new_ctx();
	t->method = tls_wire_method();
}

void
tls_want_store(struct tls *t)
{
	want_ctx(t);
	if (!t->store_tried)
		load_store(t, NULL);
}

struct tls *
tls_new(const struct tls_options *o, char *why, size_t whysize)
{
	struct tls *t = xcalloc(1, sizeof(*t));

	/* Before anything else of OpenSSL: afterwards its configuration is never read. */
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		die(EX_TEMPFAIL, "OpenSSL does not start");
	t->tickets = tickets_new();
	if (o->ca != NULL || o->cert != NULL)
		want_ctx(t);
	if (o->ca != NULL && !load_store(t, o->ca)) {
		str_copy(why, whysize, t->store_why);
		tls_free(&t);
	} else if (o->cert != NULL && !use_client_cert(t, o, why, whysize)) {
		tls_free(&t);
	}
	return t;
}

void
tls_free(struct tls **tp)
{
	struct tls *t = *tp;

	if (t == NULL)
		return;
	SSL_CTX_free(t->ctx);
	BIO_meth_free(t->method);
	tickets_free(&t->tickets);
	free(t);
	*tp = NULL;
}

bool
tls_has_ca(struct tls *t, char *why, size_t whysize)
{
	tls_want_store(t);
	if (!t->has_ca)
		str_copy(why, whysize, t->store_why);
	return t->has_ca;
}
