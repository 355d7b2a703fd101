/*
 * auth_secret.h: asking the process that runs the credentials file's commands (auth_helper.h) for what one
 * prints.
 *
 * fn is called once, never before secret_ask() has returned, never after secret_forget(); whoever
 * embeds a secret frees it from elsewhere. The process is started by secrets_begin(), or else by the first
 * question; a confined runner must have begun. A command that nobody waits for any more runs to its
 * end, but not longer than the runner.
 */
#ifndef AUTH_SECRET_H
#define AUTH_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth_file.h"
#include "auth_helper.h"
#include "helper.h"
#include "net/reactor.h"

struct secrets {
	struct reactor *reactor;
	struct auth_helper options;
	struct helper helper;
	struct watch watch; /* only while somebody waits */
	struct list asked;
	uint32_t number; /* of the last question */
	bool refused; /* a process was needed, and could not be started */
};

typedef void secret_fn(void *ctx);

struct secret {
	struct list link; /* while ASKED */
	struct secrets *all;
	enum { SECRET_IDLE, SECRET_ASKED, SECRET_THERE, SECRET_FAILED } state;
	uint32_t number;
	struct timer limit;
	secret_fn *fn;
	void *ctx;
	char *text; /* COMMAND_SECRET_MAX + 1 bytes; a string when THERE */
	char why[SECRET_WHY_MAX + 1]; /* FAILED: "ended with status 1" */
};

/* What options point to stays. */
void secrets_init(struct secrets *all, struct reactor *r, const struct auth_helper *options);
int secrets_begin(struct secrets *all); /* 0, or -1 and errno; once begun, does nothing */
void secrets_end(struct secrets *all); /* nobody asks any more; commands are killed */

void secret_init(struct secret *s, struct secrets *all, secret_fn *fn, void *ctx);
void secret_ask(struct secret *s, const struct auth_want *w);
void secret_forget(struct secret *s); /* wipes it, or stops waiting. IDLE again */

#endif
