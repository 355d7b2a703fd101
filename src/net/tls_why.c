/* tls_why.c: what OpenSSL's errors mean, a line for people. */
#include "net/tls_why.h"

#include <openssl/err.h>
#include <openssl/sslerr.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

/* RFC 8446 6.2: alerts are numbered below 256; OpenSSL adds this to those that were received. */
enum { ALERTS = 1000 };

static int
reason_of(unsigned long e)
{
	return ERR_GET_LIB(e) == ERR_LIB_SSL ? ERR_GET_REASON(e) : 0;
}

void
tls_why_broken(const struct tls_wire *w, unsigned long e, char *why, size_t whysize)
{
	static const char *const old[] = {"SSL 3.0", "TLS 1.0", "TLS 1.1"};
	int reason = reason_of(e);
	const char *text = e == 0 ? NULL : ERR_reason_error_string(e), *alert;

	if (reason == SSL_R_UNSUPPORTED_PROTOCOL && w->nhead == 3 && w->head[2] < 3) {
		snprintf(why, whysize, "the server speaks %s only", old[w->head[2]]);
	} else if (reason >= ALERTS && reason < ALERTS + 256) {
		/* their texts are like "tlsv1 alert protocol version" */
		alert = text == NULL ? NULL : strstr(text, "alert ");
		snprintf(why, whysize, "the server broke TLS off: %s",
		    alert != NULL ? alert + strlen("alert ") : "for a reason unknown to us");
	} else {
		str_copy(
		    why, whysize, text != NULL ? text : "TLS failed, OpenSSL does not say why");
	}
}

/* Types of records: RFC 8446 5.1. */
static bool
is_tls(const struct tls_wire *w)
{
	return w->nhead == 0 || (w->head[0] >= 20 && w->head[0] <= 23);
}

void
tls_why_handshake(const struct tls_wire *w, unsigned long e, char *why, size_t whysize)
{
	if (reason_of(e) == SSL_R_CERTIFICATE_VERIFY_FAILED && why[0] != '\0')
		return;
	if (!is_tls(w))
		str_copy(why, whysize, "the server does not answer in TLS");
	else if (w->recv_errno == ECONNRESET)
		str_copy(why, whysize, "connection reset during the handshake");
	else if (w->recv_errno != 0)
		snprintf(why, whysize, "%s during the handshake", strerror(w->recv_errno));
	else if (w->end)
		str_copy(why, whysize, "the server closed the connection during the handshake");
	else
		tls_why_broken(w, e, why, whysize);
}
