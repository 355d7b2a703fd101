/*
 * certs.h: certificates for tests, made when they are wanted: a root, an intermediate CA, and a
 * server's certificate for every way to be right or wrong. The good ones are for mx.example.org and
 * valid from 2020 to 2119, so that no clock of a test is outside.
 */
#ifndef T_LIB_CERTS_H
#define T_LIB_CERTS_H

#include <stdbool.h>
#include <stddef.h>

/* Names of files DIR/NAME.pem: certificate, chain and key, as a server takes them. */
extern const char *const certs_names[]; /* NULL ends */

/*
 * Writes DIR/ca.pem (the root alone), DIR/other-ca.pem (a root that issued none of them) and a file
 * for every name; RSA ones take a moment. dir: of mkdtemp(3), without a slash at the end.
 */
void certs_make(const char *dir);
void certs_make_quickly(const char *dir); /* all but those with RSA keys */
void certs_remove(const char *dir); /* the files and the directory */

/* "sha256:..." of the first certificate in the file, or of its public key. */
void certs_fingerprint(const char *path, bool key, char *dst, size_t size);

#endif
