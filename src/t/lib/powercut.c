/*
 * powercut.c: a shadow of the spool that only syncs bring up to date.
 *
 * The shadow of a directory is a directory of hard links to the files that were in it at its last
 * sync; of a file's content only the length at its last sync is kept, since no file of the spool
 * is changed but by appending.
 */
#include "powercut.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "spooldir.h"

enum { FILES = 200, NAME = 512 };

static const char *const dirs[] = {"tmp", "msg", "ctl"};
enum { NDIRS = sizeof(dirs) / sizeof(dirs[0]) };

static struct {
	int (*fsync)(int fd);
	int (*fdatasync)(int fd);
	struct {
		ino_t ino;
		off_t size;
	} synced[FILES];
	int nsynced;
} cut;

static void
must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "powercut: %s: %s\n", what, strerror(errno));
	abort();
}

static void
remember(const struct stat *st)
{
	int i;

	for (i = 0; i < cut.nsynced; i++)
		if (cut.synced[i].ino == st->st_ino)
			break;
	must(i < FILES, "too many files");
	cut.synced[i].ino = st->st_ino;
	cut.synced[i].size = st->st_size;
	if (i == cut.nsynced)
		cut.nsynced++;
}

static off_t
synced_size(const struct stat *st)
{
	for (int i = 0; i < cut.nsynced; i++)
		if (cut.synced[i].ino == st->st_ino)
			return cut.synced[i].size;
	return 0;
}

static void
path_of(char path[NAME], const char *top, const char *dir, const char *name)
{
	snprintf(
	    path, NAME, "%s/%s%s%s", spooldir_path(top), dir, name[0] != '\0' ? "/" : "", name);
}

/* Does it for each file of a directory, with its full name. */
static void
each_file(const char *top, const char *dir, void (*fn)(const char *, const char *, const char *))
{
	char path[NAME], file[NAME];
	struct dirent *entry;
	DIR *d;

	path_of(path, top, dir, "");
	d = opendir(path);
	must(d != NULL, path);
	while ((entry = readdir(d)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		path_of(file, top, dir, entry->d_name);
		fn(file, dir, entry->d_name);
	}
	closedir(d);
}

static void
drop(const char *file, const char *dir, const char *name)
{
	(void)dir;
	(void)name;
	must(unlink(file) == 0, file);
}

static void
link_to_shadow(const char *file, const char *dir, const char *name)
{
	char to[NAME];

	path_of(to, "../shadow", dir, name);
	must(link(file, to) == 0, to);
}

/* A file as it is after the power cut, in the disk that is being made. */
static void
copy_synced(const char *file, const char *dir, const char *name)
{
	static char content[65536];
	char to[NAME];
	struct stat st;
	int in = open(file, O_RDONLY), out;
	ssize_t n;

	path_of(to, "../disk", dir, name);
	out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0600);
	must(in >= 0 && out >= 0 && fstat(in, &st) == 0, to);
	n = read(in, content, sizeof(content));
	must(n >= 0 && n < (ssize_t)sizeof(content), file);
	if (n > synced_size(&st))
		n = synced_size(&st);
	must(write(out, content, (size_t)n) == n, to);
	close(in);
	close(out);
}

static void
sync_dir(const char *dir)
{
	each_file("../shadow", dir, drop);
	each_file("", dir, link_to_shadow);
}

static void
note(int fd)
{
	struct stat st, there;

	must(fstat(fd, &st) == 0, "fstat");
	if (S_ISREG(st.st_mode))
		remember(&st);
	for (size_t i = 0; i < NDIRS; i++)
		if (stat(spooldir_path(dirs[i]), &there) == 0 && there.st_ino == st.st_ino)
			sync_dir(dirs[i]);
}

static int
noting_fsync(int fd)
{
	int r = cut.fsync(fd);

	if (r == 0)
		note(fd);
	return r;
}

static int
noting_fdatasync(int fd)
{
	int r = cut.fdatasync(fd);

	if (r == 0)
		note(fd);
	return r;
}

static void
remember_file(const char *file, const char *dir, const char *name)
{
	struct stat st;

	(void)dir;
	(void)name;
	must(stat(file, &st) == 0, file);
	remember(&st);
}

static void
make_dirs(const char *top)
{
	char path[NAME];

	must(mkdir(spooldir_path(top), 0700) == 0 || errno == EEXIST, top);
	for (size_t i = 0; i < NDIRS; i++) {
		path_of(path, top, dirs[i], "");
		must(mkdir(path, 0700) == 0 || errno == EEXIST, path);
		each_file(top, dirs[i], drop);
	}
}

void
powercut_start(void)
{
	cut.nsynced = 0;
	cut.fsync = sys.fsync;
	cut.fdatasync = sys.fdatasync;
	make_dirs("../shadow");
	for (size_t i = 0; i < NDIRS; i++) {
		each_file("", dirs[i], remember_file);
		sync_dir(dirs[i]);
	}
	sys.fsync = noting_fsync;
	sys.fdatasync = noting_fdatasync;
}

const char *
powercut_disk(unsigned which)
{
	make_dirs("../disk");
	for (size_t i = 0; i < NDIRS; i++)
		each_file((which >> i & 1) != 0 ? "" : "../shadow", dirs[i], copy_synced);
	return spooldir_path("../disk");
}

void
powercut_stop(void)
{
	sys.fsync = cut.fsync;
	sys.fdatasync = cut.fdatasync;
}
