/*
 * submit_impl.h: one submission, for submit.c and submit_envelope.c alone. What refuses it first has the last
 * word: from then on everybody returns false up to submit(), and nothing is queued.
 */
#ifndef SUBMIT_IMPL_H
#define SUBMIT_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/log.h" /* LOG_PRINTF */
#include "proto/address.h"
#include "spool/spool.h"
#include "submit.h"
#include "submit_body.h"
#include "submit_header.h"
#include "submit_intake.h"

enum { SUBMIT_INPUT_SIZE = 64 * 1024 };

struct submission {
	struct spool *sp;
	const struct submit_options *o;
	const char *host, *domain;
	struct aliases *aliases; /* NULL: none */
	int64_t now;
	struct draft draft;
	struct envelope e;
	struct submit_facts facts;
	struct buf header; /* as written, without the empty line */
	size_t longest_field; /* longest line of it */
	struct submit_intake intake;
	struct submit_body body;
	int rc; /* 0, or why it is refused */
	char *why;
	size_t whysize;
	char input[SUBMIT_INPUT_SIZE];
};

/* With a sysexits(3) code. The first reason counts. Always false. */
bool submit_refuse(struct submission *s, int rc, const char *fmt, ...) LOG_PRINTF(3, 4);

/* From the command line; with -t the header has more recipients. */
bool submit_envelope_begin(struct submission *s);
address_fn submit_envelope_add; /* one more recipient; ctx is the submission */
/* Whether there is anybody, if only one whose aliases throw it away. */
bool submit_envelope_has_recipients(const struct submission *s);
/* The caller's own address, allocated. A login need not look like a local part; what cannot be one
 * even with quotes is named by its number. NULL and a refusal: the domain is none. */
char *submit_envelope_login(struct submission *s);

#endif
