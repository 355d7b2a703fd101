/*
 * sandbox_impl.h: Linux's two halves of the sandbox. What both take from the kernel's headers is
 * written out in them: it never changes, and libraries' headers lag years behind or lack it.
 */
#ifndef BASE_SANDBOX_IMPL_H
#define BASE_SANDBOX_IMPL_H

#include "base/sandbox.h"

/* Both want no_new_privs set, and return whether they hold now; false where there is no such thing. */

/* -1: nothing holds, because a path cannot be granted (logged). */
int sandbox_files(const struct sandbox_path *paths, size_t n);
bool sandbox_calls(enum sandbox_kind kind);

/* Whether a path that gives this error when it is opened need not be granted. */
bool sandbox_may_lack(const struct sandbox_path *p, int error);
/* Says so, with errno; -1. */
int sandbox_cannot_grant(const struct sandbox_path *p);

#endif
