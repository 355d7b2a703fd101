/*
 * resolvconf_file.h: resolv.conf on the disk: read again when it has changed.
 */
#ifndef DNS_RESOLVCONF_FILE_H
#define DNS_RESOLVCONF_FILE_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/buf.h"

struct resolvconf_file { /* zeroed: nothing has been read */
	char *path; /* the caller's; NULL: none */
	int64_t check_ms; /* when to look at it again */
	bool exists; /* and what else changes when a file does: */
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime;
};

/*
 * Whether it has changed since it was last read; text (empty before) is what it says now, up to the
 * buffer's ceiling. It is looked at once a second at most; one that cannot be read has not changed.
 */
bool resolvconf_file_changed(struct resolvconf_file *f, int64_t now_ms, struct buf *text);

#endif
