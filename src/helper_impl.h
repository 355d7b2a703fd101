/*
 * helper_impl.h: the helpers, each a side in the runner and one in the helper; nobody else but their tests
 * includes it.
 *
 *	the log's		HELPER_INFO or HELPER_WARN, the line; no answer
 *	connections'		struct helper_call; struct helper_answer, with a descriptor when error is 0
 */
#ifndef HELPER_IMPL_H
#define HELPER_IMPL_H

#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "helper.h"

enum { HELPER_LINE_MAX = 4096 }; /* bytes of a packet of the log's: more than log.c makes */
enum { HELPER_INFO = 'i', HELPER_WARN = 'w' };

struct helper_log {
	const char *ident;
	log_fn *say; /* what is done with a line */
	void *ctx;
};

int helper_log_begin(void); /* 0, or -1 and errno */
/* log: its ident does not count */
int helper_log_begin_with(const struct helper_log *log, bool keep_stderr);
void helper_log_end(void);
bool helper_log_lost(void);
pid_t helper_log_pid(void); /* for tests */
void helper_log_serve(int sock, const void *log);

/* For tests: there is one, its socket is this. */
void helper_local_set(int sock, bool root);

struct helper_paths {
	const char **v; /* into the configuration */
	size_t n;
};

struct helper_call {
	uint32_t number, path; /* the answer's; an index */
};

struct helper_answer {
	uint32_t number;
	int32_t error; /* errno */
};

int helper_connect_begin(const struct config *c);
void helper_connect_end(void);
bool helper_connect_lost(void);
pid_t helper_connect_pid(void); /* for tests */
void helper_connect_serve(int sock, const void *paths);

#endif
