/*
 * forward.h: what a user's .forward says, and whether a message has been to him before. Of what people
 * write there addresses alone are obeyed: nothing is run and no file is written for anybody.
 */
#ifndef FORWARD_H
#define FORWARD_H

#include <stdbool.h>
#include <stddef.h>

enum { FORWARD_MAX = 100, FORWARD_WHY_MAX = 200 };

struct forward {
	char *to[FORWARD_MAX]; /* addresses with a domain */
	size_t n;
	bool keep; /* a copy goes into his own mailbox */
	char why
	    [FORWARD_WHY_MAX]; /* what is not obeyed, for the log; "": all is. Then keep is set. */
};

struct forward_user {
	const char *name;
	const char *address; /* that the message came to */
	const char *hostname; /* completes addresses without a domain */
};

/*
 * Addresses, separated by commas or ends of lines; lines that start with # are comments. His own name or
 * address, "\name" too, means his mailbox. To be freed in any case.
 */
void forward_parse(struct forward *f, const char *text, size_t n, const struct forward_user *user);
void forward_free(struct forward *f);

/* Whether the header of the message has a Delivered-To with this address; errors of reading count as no. */
bool forward_has_looped(int message, const char *address);

#endif
