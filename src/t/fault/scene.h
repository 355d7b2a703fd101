/*
 * scene.h: what is done again and again with a call going wrong: a spool as it is before, a command,
 * and what must have become of it in the end. The table is in scene.c.
 */
#ifndef T_FAULT_SCENE_H
#define T_FAULT_SCENE_H

#include <stdbool.h>
#include <stddef.h>

enum { SCENE_ARGS = 8, SCENE_RCPTS = 6, SCENE_MESSAGES = 4 };

struct scene_message { /* in the spool before */
	const char *id, *sender;
	const char *rcpts[SCENE_RCPTS]; /* receiver.h says by name what becomes of them */
	int age_s;
	bool damaged; /* a control file that nobody can understand: it must end in corrupt/ */
};

enum scene_stop { /* who gets a SIGTERM when all there was to do is done */
	STOP_NOBODY,
	STOP_FIRST, /* the process that was started */
	STOP_CHILD, /* its child */
};

struct scene {
	const char *name;
	const char *args[SCENE_ARGS]; /* the first is the name that the program is called by */
	struct scene_message messages[SCENE_MESSAGES];
	const char *rcpts[SCENE_RCPTS]; /* of the message submitted; none: there is no submission */
	enum scene_stop stop;
	bool smtp; /* the input is a client's side of SMTP */
	bool no_spool; /* it is not there before */
	bool leftovers; /* there is rubbish in it that a run must clean away */
	bool dns; /* routes come from the name server, not from the configuration */
	bool chunking; /* the servers offer it, and all messages go over one connection */
	bool changes_nothing; /* the spool is the same afterwards, whatever happens */
	bool warns; /* the senders are told of a delay, once */
	bool
	    slow; /* waits for seconds of its own: only where it is killed, and not in the short version */
};

extern const struct scene scenes[];
extern const size_t nscenes;

/* The sender of what is submitted, and the text on standard input: two parts, between which
 * the program may add fields to the header. */
extern const char scene_sender[], scene_header[], scene_body[];

struct scene_programs {
	const char *sortie,
	    *front; /* paths; the front is sendmail and mailq, and may be sortie itself */
};

/*
 * The world of a scene in dir: dir/conf, dir/input, links for every name of the programs, and in
 * dir/before the spool as it is before (missing: none). The configuration's spool is dir/spool.
 */
void scene_make(const struct scene *s, const char *dir, const struct scene_programs *p);
/* The text of a message that was there before; valid until the next call. */
const char *scene_text(const struct scene_message *m);

#endif
