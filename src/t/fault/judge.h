/*
 * judge.h: what the promises of the spool mean for one scene (scene.h) with one call gone wrong:
 * accepted means present, recorded means never sent again, nothing is left behind.
 *
 * judge_begin(), then judge_cut() when the traced program has ended, then judge_put_off() when
 * others have had a go at the spool, and judge_end() when it ought to be empty. What is found is
 * noted, said on standard error, and counted in judge_found().
 */
#ifndef T_FAULT_JUDGE_H
#define T_FAULT_JUDGE_H

#include <stdbool.h>

#include "base/log.h" /* LOG_PRINTF */
#include "scene.h"

enum judge_kind {
	JUDGE_LOST, /* mail, or a report, or part of it */
	JUDGE_DUPLICATED, /* sent again though it was recorded, or though the sender was told no */
	JUDGE_LEAKED, /* a file that nothing cleans away */
	JUDGE_BROKEN, /* a crash, a run without end, an exit code out of place */
	JUDGE_KINDS
};

void judge_begin(const struct scene *s, const char *dir, const char *what);

/*
 * told_ok: the submission ended with exit 0; told_no: with another code (when it was killed: neither).
 * window: so many messages at most may have been taken by a server without the spool knowing.
 */
void judge_cut(bool told_ok, bool told_no, unsigned window);
void judge_put_off(void); /* the servers have not relented yet */
void judge_end(void);

void judge_note(enum judge_kind kind, const char *fmt, ...) LOG_PRINTF(2, 3);
bool judge_found(enum judge_kind kind); /* since judge_begin() */

#endif
