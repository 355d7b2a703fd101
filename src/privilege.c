/*
 * privilege.c: who called us, and whose rights we work with.
 *
 * setreuid(2) with both ids given sets the saved one as well, on every system; setresuid(2) is not
 * everywhere. That is believed only after going back has been tried.
 */
#include "privilege.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/prctl.h>
#endif

#include "base/log.h"
#include "spool/spool.h"

#ifndef SORTIEUSER
#define SORTIEUSER "sortie"
#endif

struct ids {
	uid_t uid;
	gid_t gid;
};

static struct {
	bool known;
	struct ids caller, program; /* program: what the file's set-id bits made of us */
} the;

/* One line: what could not be done, and why. */
struct failure {
	char *why;
	size_t size;
};

static int fail(const struct failure *f, int error, const char *fmt, ...) LOG_PRINTF(3, 4);

static int
fail(const struct failure *f, int error, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	vsnprintf(f->why, f->size, fmt, ap);
	va_end(ap);
	n = strlen(f->why);
	if (error != 0 && n < f->size)
		snprintf(f->why + n, f->size - n, ": %s", strerror(error));
	return -1;
}

void
privilege_begin(void)
{
	the.caller = (struct ids){getuid(), getgid()};
	the.program = (struct ids){geteuid(), getegid()};
	the.known = true;
}

uid_t
privilege_caller(void)
{
	return the.known ? the.caller.uid : getuid();
}

bool
privilege_is_set_id(void)
{
	return the.known &&
	       (the.caller.uid != the.program.uid || the.caller.gid != the.program.gid);
}

/* --- giving up ---------------------------------------------------------------------------- */

/* Whether one of the ids that we had can be had again. If so, we have it: the caller exits. */
static bool
can_go_back(const struct ids *to, const struct ids had[], size_t n)
{
	if (to->uid == 0)
		return false; /* root stays root: nothing was given up */
	if (setuid(0) == 0 || seteuid(0) == 0)
		return true;
	for (size_t i = 0; i < n; i++) {
		if (had[i].uid != to->uid && seteuid(had[i].uid) == 0)
			return true;
		if (had[i].gid != to->gid && setegid(had[i].gid) == 0)
			return true;
	}
	return getuid() != to->uid || geteuid() != to->uid || getgid() != to->gid ||
	       getegid() != to->gid;
}

/*
 * Linux forbids both at a change of ids, unless somebody has set fs.suid_dumpable. RLIMIT_CORE alone does not
 * keep it from piping a core to a program.
 */
void
privilege_forbid_core(void)
{
	const struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
#if defined(__linux__)
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

/* Real, effective and saved ids, for good. Only root can leave the groups that came with the caller. */
static int
become(const struct ids *to, const struct failure *f)
{
	const struct ids had[] = {{getuid(), getgid()}, {geteuid(), getegid()}};
	bool root = had[0].uid == 0 || had[1].uid == 0;

	if (root && to->uid != 0 && (seteuid(0) == -1 || setgroups(1, &to->gid) == -1))
		return fail(f, errno, "cannot leave root's groups");
	if (setregid(to->gid, to->gid) == -1 || setreuid(to->uid, to->uid) == -1)
		return fail(
		    f, errno, "cannot become uid %ld, gid %ld", (long)to->uid, (long)to->gid);
	if (can_go_back(to, had, sizeof(had) / sizeof(had[0])))
		return fail(f, 0, "privileges that were given up came back: nothing is done");
	return 0;
}

int
privilege_as_caller(char *why, size_t whysize)
{
	const struct failure f = {why, whysize};

	return privilege_is_set_id() ? become(&the.caller, &f) : 0;
}

int
privilege_as_program(char *why, size_t whysize)
{
	const struct failure f = {why, whysize};

	if (!privilege_is_set_id() || the.caller.uid == 0)
		return 0;
	if (the.program.uid == 0)
		return fail(&f, 0,
		    "this program is setuid to root, which it must not be; chown it to the spool's "
		    "owner");
	if (become(&the.program, &f) == -1)
		return -1;
	privilege_forbid_core();
	return 0;
}

void
privilege_called_by(uid_t uid)
{
	the.caller.uid = uid;
	the.known = true;
	if (uid != geteuid())
		privilege_forbid_core();
}

/* --- root's run --------------------------------------------------------------------------- */

static gid_t
group_of(uid_t uid, gid_t otherwise)
{
	const struct passwd *pw = uid == 0 ? NULL : getpwuid(uid);

	return pw != NULL ? pw->pw_gid : otherwise;
}

/* Whose rights root's run takes; and whether there is a spool. */
static struct ids
owner_of(const char *spool, bool ours, bool *missing)
{
	const struct passwd *pw;
	struct ids to = {0, 0};
	struct stat st = {.st_gid = the.program.gid};
	bool there = stat(spool, &st) == 0;

	*missing = !there && errno == ENOENT;
	if (ours && the.known && the.program.uid != 0) {
		to = the.program;
		if (to.gid == the.caller.gid) /* its file is not set-gid */
			to.gid = group_of(to.uid, st.st_gid);
	} else if (there) {
		to.uid = st.st_uid;
		to.gid = group_of(to.uid, st.st_gid);
	} else if (*missing && ours && (pw = getpwnam(SORTIEUSER)) != NULL) {
		to = (struct ids){pw->pw_uid, pw->pw_gid};
	}
	return to;
}

int
privilege_stay_root(void)
{
	if (privilege_caller() != 0)
		return 0;
	if (geteuid() != 0 && seteuid(0) == -1)
		return -1;
	return setregid(0, 0) == -1 || setreuid(0, 0) == -1 ? -1 : 0;
}

int
privilege_as_owner(const char *spool, bool ours, char *why, size_t whysize)
{
	const struct failure f = {why, whysize};
	struct ids to;
	bool missing;

	if (privilege_caller() != 0)
		return 0;
	if (geteuid() != 0 && seteuid(0) == -1) /* to see the spool, and for setgroups(2) */
		return fail(&f, errno, "cannot become root again");
	to = owner_of(spool, ours, &missing);
	if (to.uid == 0)
		return 0;
	if (missing && spool_make(spool, to.uid, to.gid) == -1)
		return fail(&f, errno, "spool %s: cannot be made", spool);
	if (become(&to, &f) == -1)
		return -1;
	privilege_forbid_core();
	return 0;
}
