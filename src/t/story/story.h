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
	char homes[STORY_PATH_MAX +
		   16]; /* directory of users (lib/local_fake.h); "": there are none */
	char certs[STORY_PATH_MAX + 16]; /* directory of certificates; "": not wanted yet */
	struct buf config, hosts;
	struct buf written; /* names of the files that the story has, a line each */
	struct buf secrets; /* what must not be seen anywhere else, a line each */
	struct dns_fake zone;
	struct story_server servers[STORY_SERVERS_MAX];
	size_t nservers;
	bool asks; /* for conversations, itself */
	bool ran; /* a command ran, and its exit has not been looked at */
	int exit;
	int64_t took_ms;
};

void story_run(const char *path);

/* Its parts, for a test that goes on from a story's world by itself. The story's directory stays. */
void story_begin(struct story *s); /* of an empty story with a path for complaints */
void story_tell(struct story *s, const char *text); /* more of it: directives */
void story_program(struct story *s, const char *name, const char *args, const char *input);
void story_free(struct story *s);

/* "expect ..." (the words behind it), and what must hold at the end of every story. */
void story_expect(struct story *s, const char *what);
void story_expect_ledger(struct story *s, const char *what, bool no); /* story_ledger.c */
void story_end(struct story *s);

void story_fail(const struct story *s, const char *fmt, ...) LOG_PRINTF(2, 3) LOG_NORETURN;
struct story_server *story_server(struct story *s, const char *name);
/* The next blank-separated word of *p into word[size]; false: there is none. */
bool story_word(const char **p, char *word, size_t size);
unsigned long story_number(const struct story *s, const char *word);

/* story_files.c. Names are below the story's directory. */
char *story_read(const struct story *s, const char *name); /* to be freed; NULL: there is none */
char *story_read_path(const char *path);
void story_write(const struct story *s, const char *name, const char *data, size_t n);
void story_folder(const struct story *s, const char *name);
void story_mode(const struct story *s, const char *args); /* "644 NAME" */
void story_ask(const struct story *s, const char *name); /* for the next conversation with it */
char *story_kept(const struct story *s); /* all conversations that were kept; to be freed */
void story_file(struct story *s, const char *name, const char *block); /* "file NAME" */
void story_expand(struct story *s, struct buf *out, const char *block); /* $CA and the like */
void story_use_certs(struct story *s, struct smtp_fake *f); /* if its script wants one */
/* From now on this may be in no file but those the story wrote, nor in log or conversation, as it is
 * or in base64. */
void story_secret(struct story *s, const char *secret);
void story_check_secrets(struct story *s);
/* Log, conversation, outputs and control files hold nothing but printable UTF-8 and line ends. */
void story_check_clean(struct story *s);

#endif
