/*
 * maildir.c: a message into a Maildir, as its author describes it (cr.yp.to/proto/maildir.html): written
 * in tmp/, synced, then moved to new/ under the same name. A crash leaves a file in tmp/ at most, which
 * mail readers remove after 36 hours.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "base/sys.h"
#include "local/local_impl.h"

/* A name like no other: seconds, microseconds, process, 48 random bits, host. */
static void
unique_name(char *name, size_t size)
{
	long long now = sys.wall_ns();
	char host[64];

	if (gethostname(host, sizeof(host)) != 0)
		host[0] = '\0';
	host[sizeof(host) - 1] = '\0';
	for (char *c = host; *c != '\0'; c++)
		if (*c == '/' || *c == ':' || !str_is_clean(c, 1))
			*c = '_';
	snprintf(name, size, "%lld.M%lldP%ldR%06" PRIx32 "%06" PRIx32 ".%s", now / 1000000000,
	    now / 1000 % 1000000, (long)getpid(), str_random(1 << 24), str_random(1 << 24), host);
}

/* Opens a folder, made when it is missing. O_NOFOLLOW would refuse ~/Maildir -> /srv/mail/alice, which
 * people have, and it is their own. */
static int
open_folder(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (mkdirat(at, name, 0700) != 0 && errno != EEXIST)
		return -1;
	if (fsync(at) != 0 && errno != EINVAL)
		return -1;
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* The synced file in tmp/; -1 and errno. */
static int
write_message(const struct local_job *job, int tmp, const char *name)
{
	int fd = openat(tmp, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), err;

	if (fd < 0)
		return -1;
	if (local_copy(job, fd, 0) == 0 && fsync(fd) == 0)
		return close(fd);
	err = errno;
	close(fd);
	unlinkat(tmp, name, 0);
	errno = err;
	return -1;
}

static int
move_to_new(int tmp, int new, const char *name)
{
	if (renameat(tmp, name, new, name) == 0)
		return fsync(new);
	unlinkat(tmp, name, 0);
	return -1;
}

enum local_outcome
local_maildir(const struct local_job *job, struct buf *said)
{
	char name[160];
	int box, tmp, new;

	errno = job->home_error;
	if (job->home < 0)
		return local_trouble(said, "the home folder");
	box = open_folder(job->home, job->options->maildir);
	if (box < 0)
		return local_trouble(said, job->options->maildir);
	tmp = open_folder(box, "tmp");
	new = open_folder(box, "new");
	if (tmp < 0 || new < 0 || open_folder(box, "cur") < 0)
		return local_trouble(said, job->options->maildir);
	unique_name(name, sizeof(name));
	if (write_message(job, tmp, name) != 0 || move_to_new(tmp, new, name) != 0)
		return local_trouble(said, "writing to the Maildir");
	return LOCAL_DONE;
}
