/*
 * resources_disk.c: disks of every size, in memory: with room for nothing, for a page more, and so on
 * until there is enough; with few files; and filled to the last byte between submission and queue run.
 */
#include "t/fault/resources.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/mount.h>
#include <sys/syscall.h>

enum {
	NEW_MOUNTS = 0x20000, /* CLONE_NEWNS of sched.h, which hides it from all but GNU sources */
	PAGE = 4096,
	BALLAST_PAGES = 256,
	ROOM = 64 << 20,
};

static char disk[POST_PATH_MAX];

/* A namespace of our own: what is mounted here nobody else sees, and it goes when we do. */
static bool
may_mount(void)
{
	return geteuid() == 0 && syscall(SYS_unshare, NEW_MOUNTS) == 0 &&
	       mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static void
mount_disk(unsigned long flags, unsigned long bytes, unsigned long files)
{
	char options[100];

	snprintf(options, sizeof(options), "mode=0700,size=%lu,nr_inodes=%lu", bytes, files);
	if (mount("sortie", disk, "tmpfs", flags, options) != 0)
		die(EX_OSERR, "cannot mount %s: %s", disk, strerror(errno));
}

static void
unmount_disk(void)
{
	if (umount2(disk, MNT_DETACH) != 0)
		die(EX_OSERR, "cannot unmount %s: %s", disk, strerror(errno));
}

static void
try_size(struct tally *t, unsigned long bytes, unsigned long files)
{
	t->points++;
	post_point("disk of %lu bytes, %lu files", bytes, files);
	mount_disk(0, bytes, files);
	post_submit(t, NULL, "-odq");
	post_run(t, NULL, true);
	mount_disk(MS_REMOUNT, ROOM, 1000);
	post_submit(t, NULL, "-odq");
	post_finish(t);
	unmount_disk();
}

static bool
well(const struct tally *t)
{
	return t->lost + t->duplicated + t->other == 0;
}

/* Page by page, but for the ballast's, of which one is like the other. */
static bool
grow(unsigned every)
{
	struct tally t = {0};

	for (unsigned long pages = 1; pages <= BALLAST_PAGES + 16; pages += every)
		if (pages < 32 || pages > BALLAST_PAGES - 8 || pages % 16 < every)
			try_size(&t, pages * PAGE, 1000);
	post_row("disk of every size, submission and queue run", &t);
	return well(&t);
}

static bool
grow_files(unsigned every)
{
	struct tally t = {0};

	for (unsigned long files = 2; files <= 20; files += every)
		try_size(&t, ROOM, files);
	post_row("disk for few files, submission and queue run", &t);
	return well(&t);
}

/* All the room there is; leave: but for so many bytes. */
static void
fill(long leave)
{
	char path[POST_PATH_MAX + 10];
	static char bytes[PAGE];
	off_t size = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/filler", disk);
	if ((fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600)) < 0)
		die(EX_IOERR, "%s: %s", path, strerror(errno));
	while ((n = write(fd, bytes, sizeof(bytes))) > 0)
		size += n;
	if (errno != ENOSPC || ftruncate(fd, size > leave ? size - leave : 0) != 0)
		die(EX_IOERR, "%s: %s", path, strerror(errno));
	close(fd);
}

static void
remove_from_disk(const char *name)
{
	char path[POST_PATH_MAX + 20];

	snprintf(path, sizeof(path), "%s/%s", disk, name);
	if (unlink(path) != 0 && errno != ENOENT)
		die(EX_IOERR, "%s: %s", path, strerror(errno));
}

/*
 * The disk is filled when messages are queued. With the ballast each success is recorded, so nothing
 * comes twice; without it nothing is begun, unless there is room for a new one.
 */
static void
try_filled(struct tally *t, bool ballast, long pages)
{
	enum { MESSAGES = 3 };

	t->points++;
	post_point(
	    "disk filled but for %ld pages, %s ballast", pages, ballast ? "with" : "without");
	mount_disk(0, 4 << 20, 1000);
	for (int i = 0; i < MESSAGES; i++)
		if (!post_submit(t, NULL, "-odq"))
			post_complain(&t->other, "there was room");
	if (!ballast)
		remove_from_disk("spool/ballast");
	fill(pages * PAGE);
	post_run(t, NULL, true);
	if (!ballast && pages < BALLAST_PAGES && post_arrived() > 0)
		post_complain(&t->other, "mail went out, and no room to record that");
	if (ballast && post_arrived() == 0)
		post_complain(&t->other, "nothing went out in spite of the ballast");
	post_submit(t, NULL, "-odq"); /* accepted or not */
	post_run(t, NULL, true);
	remove_from_disk("filler");
	post_finish(t);
	unmount_disk();
}

/*
 * A control file with room for less than a line in its last page, so that the line about who was served
 * needs the ballast's.
 */
static void
try_page_end(struct tally *t, unsigned others)
{
	t->points++;
	post.others = others;
	post_point("full disk, control file for %u recipients", 2 + others);
	mount_disk(0, 4 << 20, 1000);
	if (!post_submit(t, NULL, "-odq"))
		post_complain(&t->other, "there was room");
	fill(0);
	post_run(t, NULL, true);
	if (post_arrived() == 0)
		post_complain(&t->other, "nothing went out in spite of the ballast");
	remove_from_disk("filler");
	post_finish(t);
	unmount_disk();
	post.others = 0;
}

static bool
fill_up(unsigned every)
{
	struct tally t = {0};

	for (unsigned others = 125; others <= 160; others += every)
		try_page_end(&t, others);

	for (long pages = 0; pages <= 8; pages += every) {
		try_filled(&t, true, pages);
		try_filled(&t, false, pages);
	}
	try_filled(&t, false, BALLAST_PAGES - 1);
	try_filled(&t, false, BALLAST_PAGES + 1);
	post_row("disk filled between submission and queue run", &t);
	return well(&t);
}

bool
disk_sweep(unsigned every)
{
	bool all;

	if (!may_mount()) {
		puts("resources: disks of every size: left out, only root may mount them");
		return true;
	}
	snprintf(disk, sizeof(disk), "%s/disk", post.dir);
	snprintf(post.spool, sizeof(post.spool), "%.100s/spool", disk);
	if (mkdir(disk, 0700) != 0)
		die(EX_CANTCREAT, "%s: %s", disk, strerror(errno));
	post_configure();
	all = grow(every);
	all = grow_files(every) && all;
	return fill_up(every) && all;
}

#else

bool
disk_sweep(unsigned every)
{
	(void)every;
	puts("resources: disks of every size: left out, there are none in memory here");
	return true;
}

#endif
