/*
 * spool_impl.h: what the files of the spool share among themselves.
 */
#ifndef SPOOL_SPOOL_IMPL_H
#define SPOOL_SPOOL_IMPL_H

#include <sys/stat.h>

#include <stdbool.h>

#include "spool/spool.h"

enum {
	SPOOL_NAME_MAX = ENVELOPE_ID_MAX + 8, /* an id and a suffix */
	SPOOL_CTL_MAX = 256 << 20, /* a control file's; 100,000 recipients need some 10 MiB */
};

struct spool {
	char *path;
	int dir, tmp, msg, ctl; /* kept open: nobody can move the spool from under us, nor chdir */
	bool fix_modes; /* the umask takes bits from 0600, so new files need fchmod */
	struct durable_batch batch;
	size_t odd; /* entries of ctl/ that are no files, as last warned about */
};

/* A directory below dir, not through a symlink. */
int spool_open_dir(int dir, const char *name);

/*
 * An existing regular file, not through a symlink. O_NONBLOCK so that a FIFO or device in its place
 * blocks nobody; then it is refused with EINVAL. In two steps for whoever has to lock it between.
 */
int spool_open_file(int dir, const char *name, int flags, struct stat *st);
int spool_open_any(int dir, const char *name, int flags);
int spool_stat_file(int fd, struct stat *st);

/* A new file, 0600, O_RDWR and flags, and locked. EEXIST when the name is taken. */
int spool_create(const struct spool *sp, int dir, const char *name, int flags);

int spool_flock(int fd, int op); /* flock(op | LOCK_NB) */
bool spool_is_flocked(
    int fd); /* whether somebody has; he who asks has it shared until he closes fd */
void spool_close_fd(int *fd); /* -1 is fine, errno stays */

#endif
