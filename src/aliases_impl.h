/*
 * aliases_impl.h: what the files of aliases share; nobody else includes it.
 *
 *	aliases_file.c	a file into entries, an entry into targets
 *	aliases.c	what an address stands for
 *	aliases_check.c	newaliases
 */
#ifndef ALIASES_IMPL_H
#define ALIASES_IMPL_H

#include "aliases.h"
#include "base/buf.h"
#include "base/map.h"
#include "proto/address.h"

enum {
	ALIASES_FILE_MAX = 16 * 1024 * 1024,
	ALIASES_DEPTH_MAX = 50, /* aliases and lists inside each other */
	ALIASES_LISTS_MAX = 1000, /* files that one message may need */
	ALIASES_LISTS_BYTES = 32 * 1024 * 1024, /* of all of them; some are held at once */
	ALIASES_WHY_MAX = 1024,
};

struct alias {
	struct map_node node; /* by its name in lower case */
	const char *name;
	const char *value; /* behind the colon, with the lines that continue it */
	size_t n;
	int line;
	bool open; /* being expanded */
	bool done; /* has been */
	bool empty; /* ... and nobody came of it */
};

struct aliases_file {
	char *text; /* the names and values are in it */
	struct alias *v; /* in the file's order */
	size_t n, cap;
	struct map names;
};

struct aliases_list {
	char *path;
	bool empty; /* nobody came of it */
};

struct aliases_lists {
	struct aliases_list *v;
	size_t n, cap;
	size_t bytes; /* that have been read */
};

struct aliases {
	const struct config *config;
	const char *hostname;
	struct aliases_file file;
	bool loaded;
	bool for_run;
	bool checking; /* aliases_check: it says itself what is wrong */
	bool complained; /* of a line that is no entry */
	bool discarded;
	bool looped; /* the last expansion was refused for a loop */
	struct aliases_lists lists; /* that have been read */
};

/* A text of targets, being read. */
struct aliases_text {
	const char *at, *end;
	int line;
	bool start; /* of a line */
	/* What stands there is not to be shown: whoever named a list need not be allowed to read it. */
	bool secret;
};

enum aliases_kind {
	ALIASES_ADDRESS,
	ALIASES_AS_IT_IS, /* with a backslash */
	ALIASES_INCLUDE,
	ALIASES_NOBODY,
	ALIASES_BAD /* text says why, and what to do */
};

struct aliases_target {
	enum aliases_kind kind;
	int line;
	char text[ADDRESS_MAX + 1]; /* mailbox, or path */
};

/* The next one; false: there is none. */
bool aliases_next(struct aliases_text *t, struct aliases_target *target);

/* Called for a line that is no entry. */
typedef void aliases_bad_fn(void *ctx, int line, const char *why);

/* Reads a file whole, as far as the buffer's ceiling allows; a list is one that an alias names. EX_OK;
 * EX_NOINPUT there is none, EX_CONFIG, EX_TEMPFAIL, and "PATH: what" in why. */
int aliases_read(const char *path, bool list, struct buf *b, char *why, size_t whysize);
/* A list, into a buffer that it begins. */
int aliases_lists_read(
    struct aliases_lists *l, const char *path, struct buf *b, char *why, size_t whysize);

/* Where it is among them: at the end if it is new. */
size_t aliases_lists_add(struct aliases_lists *l, const char *path);
void aliases_lists_free(struct aliases_lists *l);

/* The entries of a text, of which a copy is kept. Of two with the same name the first counts. */
void aliases_parse(
    struct aliases_file *f, const char *text, size_t n, aliases_bad_fn *bad, void *ctx);
void aliases_file_free(struct aliases_file *f);
/* NULL: there is none. The name in any case, without the quotes that mailboxes have. */
struct alias *aliases_find(const struct aliases_file *f, const char *name);

/* Reads the configuration's file; a default one that is missing is empty. EX_OK,
 * EX_CONFIG, EX_TEMPFAIL. */
int aliases_load(struct aliases *a, aliases_bad_fn *bad, void *ctx, char *why, size_t whysize);

#endif
