/*
 * smtp_oracle_impl.h: the oracle's books, for its own files only: smtp_oracle.c is what the engine says,
 * smtp_wire.c what is on the wire.
 */
#ifndef T_LIB_SMTP_ORACLE_IMPL_H
#define T_LIB_SMTP_ORACLE_IMPL_H

#include "base/buf.h"
#include "base/log.h"
#include "proto/ehlo.h"
#include "proto/reply.h"
#include "smtp_oracle.h"

enum { ORACLE_FLIGHT_MAX = 64, ORACLE_OUT_MAX = 1 << 20 };

struct oracle_rcpt {
	char address[48];
	bool sent, answered; /* his RCPT */
	bool accepted; /* in the transaction that is going on */
	bool end_answered; /* the end of his message's data was */
	bool owed; /* a 2xx has answered the end of its data: it must become SENT */
	bool settled;
	enum fate fate;
};

struct oracle_mail {
	char sender[48];
	struct oracle_rcpt rcpts[ORACLE_RCPTS];
	const char *list[ORACLE_RCPTS];
	unsigned number; /* 0: not handed over */
	size_t given, wired; /* bytes of the body given, and seen on the wire */
	size_t nsettled;
	bool done, mail_ok, again;
	bool ended; /* all of it is on the wire */
	bool chunked; /* by BDAT */
};

struct oracle_wire_command {
	enum oracle_command what;
	struct oracle_mail *mail;
	struct oracle_rcpt *rcpt;
};

struct oracle {
	struct smtp *s;
	struct oracle_plan plan;
	char *body;
	struct oracle_mail mails[ORACLE_MAILS];
	size_t handed;
	size_t may_write;
	bool no_mail, break_body, crumble_body, break_handshake, hold_handshake;
	bool saying; /* what has been read in the clear is still being fed */
	bool handshake; /* asked for, not made */

	/* the wire */
	struct reply reply;
	struct ehlo ehlo;
	struct buf line; /* the client's unfinished line */
	struct oracle_wire_command flight[ORACLE_FLIGHT_MAX];
	size_t nflight;
	struct oracle_mail *current; /* of the last MAIL sent */
	struct oracle_mail *in_body; /* whose body is on the wire now */
	bool for_nobody; /* that body is a lone dot */
	struct oracle_mail *in_chunk; /* the same, by BDAT */
	bool bdat_works; /* a message was taken by one */
	bool reset; /* RSET was the last command */
	bool needs_reset; /* a BDAT was refused, or in vain */
	struct oracle_mail *last_mail; /* whose MAIL was the last */
	bool said_421; /* what is behind it is not taken */
	bool lost_count; /* nobody can say any more which reply is whose */
	bool hung_up; /* 421, or an answer in mid-body: no more commands may come */
	bool leaving; /* nor here, but what was sent may still be answered */

	bool starttls; /* it was sent */
	bool securing; /* behind a 220 to it */
	bool tampered; /* ... something came */
	bool secured;
	bool challenged; /* the client's next line is a response */
	bool cancelled;
	bool logged_in;

	bool closed, benign, served;
	bool shrunk; /* a transaction comes back smaller */
};

/* Says what the engine did and aborts. */
LOG_NORETURN void oracle_wrong(const char *fmt, ...) LOG_PRINTF(1, 2);
void oracle_await(
    struct oracle *o, enum oracle_command what, struct oracle_mail *m, struct oracle_rcpt *r);
void oracle_client_wrote(struct oracle *o, const char *data, size_t n);
void oracle_server_said(struct oracle *o, const char *data, size_t n);

#endif
