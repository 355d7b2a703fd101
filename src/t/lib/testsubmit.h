/*
 * testsubmit.h: a submission from a text, and what of it is in the spool afterwards.
 *
 * ts is made by ts_setup(), removed by ts_teardown(): alice (uid 1000) at mx.example.org writes to
 * bob@example.net, at 2026-11-24 06:10:00 UTC.
 */
#ifndef T_LIB_TESTSUBMIT_H
#define T_LIB_TESTSUBMIT_H

#include <stdbool.h>
#include <stddef.h>

#include "spool/spool.h"
#include "submit.h"

/* A header that lacks nothing, so that nothing is added to it. */
#define HEAD \
	"From: alice@example.org\n" \
	"Date: Tue, 24 Nov 2026 06:10:00 +0000\n" \
	"Message-ID: <1@example.org>\n"
#define HEAD_CRLF \
	"From: alice@example.org\r\n" \
	"Date: Tue, 24 Nov 2026 06:10:00 +0000\r\n" \
	"Message-ID: <1@example.org>\r\n"

struct testsubmit {
	struct spool *sp;
	struct submit_options o;
	char id[ENVELOPE_ID_MAX + 1], why[512];
	struct envelope e;
	char *message; /* all of the body file */
	const char *rest; /* what is behind its Received field */
	size_t nmessage;
};
extern struct testsubmit ts;
extern char *ts_one_recipient[];

void ts_setup(void);
void ts_teardown(void);

int ts_run(const char *text);
int ts_run_bytes(const char *text, size_t n);
void ts_load(void); /* after it: envelope and message of ts.id */

/* Taken, and this is behind the Received field. */
void ts_gives(const char *text, const char *want);
/* Refused with this code and these words, and nothing is queued. */
void ts_refuses(const char *text, int rc, const char *words);

const char *ts_recipients(void); /* of the envelope, with spaces between them */
size_t ts_files_in(const char *sub); /* of the spool */
size_t ts_longest_line(const char *text);
bool ts_starts(const char *text, const char *want);

#endif
