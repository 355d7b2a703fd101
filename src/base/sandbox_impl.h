/*
 * sandbox_impl.h: Linux's two halves of the sandbox. What both take from the kernel's headers is
 * written out in them: it never changes, and libraries' headers lag years behind or lack it.
 */
#ifndef BASE_SANDBOX_IMPL_H
#define BASE_SANDBOX_IMPL_H

#include "base/sandbox.h"

/* Both want no_new_privs set, and return whether they hold now; false where there is no such thing. */
bool sandbox_files(const struct sandbox_path *paths, size_t n);
bool sandbox_calls(enum sandbox_kind kind);

#endif
