/*
 * users.h: several users on one machine, and the program installed for them: setuid to OWNER, who has
 * no entry in passwd, as the others have none. Runs as root, on Linux, through run.sh.
 *
 * It is the kit of the whole-program tests (t/whole/kit.h) with the program's own places for kit.conf,
 * kit.spool and kit.log, so nobody needs -C. kit.sortie is the installed program, kit.front the
 * installed front when it is its turn.
 */
#ifndef T_PRIVILEGE_USERS_H
#define T_PRIVILEGE_USERS_H

#include <sys/types.h>

#include <check.h>
#include <stdbool.h>
#include <stddef.h>

#include "t/whole/kit.h"

enum { OWNER = 64001, ANN = 64002, BOB = 64003 };

#define HELLO "Subject: hello\n\nHello.\n"

/* An empty spool, a configuration that everybody may read. Fixtures of every case. */
void users_setup(void);
void users_teardown(void); /* ends what the users have left running */

/* For child_start_argv() and command(): in the child, before the program is started. */
void as_ann(void);
void as_bob(void);
void become_user(uid_t uid);

/* Runs the program with these arguments, of which the first is its name and the last NULL, and text as
 * its input. Its exit status; its output, until the next call, is `output`. */
int command(void (*prepare)(void), const char *text, const char *name, ...);
extern const char *output;
/* Starts it; its input stays open. */
void start(struct child *c, void (*prepare)(void), const char *name, ...);

/* Calls fn in a process of that user's; the name it returned of what it could do, NULL: nothing. Until
 * the next call. */
typedef const char *attack_fn(void *ctx);
const char *could(uid_t uid, attack_fn *fn, void *ctx);

/* What stands behind a word in /proc/PID/status; "" when there is none. Until the next call. */
const char *status_of(pid_t pid, const char *word);
/* Real, effective, saved and file system uid and gid are these, and there are no other groups. */
void ids_are(pid_t pid, uid_t uid, gid_t gid);
/* All processes that have one of the user's ids. */
size_t processes_of(uid_t uid, pid_t pids[], size_t max);
/* Everything in the spool is OWNER's, folders 0700, files 0600. */
void spool_is_the_owners(void);

/* A relay of the test's own in the configuration; its listener. */
int relay(const char *more);

/* As whole_suite() and whole_loop(), with these fixtures. */
Suite *users_suite(const char *name, const TTest *const tests[], size_t n);
void users_loop(Suite *s, const TTest *test, int n);
Suite *suite_identity(void);
Suite *suite_strangers(void);
Suite *suite_hostile(void);
Suite *suite_mailboxes(void);

#endif
