/*
 * sandbox_files.c: Linux's Landlock: which files may be opened, made, renamed and removed.
 *
 * The kernel says which version of its interface it has; what it does not know is not asked of it.
 * Version 1 cannot allow a rename from one folder of the spool to another, so nothing is done there.
 * What Landlock does not look at (stat, chmod, utimes, connecting to a socket's name) is the other
 * half's, sandbox_calls.c.
 */
#include "base/sandbox_impl.h"

#if defined(__linux__)

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

/* The same numbers on every architecture that has come since, and on those that we know. */
enum { CREATE_RULESET = 444, ADD_RULE = 445, RESTRICT_SELF = 446 };
enum { GIVE_VERSION = 1, RULE_PATH_BENEATH = 1 };

enum { /* rights to a file, or to what is below a directory */
	EXECUTE = 1 << 0,
	WRITE_FILE = 1 << 1,
	READ_FILE = 1 << 2,
	READ_DIR = 1 << 3,
	ALL_OF_1 = (1 << 13) - 1, /* ... removing, and making each kind of file */
	REFER = 1 << 13, /* version 2: link and rename from folder to folder */
	TRUNCATE = 1 << 14, /* 3 */
	IOCTL_DEV = 1 << 15, /* 5 */
};

enum { /* version 6: what is outside */
	SCOPE_ABSTRACT_UNIX = 1 << 0,
	SCOPE_SIGNAL = 1 << 1,
};

struct ruleset { /* struct landlock_ruleset_attr: what is forbidden unless a rule allows it */
	uint64_t fs, net, scoped;
};

struct rule { /* struct landlock_path_beneath_attr; the kernel reads its 12 bytes */
	uint64_t allowed;
	int32_t fd;
};

static struct ruleset
ruleset_of(long version)
{
	struct ruleset r = {.fs = ALL_OF_1 | REFER};

	if (version >= 3)
		r.fs |= TRUNCATE;
	if (version >= 5)
		r.fs |= IOCTL_DEV;
	if (version >= 6)
		r.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
	return r;
}

static uint64_t
rights(enum sandbox_access access, bool is_dir)
{
	uint64_t r = READ_FILE;

	if (is_dir)
		r |= READ_DIR;
	if (access == SANDBOX_SPOOL)
		r |= WRITE_FILE | TRUNCATE;
	/* what lies there and should not, a FIFO or a folder, is moved away; the other half makes none */
	if (access == SANDBOX_SPOOL && is_dir)
		r |= (ALL_OF_1 | REFER) & ~(unsigned)EXECUTE;
	return r;
}

/* Opening follows symlinks: the rule is about the file itself, whatever leads there. */
static int
allow(int ruleset, const struct sandbox_path *p, uint64_t known)
{
	struct rule rule = {.fd = open(p->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
	struct stat st;
	long rc;
	int saved;

	if (rule.fd == -1)
		return sandbox_may_lack(p, errno) ? 0 : sandbox_cannot_grant(p);
	if ((rc = fstat(rule.fd, &st)) == 0) {
		rule.allowed = rights(p->access, S_ISDIR(st.st_mode)) & known;
		rc = syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, &rule, 0U);
	}
	saved = errno;
	close(rule.fd);
	errno = saved;
	return rc == 0 ? 0 : sandbox_cannot_grant(p);
}

static bool
allow_all(int ruleset, const struct sandbox_path *paths, size_t n, uint64_t known)
{
	for (size_t i = 0; i < n; i++)
		if (allow(ruleset, &paths[i], known) == -1)
			return false;
	return true;
}

int
sandbox_files(const struct sandbox_path *paths, size_t n)
{
	long version = syscall(CREATE_RULESET, NULL, (size_t)0, (unsigned)GIVE_VERSION);
	struct ruleset r = ruleset_of(version);
	int fd, holds = -1;

	if (version < 2)
		return 0;
	fd = (int)syscall(CREATE_RULESET, &r, sizeof(r), 0U);
	if (fd == -1)
		return 0;
	if (allow_all(fd, paths, n, r.fs))
		holds = syscall(RESTRICT_SELF, fd, 0U) == 0;
	close(fd);
	return holds;
}

#else

int
sandbox_files(const struct sandbox_path *paths, size_t n)
{
	(void)paths, (void)n;
	return 0;
}

#endif
