/*
 * story.h: one story is a text file in which the whole program lives through something: its
 * configuration, a DNS zone, servers, commands, time passing, and what is expected of it all.
 * src/t/README explains the language.
 *
 * A story runs in a process of its own, with its own spool below TMPDIR. What it finds wrong ends it
 * with ck_abort_msg() and everything that was said.
 */
#ifndef T_STORY_STORY_H
#define T_STORY_STORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "dns_fake.h"
#include "smtp_fake.h"

enum { STORY_SERVERS_MAX = 16, STORY_PATH_MAX = 512 };

struct story_server {
	struct smtp_fake *fake;
	size_t expected; /* messages that the story has accounted for */
	bool tolerated; /* complaints are no failure */
};

struct story {
	const char *path;
	int line;
	char dir[STORY_PATH_MAX]; /* holds conf, spool/, in, out, err */
	struct buf config, hosts;
	struct dns_fake zone;
	struct story_server servers[STORY_SERVERS_MAX];
	size_t nservers;
	bool ran; /* a command ran, and its exit has not been looked at */
	int exit;
	int64_t took_ms;
};

void story_run(const char *path);

/* "expect ..." (the words behind it), and what must hold at the end of every story. */
void story_expect(struct story *s, const char *what);
void story_end(struct story *s);

void story_fail(const struct story *s, const char *fmt, ...) LOG_PRINTF(2, 3) LOG_NORETURN;
struct story_server *story_server(struct story *s, const char *name);
/* A file below the story's directory, whole, as a string to be freed; NULL: none. */
char *story_read(const struct story *s, const char *name);
/* The next blank-separated word of *p into word[size]; false: there is none. */
bool story_word(const char **p, char *word, size_t size);
unsigned long story_number(const struct story *s, const char *word);

#endif
