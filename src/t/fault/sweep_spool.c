/*
 * sweep_spool.c: control files are copied; all other files, which nobody changes, get a second name.
 */
#include "t/fault/sweep_spool.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "whole.h"

enum { PATH_SIZE = STORY_PATH_MAX + 300 };

static void
copy_file(const char *from, const char *to, const struct stat *st)
{
	struct timespec times[2] = {st->st_atim, st->st_mtim};
	char bytes[65536];
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0600);
	ssize_t n;

	while ((n = read(in, bytes, sizeof(bytes))) > 0)
		if (write(out, bytes, (size_t)n) != n)
			die(EX_IOERR, "%s: %s", to, strerror(errno));
	if (n < 0 || futimens(out, times) != 0)
		die(EX_IOERR, "%s: %s", from, strerror(errno));
	close(in);
	close(out);
}

static void copy(const char *from, const char *to, bool control);

static void
copy_folder(const char *from, const char *to)
{
	const char *last = strrchr(from, '/');
	DIR *d = opendir(from);

	if (d == NULL || mkdir(to, 0700) != 0)
		die(EX_IOERR, "%s: %s", to, strerror(errno));
	for (struct dirent *e; (e = readdir(d)) != NULL;) {
		char a[PATH_SIZE + 260], b[PATH_SIZE + 260];

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(a, sizeof(a), "%s/%s", from, e->d_name);
		snprintf(b, sizeof(b), "%s/%s", to, e->d_name);
		copy(a, b, strcmp(last, "/msg") != 0 && strcmp(e->d_name, "ballast") != 0);
	}
	closedir(d);
}

static void
copy(const char *from, const char *to, bool control)
{
	struct stat st;

	if (lstat(from, &st) != 0)
		return; /* there was no spool */
	if (S_ISDIR(st.st_mode))
		copy_folder(from, to);
	else if (S_ISREG(st.st_mode) && control)
		copy_file(from, to, &st);
	else if (S_ISREG(st.st_mode) ? link(from, to) != 0 : mkfifo(to, 0600) != 0)
		die(EX_IOERR, "%s: %s", to, strerror(errno));
}

static void
paths(const struct story *s, char spool[PATH_SIZE], char kept[PATH_SIZE])
{
	snprintf(spool, PATH_SIZE, "%s/spool", s->dir);
	snprintf(kept, PATH_SIZE, "%s/kept", s->dir);
}

void
sweep_spool_keep(const struct story *s)
{
	char spool[PATH_SIZE], kept[PATH_SIZE];

	paths(s, spool, kept);
	copy(spool, kept, true);
}

void
sweep_spool_restore(const struct story *s)
{
	char spool[PATH_SIZE], kept[PATH_SIZE];

	paths(s, spool, kept);
	whole_remove(spool);
	copy(kept, spool, true);
}

void
sweep_spool_remove(const struct story *s)
{
	whole_remove(s->dir);
}

size_t
sweep_spool_count(const struct story *s, const char *dir)
{
	char path[PATH_SIZE];
	size_t n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/spool/%s", s->dir, dir);
	d = opendir(path);
	for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
		n += e->d_name[0] != '.';
	if (d != NULL)
		closedir(d);
	return n;
}
