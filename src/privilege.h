/*
 * privilege.h: who called us, and whose rights we work with.
 *
 * The program is installed setuid to a user of its own, to whom the spool belongs and who may do
 * nothing else. Where it works with his rights, the real, effective and saved ids are all his: then
 * the caller can neither signal nor trace nor read the process, and nothing brings his rights or
 * root's back. Who submitted a message, and who may see what, is asked of the caller that was
 * remembered at the start, never of getuid(2).
 *
 * In this order, each at most once: privilege_begin(), in main(); when the options are known either
 * privilege_as_caller() or privilege_as_program(); when the configuration has been read,
 * privilege_as_owner(). All of them but the first return 0, or -1 and a line in why, after which
 * nothing must be done but to exit. Where there is nothing to give up they do nothing.
 */
#ifndef PRIVILEGE_H
#define PRIVILEGE_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>

/* Remembers the caller. Without it (tests) the caller is whoever the process is. */
void privilege_begin(void);
uid_t privilege_caller(void);
/* Whether the program's file gave us ids that the caller has not; whatever has been given up since. */
bool privilege_is_set_id(void);

/* For a file of the caller's own choice: all ids become the caller's. */
int privilege_as_caller(char *why, size_t whysize);

/* Where the program is setuid: all ids become those it was given. Root's run waits: privilege_as_owner(). */
int privilege_as_program(char *why, size_t whysize);

/*
 * Root's run: all ids become those of the spool's owner. `ours` means the machine's spool, not one that
 * root has chosen with -C: where the program is setuid it is that user's in any case, and where it is
 * missing it is made for the program's usual user. Before this nothing may be read that a user wrote.
 */
int privilege_as_owner(const char *spool, bool ours, char *why, size_t whysize);

/*
 * Before that, in a process that root's run has forked to stay root: all ids are root's. 0, or -1 and errno;
 * for anybody but root it does nothing.
 */
int privilege_stay_root(void);

/*
 * Started by another process of ours, which has taken the rights already, for this user: he is the caller
 * from now on. What else it had set for a process that works for others, execve(2) has undone.
 */
void privilege_called_by(uid_t uid);

/* From now on nobody traces this process (Linux), and it leaves no core dump with what is in its memory. */
void privilege_forbid_core(void);

#endif
