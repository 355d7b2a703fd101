/*
 * tls_verify.h: whether a certificate is the one that was wanted, and what to tell people about it.
 */
#ifndef NET_TLS_VERIFY_H
#define NET_TLS_VERIFY_H

#include <openssl/x509.h>

#include <stdbool.h>
#include <stddef.h>

#include "net/tls.h"

struct tls_name { /* whom we want to talk to */
	char text[256]; /* lower case, without a final dot or brackets */
	unsigned char ip[16];
	size_t iplen; /* 0: not an address */
};

void tls_name_set(struct tls_name *n, const char *name);
/*
 * RFC 9525 6: by subjectAltName alone, never the common name; a wildcard is the whole of the
 * leftmost label and stands for one label. An address must be there as an address.
 */
bool tls_name_matches(const struct tls_name *n, X509 *leaf);

/* Any of the policy's fingerprints is that of the certificate or of its public key. */
bool tls_fingerprint_listed(X509 *leaf, const struct tls_policy *p);

/* subject, issuer, fingerprint */
void tls_describe(X509 *leaf, struct tls_facts *f);
/* One line: why a chain is not good. error: of X509_V_ERR; x: the certificate at fault, or NULL. */
void tls_explain(int error, X509 *x, const struct tls_name *n, char *why, size_t whysize);
/* -v: the chain as the server sent it, a line each. */
void tls_trace_chain(const STACK_OF(X509) * chain);

/* RFC 5929 4.1: the certificate's hash by its own signature's algorithm; 0: it has none. */
size_t tls_end_point(X509 *leaf, unsigned char *buf, size_t size);

#endif
