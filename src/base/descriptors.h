/*
 * descriptors.h: getting rid of open descriptors, after fork(2).
 */
#ifndef BASE_DESCRIPTORS_H
#define BASE_DESCRIPTORS_H

#include <stdbool.h>

/* 0 to 2 lead to /dev/null from now on; keep_stderr: but 2. */
void descriptors_to_null(bool keep_stderr);

/*
 * Closes all from 3 on but keep. inherited_only: those that have come through an exec: what this
 * program opens is closed by one, and that tells them apart.
 */
void descriptors_close(int keep, bool inherited_only);

#endif
