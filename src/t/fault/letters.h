/*
 * letters.h: the books of a fault sweep: which letters were handed in, what of them has arrived at
 * the scripted servers, and what the spool knows of it.
 *
 * The books are kept over the lives of several processes (a program that dies of a fault, those that
 * clean up behind it), so they live in shared memory. Everything is looked at directly, past sys.
 *
 * The rule, looked at whenever a command has ended:
 *	- whoever is recorded as served has got the letter, whole;
 *	- nobody gets a letter a second time unless the spool did not know of the first when the
 *	  command began, and never twice from one command;
 *	- and the spool may not know of it only when there is a reason: the answer to the final dot did
 *	  not come in, or the record could not be written, which was said in the log; or the program died.
 * And at the end, with nothing going wrong any more: each letter that was accepted has arrived, and for
 * each that was refused there is a report to its sender, to which the same rule applies as to any letter.
 */
#ifndef T_FAULT_LETTERS_H
#define T_FAULT_LETTERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "t/story/story.h"

enum { LETTERS_MAX = 12, LETTERS_WHY_MAX = 400 };

enum letter_kind {
	LETTER_END, /* of the list */
	LETTER_ARRIVES,
	LETTER_REFUSED, /* by the server, for good */
	LETTER_REPORT, /* about the letter with that subject; to its sender */
};

struct letter { /* one recipient of one message */
	enum letter_kind kind;
	const char *subject; /* a word of its own: "m1" */
	const char *rcpt;
	unsigned lines; /* of its text */
	int command; /* of the scenario, that hands it in; -1: it is there before */
};

struct letter_fate {
	unsigned arrived, now; /* times; of them during the last command */
	bool unrecorded; /* the spool still means to send what has arrived */
	bool queued; /* it has been seen in the spool */
};

struct books {
	const struct letter *letters; /* up to LETTER_END */
	struct letter_fate fate[LETTERS_MAX];
	size_t taken[STORY_SERVERS_MAX]; /* messages of each server that have been looked at */
	unsigned lost, duplicated, other; /* violations */
	char why[LETTERS_WHY_MAX]; /* the first of them */
};

void books_open(struct books *b, const struct letter *letters);
/* In each new process: its servers have taken nothing yet. */
void books_new_life(struct books *b);
/*
 * A command has ended. excused: there is a reason why what arrived during it may be unrecorded.
 */
void books_look(struct books *b, const struct story *s, bool excused);
/* All is over. accepted: whether the command with that number said so. */
void books_close(struct books *b, const bool *accepted);
bool books_violated(const struct books *b);
/* Something else that must not be. */
void books_complain(struct books *b, unsigned *count, const char *fmt, ...) LOG_PRINTF(3, 4);

/* The text of a letter, to be handed in; with CRLF as it has to arrive (its body alone then). */
void letter_text(struct buf *out, const struct letter *l);

#endif
