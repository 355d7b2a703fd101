/*
 * auth_helper.h: the process that runs the commands of the credentials file; the one process of a
 * runner's that may run programs.
 *
 * It is told whose secret is wanted, never a command: it reads the file itself, and runs what stands
 * there. Several run beside each other. A question or an answer is a packet (base/packet.h):
 *
 *	struct secret_question, host NUL, or host NUL login NUL
 *	struct secret_answer, text (no NUL): the secret, or why there is none: "ended with status 1"
 *
 * A question that makes no sense ends it, and so does the end of the runner; commands are killed then.
 */
#ifndef AUTH_HELPER_H
#define AUTH_HELPER_H

#include <stdbool.h>
#include <stdint.h>

#include "auth_command.h"

enum {
	SECRET_HOST_MAX = 1024, /* bytes of a host's name, and of a login */
	SECRET_WHY_MAX = 255,
	SECRET_QUESTION_MAX = 8 + 2 * (SECRET_HOST_MAX + 1),
	SECRET_ANSWER_MAX = 8 + COMMAND_SECRET_MAX,
	SECRETS_AT_ONCE = 16, /* commands; further questions wait */
};

struct secret_question {
	uint32_t number; /* the runner's own; comes back with the answer */
	uint32_t port;
};

struct secret_answer {
	uint32_t number;
	uint32_t found; /* 1: text is the secret; 0: why not */
};

struct auth_helper {
	const char *path; /* of the credentials file */
	char *const *env; /* all that a command gets */
	bool show_errors; /* its standard error is the runner's */
	int limit_s;
};

void auth_helper_serve(int sock, const void *auth_helper); /* a helper_fn */

#endif
