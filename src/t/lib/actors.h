/*
 * actors.h: for tests of net/reactor.c: eight of them, each with a watch, a timer and a task of its own, who
 * note their letter when they are called and then do what the test wants. In virtual time.
 */
#ifndef T_LIB_ACTORS_H
#define T_LIB_ACTORS_H

#include "net/reactor.h"

enum { ACTORS = 8 };

struct actor {
	char letter; /* a to h */
	void (*act)(
	    struct actor *self); /* what it does when it is called; NULL: no more than that */
	struct watch watch;
	struct timer timer;
	struct task task;
	short events; /* the last ones reported */
	int fd, peer; /* a socket pair; fd is the one to watch */
	int calls;
};
extern struct actor actors[ACTORS];
#define A (&actors[0])
#define B (&actors[1])
#define C (&actors[2])

struct reactor *actors_begin(void); /* nobody watches or waits yet */
void actors_end(struct reactor **r);

void actors_poke(struct actor *a); /* there is something for it to read */
void actors_ready(void); /* all of them watch for reading, and have something to read */
void actors_note(char c);
const char *actors_trail(void); /* what was noted since the last call of this */
/* Turns until something is called: the reactor may wake earlier, for its own book-keeping. */
void actors_run(void);

/* Acts. */
void actors_remove_all(struct actor *self); /* nobody watches any more */
void actors_add_again(struct actor *self); /* it watches anew */

#endif
