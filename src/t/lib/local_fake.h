/*
 * local_fake.h: the local helper's end of its socket, in this process and in virtual time: users are
 * folders, and their mailboxes files in them. What the real one does is shown in unit/check_local.c.
 *
 *	HOMES/alice/		there is such a user
 *	HOMES/alice/box		what was delivered to her, "From SENDER\n" before each, CRLF as it came
 *	HOMES/alice/.forward	what it says
 *	HOMES/alice/.trouble	she cannot be written to, this is why
 *	HOMES/alice/.slow	an answer about her takes so many seconds
 *	HOMES/alice/.dies	the helper ends, before it answers about her
 */
#ifndef T_LIB_LOCAL_FAKE_H
#define T_LIB_LOCAL_FAKE_H

/* After net_fake_install(): the program has a helper from now on. homes stays valid. */
void local_fake_start(const char *homes);

#endif
