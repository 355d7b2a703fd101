/* ctl_check_files.c: what is there, who may read it, who can install what is missing. */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "ctl/ctl_check.h"

const char *
check_place(const struct check *k, const char *path, char dst[CHECK_PATH])
{
	snprintf(dst, CHECK_PATH, "%s%s", k->root, path);
	return dst;
}

bool
check_there(const struct check *k, const char *path)
{
	char place[CHECK_PATH];
	struct stat st;

	return lstat(check_place(k, path, place), &st) == 0;
}

/* A user may have put a FIFO where his crontab should be. */
FILE *
check_read(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	FILE *f = NULL;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		f = fdopen(fd, "r");
	if (f == NULL && fd >= 0)
		close(fd);
	return f;
}

/* --- permissions -------------------------------------------------------------------------- */

/* Of others' three bits, in the place that counts for him; root may all. */
static bool
lets(const struct check *k, const struct stat *st, mode_t bit)
{
	mode_t mode = st->st_mode;

	if (!k->owner_known || k->uid == 0)
		return true;
	if (st->st_uid == k->uid)
		mode >>= 6;
	else if (st->st_gid == k->gid)
		mode >>= 3;
	return (mode & bit) != 0;
}

bool
check_may_read(const struct check *k, const struct stat *st)
{
	return lets(k, st, S_IROTH);
}

bool
check_way_is_open(struct check *k, const char *path)
{
	char folder[CHECK_PATH];
	struct stat st;

	for (size_t i = 1; path[i] != '\0' && i < sizeof(folder); i++) {
		if (path[i] != '/')
			continue;
		snprintf(folder, sizeof(folder), "%.*s", (int)i, path);
		if (stat(folder, &st) == -1 || lets(k, &st, S_IXOTH))
			continue;
		check_type(k, "chmod a+x %s", folder);
		check_say(k, CHECK_FAIL, "%s does not let %s through to %s", folder,
		    k->name_of_owner, path);
		return false;
	}
	return true;
}

/* --- what is to be typed ------------------------------------------------------------------ */

bool
check_type_package(
    struct check *k, const char *apt, const char *rpm, const char *apk, const char *pkg)
{
	const struct {
		const char *program, *command, *package;
	} managers[] = {{"/usr/bin/apt-get", "apt-get install", apt}, {"/sbin/apk", "apk add", apk},
	    {"/usr/bin/dnf", "dnf install", rpm}, {"/usr/bin/pacman", "pacman -S", rpm},
	    {"/usr/bin/zypper", "zypper install", rpm}, {"/usr/sbin/pkg", "pkg install", pkg}};

	for (size_t i = 0; i < sizeof(managers) / sizeof(managers[0]); i++) {
		if (managers[i].package[0] == '\0' || !check_there(k, managers[i].program))
			continue;
		check_type(k, "%s %s", managers[i].command, managers[i].package);
		return true;
	}
	return false;
}

/* vi's, and most others'. */
void
check_type_editor(struct check *k, const char *path, int line)
{
	if (line > 0)
		check_type(k, "${EDITOR:-vi} +%d %s", line, path);
	else
		check_type(k, "${EDITOR:-vi} %s", path);
}
