/*
 * spooldir.c: a temporary spool for tests.
 */
#include "spooldir.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char top[64], spool[80];

static void
give_up(const char *what)
{
	fprintf(stderr, "spooldir: %s: %s\n", what, strerror(errno));
	abort();
}

/* In memory where that is possible: thousands of spools are made, and none is to outlive a crash. */
const char *
spooldir_make(void)
{
	const char *in = getenv("TMPDIR");

	if (in == NULL || strlen(in) > 30)
		in = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	snprintf(top, sizeof(top), "%s/sortie-test.XXXXXX", in);
	if (mkdtemp(top) == NULL)
		give_up(top);
	snprintf(spool, sizeof(spool), "%s/spool", top);
	return spool;
}

static void
remove_tree(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	struct dirent *entry;
	DIR *d;

	if (fd == -1 || (d = fdopendir(fd)) == NULL) {
		unlinkat(parent, name, 0);
		return;
	}
	while ((entry = readdir(d)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			remove_tree(fd, entry->d_name);
	closedir(d);
	unlinkat(parent, name, AT_REMOVEDIR);
}

void
spooldir_remove(void)
{
	remove_tree(AT_FDCWD, top);
}

struct spool *
spooldir_open(void)
{
	struct spool *sp;
	char why[300];

	ck_assert_msg(spool_open(&sp, spooldir_make(), why, sizeof(why)) == 0, "%s", why);
	return sp;
}

void
spooldir_reopen(struct spool **sp)
{
	char why[300];

	spool_close(sp);
	ck_assert_msg(spool_open(sp, spool, why, sizeof(why)) == 0, "%s", why);
}

void
spooldir_close(struct spool **sp)
{
	spool_close(sp);
	spooldir_remove();
}

const char *
spooldir_path(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", spool, name);
	return path;
}

mode_t
spooldir_mode(const char *name)
{
	struct stat st;

	return lstat(spooldir_path(name), &st) == 0 ? st.st_mode : 0;
}

bool
spooldir_has(const char *name)
{
	return spooldir_mode(name) != 0;
}

/* Counts the entries of a directory but for . and ..; the last one's name into name[256]. */
static size_t
walk(const char *dir, char *name)
{
	DIR *d = opendir(spooldir_path(dir));
	struct dirent *entry;
	size_t n = 0;

	if (d == NULL)
		return 0;
	while ((entry = readdir(d)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(name, 256, "%s", entry->d_name);
		n++;
	}
	closedir(d);
	return n;
}

size_t
spooldir_count(const char *dir)
{
	char name[256];

	return walk(dir, name);
}

const char *
spooldir_first(const char *dir)
{
	static char name[256];

	return walk(dir, name) > 0 ? name : NULL;
}

void
spooldir_write(const char *name, const char *text)
{
	const char *path = spooldir_path(name);
	/* one that is there may be a user's, in a folder of everybody's (fs.protected_regular) */
	FILE *f = truncate(path, 0) == 0 ? fopen(path, "r+") : fopen(path, "w");

	if (f == NULL || fputs(text, f) == EOF || fclose(f) == EOF)
		give_up(name);
}

const char *
spooldir_read(const char *name)
{
	static char text[1 << 18];
	FILE *f = fopen(spooldir_path(name), "r");
	size_t n;

	if (f == NULL)
		return "";
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

void
spooldir_append(const char *name, const char *text)
{
	FILE *f = fopen(spooldir_path(name), "a");

	if (f == NULL || fputs(text, f) == EOF || fclose(f) == EOF)
		give_up(name);
}

void
spooldir_move(const char *from, const char *to)
{
	char old[512];

	snprintf(old, sizeof(old), "%s", spooldir_path(from));
	if (rename(old, spooldir_path(to)) != 0)
		give_up(from);
}

void
spooldir_queue(const char *id)
{
	char name[100], text[400];

	snprintf(name, sizeof(name), "msg/%s", id);
	spooldir_write(name, "Subject: x\r\n\r\n");
	snprintf(name, sizeof(name), "ctl/%s", id);
	snprintf(text, sizeof(text),
	    "Content-type: application/x-citadel-delivery-list\n\nformat|1\nmsgid|%s\n"
	    "envelope_from|alice@example.org\nuid|1000\nremote|bob@example.net|0|\n"
	    "remote|carol@example.net|0|\nrecipients|2\n",
	    id);
	spooldir_write(name, text);
}

int
spooldir_lock(struct spool *sp, const char *id)
{
	int fd;

	ck_assert_int_eq(spool_lock(sp, id, &fd), SPOOL_LOCKED);
	return fd;
}

void
spooldir_age(const char *name, int64_t at_s)
{
	struct timespec ts[2] = {{.tv_sec = (time_t)at_s}, {.tv_sec = (time_t)at_s}};

	if (utimensat(AT_FDCWD, spooldir_path(name), ts, AT_SYMLINK_NOFOLLOW) == -1)
		give_up(name);
}

static bool
has_in(const char *dir, const char *id, const char *suffix)
{
	char name[200];

	snprintf(name, sizeof(name), "%s/%s%s", dir, id, suffix);
	return spooldir_has(name);
}

const char *
spooldir_state(const char *id)
{
	bool msg = has_in("msg", id, ""), ctl = has_in("ctl", id, "");

	if (ctl)
		return msg ? "S4" : "S5";
	if (msg)
		return "S3";
	return has_in("tmp", id, "") || has_in("tmp", id, ".b") || has_in("tmp", id, ".c") ? "S2"
											   : "S1";
}
