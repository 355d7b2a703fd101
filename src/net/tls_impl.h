/*
 * tls_impl.h: what the files that use <openssl/ssl.h> share; nobody else includes it.
 *
 *	tls.c		connections: the handshake, whom we talk to, reading and writing
 *	tls_setup.c	one for the run: settings, CA store, client certificate
 *	tls_resume.c	sessions that can be resumed
 */
#ifndef NET_TLS_IMPL_H
#define NET_TLS_IMPL_H

#include <openssl/ssl.h>

#include "net/tickets.h"
#include "net/tls.h"
#include "net/tls_store.h"
#include "net/tls_verify.h"
#include "net/tls_wire.h"

struct tls {
	SSL_CTX *ctx;
	BIO_METHOD *method;
	struct tickets *tickets;
	bool store_tried, has_ca;
	unsigned char identity[TLS_DIGEST]; /* of the CA store and the client certificate */
	char store_why[256]; /* why there is no CA */
};

struct tls_conn {
	struct tls *tls;
	SSL *ssl;
	struct tls_wire wire;
	const struct tls_policy *policy;
	struct tls_name name;
	char key[TICKET_KEY_LEN + 1]; /* of its sessions */
	bool done; /* the handshake */
	bool broken; /* TLS itself; facts.why says how */
	struct tls_facts facts;
};

/* tls.c */
bool tls_is_trusted(long verify_result); /* the chain, whatever the name */
int tls_on_chain(X509_STORE_CTX *ctx, void *unused); /* judges it, instead of OpenSSL's own */

/* tls_setup.c */
void tls_want_store(struct tls *t); /* the system's CA certificates, unless there are some */

/* tls_resume.c: what it is kept under is set before it is offered */
void tls_session_key(struct tls_conn *c, unsigned port);
void tls_offer_session(struct tls_conn *c);
int tls_on_new_session(SSL *ssl, SSL_SESSION *s);

#endif
