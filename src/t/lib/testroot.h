/*
 * testroot.h: checks of `sortiectl check', one at a time, on a system whose files are in a folder of the
 * test's; and what they say is to be typed, typed there.
 *
 * It begins in order: programs, names, spool and configuration as make install leaves them. Paths are the
 * system's, "/etc/crontab".
 */
#ifndef T_LIB_TESTROOT_H
#define T_LIB_TESTROOT_H

#include "base/log.h" /* LOG_PRINTF */
#include "ctl/ctl_check.h"

struct testroot {
	struct check k; /* may be changed */
	struct ctl c;
	char dir[64], conf[128], program[128];
	char *said; /* by the last check */
};

void testroot_begin(struct testroot *t);
void testroot_end(struct testroot *t);

/* Where that is in truth; good for eight calls. */
const char *testroot_path(const struct testroot *t, const char *path);
/* Files with the folders above them; a program is a script that sh(1) reads. */
void testroot_file(const struct testroot *t, const char *path, const char *fmt, ...)
    LOG_PRINTF(3, 4);
void testroot_program(const struct testroot *t, const char *path, const char *script);
void testroot_folder(const struct testroot *t, const char *path);
void testroot_link(const struct testroot *t, const char *to, const char *path);
void testroot_remove(const struct testroot *t, const char *path);
/* Lines of sortie.conf, read at once. */
void testroot_configure(struct testroot *t, const char *fmt, ...) LOG_PRINTF(2, 3);

/* Makes it; what it found at the worst. */
enum check_result testroot_check(struct testroot *t, check_fn *fn);
void testroot_says(struct testroot *t, check_fn *fn, const char *line); /* a part of a line */
void testroot_says_not(struct testroot *t, check_fn *fn, const char *part);
/* That line, and below it that command (a part of it; NULL: any). */
void testroot_finds(struct testroot *t, check_fn *fn, const char *line, const char *command);
/*
 * The same; the command is typed, and the line does not come again. What is in /fake comes first in its
 * PATH.
 */
void testroot_mends(struct testroot *t, check_fn *fn, const char *line, const char *command);

#endif
