/*
 * sweep.h: the whole program in a scripted world, again and again, each time with another system
 * call going wrong in one of the ways that call can (fault_errors.c).
 *
 * At each point a child does the scenario's commands with the fault in place, and a second one, with
 * nothing wrong any more, runs the queue until it is empty; letters.h says what must be true
 * in between and at the end. Besides:
 *	- a submission that did not end with 0 has queued nothing, unless the call failed for ever or
 *	  had done what it said it had not;
 *	- no command gives up because a call was interrupted once;
 *	- every exit status is one that a caller may see when the system fails, and is explained in a line;
 *	- what lives to the end leaves no descriptor open, no connection and, under LeakSanitizer, no memory;
 *	- nothing is moved to corrupt/, and in the end nothing is left in the spool's folders;
 *	- no signal, no bug(), no wait for ever, no loop without end.
 */
#ifndef T_FAULT_SWEEP_H
#define T_FAULT_SWEEP_H

#include "t/fault/letters.h"

enum { SWEEP_COMMANDS_MAX = 8 };

struct sweep_command { /* the list ends with program NULL and time NULL */
	const char *program; /* "sendmail", "sortie", "mailq" */
	const char *args;
	const char *subject; /* of the letter on its standard input; NULL: none */
	const char *time; /* instead of a program: "20m" pass */
};

struct scenario {
	const char *name;
	const char *world; /* directives of a story */
	struct sweep_command before[SWEEP_COMMANDS_MAX]; /* nothing goes wrong yet */
	struct sweep_command commands[SWEEP_COMMANDS_MAX];
	struct letter letters[LETTERS_MAX];
};

/*
 * Every step-th point of it, by so many workers. Prints a row of the table when told to, complains on
 * stderr, and returns the number of points with a violation.
 */
struct sweep_options {
	unsigned step, jobs;
	bool row;
	unsigned only; /* this point alone (from 1), and what was logged; 0: all */
};
unsigned sweep(const struct scenario *sc, const struct sweep_options *o);

#endif
