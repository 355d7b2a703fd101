/*
 * tls_resume.c: sessions that can be resumed (RFC 8446 2.2): whose they are, for how long.
 */
#include "net/tls_impl.h"

#include <openssl/evp.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum {
	LIFETIME_S = 7200, /* unless the server says otherwise */
	LIFETIME_MAX_S = 86400,
};

static void
add_part(EVP_MD_CTX *md, const char *s)
{
	EVP_DigestUpdate(md, s, strlen(s) + 1);
}

/* Whatever makes a difference to whom a session may be used with is in its key. */
void
tls_session_key(struct tls_conn *c, unsigned port)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	const struct tls_policy *p = c->policy;
	unsigned char digest[TLS_DIGEST];
	char text[64];

	snprintf(text, sizeof(text), "%u %d %d %zu", port, (int)p->level, p->old_versions,
	    p->nfingerprints);
	EVP_DigestInit_ex(md, EVP_sha256(), NULL);
	add_part(md, c->name.text);
	add_part(md, text);
	for (size_t i = 0; i < p->nfingerprints; i++)
		add_part(md, p->fingerprints[i]);
	EVP_DigestUpdate(md, c->tls->identity, sizeof(c->tls->identity));
	EVP_DigestFinal_ex(md, digest, NULL);
	EVP_MD_CTX_free(md);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(c->key + 2 * i, 3, "%02x", digest[i]);
}

/* As the server says, within reason (RFC 8446 4.6.1 allows a week); sessions without a ticket are
 * in its memory and say nothing. */
static int64_t
lifetime_s(const SSL_SESSION *s)
{
	unsigned long hint = SSL_SESSION_get_ticket_lifetime_hint(s);

	if (hint == 0)
		return LIFETIME_S;
	return hint < LIFETIME_MAX_S ? (int64_t)hint : LIFETIME_MAX_S;
}

/* OpenSSL has a session that could be resumed; with TLS 1.3 this comes after the handshake. */
int
tls_on_new_session(SSL *ssl, SSL_SESSION *s)
{
	struct tls_conn *c = SSL_get_app_data(ssl);
	unsigned char *der = NULL;
	int n;

	if (SSL_SESSION_is_resumable(s) != 1)
		return 0;
	n = i2d_SSL_SESSION(s, &der);
	if (n > 0)
		tickets_put(c->tls->tickets, c->key, der, (size_t)n, clock_wall_s() + lifetime_s(s),
		    SSL_SESSION_get_protocol_version(s) >= TLS1_3_VERSION);
	OPENSSL_free(der);
	return 0; /* we keep no reference */
}

static bool
has_expired(const X509 *x)
{
	time_t now = (time_t)clock_wall_s();

	return x != NULL && X509_cmp_time(X509_get0_notAfter(x), &now) <= 0;
}

/* It remembers that the certificate was good: only as long as that is so. */
static bool
use_session(struct tls_conn *c, SSL_SESSION *s)
{
	if (s == NULL || SSL_set_session(c->ssl, s) != 1)
		return false;
	if (!tls_is_trusted(SSL_get_verify_result(c->ssl)) ||
	    !has_expired(SSL_SESSION_get0_peer(s)))
		return true;
	SSL_set_session(c->ssl, NULL);
	return false;
}

void
tls_offer_session(struct tls_conn *c)
{
	unsigned char *der;
	size_t n;

	while ((der = tickets_take(c->tls->tickets, c->key, clock_wall_s(), &n)) != NULL) {
		const unsigned char *p = der;
		SSL_SESSION *s = d2i_SSL_SESSION(NULL, &p, (long)n);
		bool used = use_session(c, s);

		SSL_SESSION_free(s);
		free(der);
		if (used)
			return;
		tickets_drop(c->tls->tickets, c->key);
	}
}

void
tls_sessions_load(struct tls *t, int fd)
{
	tickets_load(t->tickets, fd, clock_wall_s());
}

int
tls_sessions_save(struct tls *t, int fd)
{
	return tickets_save(t->tickets, fd, clock_wall_s());
}

bool
tls_sessions_changed(const struct tls *t)
{
	return tickets_changed(t->tickets);
}
