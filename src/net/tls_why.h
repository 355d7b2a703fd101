/*
 * tls_why.h: what OpenSSL's errors mean, a line for people.
 */
#ifndef NET_TLS_WHY_H
#define NET_TLS_WHY_H

#include <stddef.h>

#include "net/tls_wire.h"

/* e: of ERR_peek_error(), 0: there is none. */
void tls_why_broken(const struct tls_wire *w, unsigned long e, char *why, size_t whysize);
/* In the handshake. What why holds already stays if it was the certificate that was refused. */
void tls_why_handshake(const struct tls_wire *w, unsigned long e, char *why, size_t whysize);

#endif
