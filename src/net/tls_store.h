/*
 * tls_store.h: the CA certificates that servers are verified with: those given, or the system's.
 */
#ifndef NET_TLS_STORE_H
#define NET_TLS_STORE_H

#include <openssl/x509.h>

#include <stdbool.h>
#include <stddef.h>

enum { TLS_DIGEST = 32 }; /* of SHA-256 */

/*
 * Adds to the store what ca names (a file of PEM certificates, or a directory as `openssl rehash`
 * makes it), or, NULL, the first of the places where systems keep theirs. digest tells two such
 * stores apart. false and a line in why: nothing was found, or it cannot be read.
 */
bool tls_store_load(
    X509_STORE *store, const char *ca, unsigned char digest[TLS_DIGEST], char *why, size_t whysize);

/* The digest of a file's content, added to digest. false: it cannot be read. */
bool tls_store_digest(const char *path, unsigned char digest[TLS_DIGEST]);

#endif
