/*
 * auth_file.h: the credentials file: reading it with care, and finding an entry. The form is in auth.h.
 */
#ifndef AUTH_FILE_H
#define AUTH_FILE_H

#include <stdbool.h>
#include <stddef.h>

enum { AUTH_FILE_MAX = 65536, AUTH_WORDS_MAX = 64 };

struct auth_text { /* a file's content; wiped by auth_file_free() */
	char *text; /* n bytes and one more */
	size_t n;
	size_t ncommands; /* how many entries have one; after auth_file_find() */
};

struct auth_entry { /* strings point into the text */
	const char *host; /* NULL: default */
	const char *user, *secret, *command, *mechanism;
	unsigned port; /* 0: any */
	bool token, external;
	int line; /* where it begins */
};

struct auth_want {
	const char *host;
	unsigned port;
	const char *user; /* NULL: any */
};

/*
 * Reads the file if it is as auth.h demands. 0, or -1 and "FILE: what, what to do" in why; with
 * missing_ok a file that is not there is an empty one.
 */
int auth_file_read(
    struct auth_text *t, const char *path, bool missing_ok, char *why, size_t whysize);
void auth_file_free(struct auth_text *t);

/*
 * Pure. Goes through all of the text, which it changes, so it can be used once. 1: *e is the entry that
 * fits; 0: none does; -1: something is wrong with any of them, "NAME:LINE: what" in why.
 */
int auth_file_find(const char *name, struct auth_text *t, const struct auth_want *w,
    struct auth_entry *e, char *why, size_t whysize);

/*
 * Pure. Splits a command line in place into argv (NULL behind the last, so at most max - 1). The number of
 * words; 0: none, too many, or a quote without end.
 */
size_t auth_split(char *line, char **argv, size_t max);

#endif
