/*
 * dialogue_impl.h: what the dialogue runner's files share; nobody else includes it.
 *
 *	dialogue.c		a script's lines, one after the other
 *	dialogue_options.c	its option lines
 */
#ifndef T_DIALOGUE_DIALOGUE_IMPL_H
#define T_DIALOGUE_DIALOGUE_IMPL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/log.h"
#include "proto/sasl.h"
#include "proto/smtp.h"
#include "t/dialogue/dialogue.h"
#include "t/dialogue/leakwatch.h"

enum { MAILS_MAX = 16, RCPTS_MAX = 256, DIALOGUE_LINE = 8192, TEXT_MAX = 1 << 20 };

struct mail {
	struct smtp_mail m;
	char *sender, *list;
	const char *rcpts[RCPTS_MAX];
	struct buf body;
	size_t given;
	unsigned number;
	bool fails, is_short, size_said;
};

struct play {
	const char *path;
	unsigned line;
	size_t chunk;
	char *why;
	size_t why_size;
	bool failed;

	struct smtp_options options;
	char helo[256];
	struct sasl_credentials credentials;
	char user[256], secret[SASL_LINE_MAX], mechanism[32], host[256];
	struct sasl_binding binding;
	unsigned char nonce[32];
	size_t nnonce;
	bool logging_in; /* what the client says is nobody's business */
	struct leakwatch watch;
	struct smtp *s;
	struct mail mails[MAILS_MAX];
	size_t nmails, handed;
	size_t may_write;
	bool stalled;

	struct buf server; /* said in a row, not fed yet */
	struct buf client; /* written, not named yet */
	struct buf events; /* lines, not named yet */
};

/* The first failure is the one that is told. */
void dialogue_fail(struct play *p, const char *fmt, ...) LOG_PRINTF(2, 3);
/* The next word of *s, which it is taken from. */
char *dialogue_word(char **s);
/* A new engine, with the options as they are now. */
void dialogue_begin(struct play *p);
void dialogue_option(struct play *p, char *args);

#endif
