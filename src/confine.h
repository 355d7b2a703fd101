/*
 * confine.h: what a run may still do once it works: the files that it is confined to.
 *
 * A run confines itself when its network is set up and before it reads a message. From then on it
 * works in its spool, connects over IP, writes to the log that is open, and reads, of all files, those
 * that it looks at again and again: resolv.conf, the hosts file, the credentials, the CA store, the
 * aliases. All else is refused by the system, as far as it has the means (base/sandbox.h). For a log that is
 * syslog, lmtp: sockets and commands that print secrets there are helpers, forked before.
 *
 * It is for good, and the program's own: tests that run it in their process never call
 * confine_allow(), without which the others do nothing.
 */
#ifndef CONFINE_H
#define CONFINE_H

#include <stdbool.h>

#include "config.h"

/* main() only: this process is the program, which may split (keeper.h) and confine itself. */
void confine_allow(void);
bool confine_allowed(void);

/*
 * Now. c: whose files; the spool exists. What holds, as sandbox_enter() says it; -1: something that is
 * needed could not be granted, and it is in the log: the run must not begin.
 */
int confine_enter(const struct config *c);

/*
 * Whether one of those files is not the one any more that confine_enter() saw: somebody has put a new
 * one in its place, which we may not open. Who runs for long should begin anew.
 */
bool confine_outdated(void);

#endif
