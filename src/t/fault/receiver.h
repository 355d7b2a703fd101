/*
 * receiver.h: the other side, in this process: mail servers at 127.0.0.1, .2 and .3, all at one port,
 * and a name server that knows them. They move only in receiver_turn(), so that who calls it before
 * each system call of a traced program gets the same conversation each time.
 *
 * What becomes of a recipient is in his name: no... is refused with 550, later... is put off with 451
 * until receiver_relent(), all others are taken. Each message that is taken is kept, under the local
 * part of its Message-ID, which is its name in the spool. one.example, two.example and
 * three.example are at the three addresses. Where CHUNKING is offered a message may come by one BDAT.
 *
 * Whatever goes wrong in here ends the program.
 */
#ifndef T_FAULT_RECEIVER_H
#define T_FAULT_RECEIVER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum { RECEIVER_NAME_MAX = 80 };

struct receipt { /* a message that one recipient got */
	char id[RECEIVER_NAME_MAX], rcpt[RECEIVER_NAME_MAX];
	struct buf text; /* as it was the first time, CRLF lines, dots unstuffed */
	unsigned times;
	bool differs; /* it was another text the second time */
	bool
	    unrecorded; /* for the judge: taken, and the spool did not know, when the client died */
};

void receiver_open(void);
int receiver_port(void);
int receiver_dns_port(void);

/* Waits at most so long (-1: for ever) for something to do, and does it; whether fd can be read. */
bool receiver_turn(int fd, int timeout_ms);
void receiver_drain(void); /* all clients are dead: what they had sent is read to its end */

void receiver_offer_chunking(bool offered);
unsigned receiver_sessions(void); /* open now */
void receiver_relent(void);
void receiver_reset(void); /* no session, no receipt, everything as in the beginning */

struct receipt *receiver_receipts(size_t *n);
void receiver_put(const char *rcpt, struct buf *text); /* as if it had come */
struct receipt *receiver_find(const char *id, const char *rcpt); /* NULL: never came */

#endif
