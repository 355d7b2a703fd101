/*
 * smtp_fake.h: a whole SMTP (or LMTP) server for tests, behind net_fake. It takes every message
 * and keeps it, unless its script (smtp_script.h) says otherwise; and it is strict: whatever the client
 * does against the protocol is a complaint.
 *
 * Servers live as long as the test, which is a process.
 */
#ifndef T_LIB_SMTP_FAKE_H
#define T_LIB_SMTP_FAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/list.h"
#include "smtp_script.h"

struct fake_message { /* taken */
	struct list link;
	char *from, *params; /* MAIL's, "SIZE=12 BODY=8BITMIME" */
	char **rcpts;
	size_t nrcpts, cap;
	struct buf body; /* CRLF lines, dots unstuffed */
	bool secured; /* it came over TLS */
	char *login; /* as whom it was sent (AUTH); NULL: nobody */
	unsigned session; /* number of its connection, from 1 */
	int64_t at_ms;
};

struct tls_server;

struct smtp_fake {
	const char *name; /* in the greeting */
	bool lmtp;
	struct smtp_script script;
	struct list messages;
	size_t nmessages;
	unsigned sessions; /* connections so far */
	unsigned open; /* and now */
	unsigned most_open; /* and at most at once */
	unsigned handshakes, resumed; /* TLS: whole ones, and earlier sessions taken up again */
	const char *certs; /* the directory of certificates (certs.h) for the script's `tls` */
	struct tls_server *tls; /* NULL: not needed yet */
	char *tls_cert; /* what it was made with */
	struct buf complaints; /* a line each */
	struct buf
	    transcript; /* "1 > EHLO x", "1 < 250 ok": number of the connection, and what was said;
			   "1 = TLS, SNI mx.example.org, resumed" */
};

struct smtp_fake *smtp_fake_new(const char *name);
void smtp_fake_serve(struct smtp_fake *f, const char *address); /* at one address or several */

#endif
