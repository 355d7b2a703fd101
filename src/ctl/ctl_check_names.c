/*
 * ctl_check_names.c: which program really answers to sendmail, mailq and newaliases: by links, by Debian's
 * alternatives, by mailwrapper(8), by the order of PATH.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "ctl/ctl_check.h"

static const char ALTERNATIVES[] = "/etc/alternatives/";

enum { GROUP_PATH = CHECK_PATH + NAME_MAX + 2 };

/* --- whose it is -------------------------------------------------------------------------- */

static bool
lists(const char *file, const char *path)
{
	char line[1024];
	bool found = false;
	FILE *f = check_read(file);

	while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		found = strcmp(line, path) == 0;
	}
	if (f != NULL)
		fclose(f);
	return found;
}

/* dpkg(1)'s lists: NAME.list or NAME:ARCHITECTURE.list, a path a line. */
bool
check_package_of(const struct check *k, const char *path, char name[CHECK_NAME])
{
	char folder[CHECK_PATH], file[CHECK_PATH + NAME_MAX + 2];
	size_t above = strlen(k->root);
	bool found = false;
	struct dirent *e;
	DIR *d = opendir(check_place(k, "/var/lib/dpkg/info", folder));

	if (strncmp(path, k->root, above) == 0)
		path += above;
	while (d != NULL && !found && (e = readdir(d)) != NULL) {
		snprintf(file, sizeof(file), "%s/%s", folder, e->d_name);
		if (!str_ends_i(e->d_name, ".list") || !lists(file, path))
			continue;
		snprintf(name, CHECK_NAME, "%.*s", (int)strcspn(e->d_name, ":."), e->d_name);
		found = true;
	}
	if (d != NULL)
		closedir(d);
	return found;
}

static bool
is_same(const char *path, const struct stat *st)
{
	struct stat other;

	return stat(path, &other) == 0 && other.st_dev == st->st_dev && other.st_ino == st->st_ino;
}

/* Whether it is the front in the end, or the program, which does the same. */
static bool
leads_here(const struct check *k, const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && (is_same(k->front, &st) || is_same(k->program, &st));
}

/* What the link says; "": it is none. */
static void
read_link(const char *path, char target[CHECK_PATH])
{
	ssize_t n = readlink(path, target, CHECK_PATH - 1);

	target[n < 0 ? 0 : n] = '\0';
}

/* --- mailwrapper(8) ----------------------------------------------------------------------- */

/* FreeBSD's ports come first there; NetBSD and OpenBSD have the last. */
static const char *
mailer_conf(const struct check *k, char place[CHECK_PATH])
{
	static const char *const usual[] = {
	    "/usr/local/etc/mail/mailer.conf", "/etc/mail/mailer.conf", "/etc/mailer.conf"};
	size_t i = 0;

	while (i < 2 && !check_there(k, usual[i]))
		i++;
	return check_place(k, i == 2 && check_there(k, "/etc/mail") ? usual[1] : usual[i], place);
}

/* mailer.conf(5): which program it calls by that name; the first line counts. */
static bool
wrapped(const char *file, const char *name, char path[1024])
{
	char line[2048], word[256];
	bool found = false;
	FILE *f = check_read(file);

	while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL)
		found = sscanf(line, "%255s %1023s", word, path) == 2 && strcmp(word, name) == 0;
	if (f != NULL)
		fclose(f);
	return found;
}

static void
check_wrapped(struct check *k, const char *path, const char *name)
{
	char target[1024], file[CHECK_PATH];

	mailer_conf(k, file);
	if (!wrapped(file, name, target)) {
		check_type(k, "echo '%s %s' >> %s", name, k->front, file);
		check_say(k, CHECK_FAIL, "%s is mailwrapper(8), and no line of %s is for %s", path,
		    file, name);
	} else if (!leads_here(k, target)) {
		check_type(k, "sed -i.old 's|^[[:space:]]*%s[[:space:]].*|%s %s|' %s", name, name,
		    k->front, file);
		check_say(k, CHECK_FAIL, "%s is mailwrapper(8), which calls %s (%s)%s", path,
		    target, file, access(target, X_OK) == 0 ? "" : ", which is not there");
	} else {
		check_say(k, CHECK_OK, "%s leads to %s by %s", path, target, file);
	}
}

/* --- links -------------------------------------------------------------------------------- */

/* What update-alternatives(1) knows as that link's; NULL: it is none of its. */
static const char *
alternative(const struct check *k, const char *path, char target[CHECK_PATH])
{
	size_t above = strlen(k->root), n = strlen(ALTERNATIVES);

	read_link(path, target);
	if (strncmp(target, k->root, above) != 0 || strncmp(target + above, ALTERNATIVES, n) != 0)
		return NULL;
	return target + above + n;
}

/* The file of the group that has that link: its master's name is the file's, its slaves' are lines of it. */
static bool
find_group(const struct check *k, const char *name, char file[GROUP_PATH])
{
	static const char *const folders[] = {
	    "/var/lib/dpkg/alternatives", "/var/lib/alternatives"};
	char folder[CHECK_PATH];
	bool found = false;
	struct dirent *e;
	DIR *d;

	for (size_t i = 0; !found && i < sizeof(folders) / sizeof(folders[0]); i++) {
		check_place(k, folders[i], folder);
		snprintf(file, GROUP_PATH, "%s/%s", folder, name);
		found = access(file, F_OK) == 0;
		d = found ? NULL : opendir(folder);
		while (d != NULL && !found && (e = readdir(d)) != NULL) {
			snprintf(file, GROUP_PATH, "%s/%s", folder, e->d_name);
			found = lists(file, name);
		}
		if (d != NULL)
			closedir(d);
	}
	return found;
}

static bool
is_our_name(const char *path)
{
	static const char *const names[] = {
	    "/sendmail", "/send-mail", "/mailq", "/newaliases", "/hoststat", "/purgestat"};
	const char *slash = strrchr(path, '/');

	for (size_t i = 0; slash != NULL && i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(slash, names[i]) == 0)
			return true;
	return false;
}

/*
 * One command for the whole group: update-alternatives removes each slave that is not named, and makes none that
 * is asked for by itself. In a file of its: how it chooses, the master's link, name and link of each slave,
 * nothing, and who is there.
 */
static void
type_alternative(struct check *k, const char *path, const char *name)
{
	char file[GROUP_PATH], line[1024], master[CHECK_PATH], slave[1024] = "";
	FILE *f = find_group(k, name, file) ? check_read(file) : NULL;
	const char *group = f == NULL ? name : strrchr(file, '/') + 1;
	struct buf slaves;

	buf_init(&slaves, sizeof(k->command));
	str_copy(master, sizeof(master), path);
	for (int n = 1; f != NULL && fgets(line, sizeof(line), f) != NULL; n++) {
		line[strcspn(line, "\n")] = '\0';
		if (n > 2 && line[0] == '\0')
			break;
		if (n == 2)
			str_copy(master, sizeof(master), line);
		else if (n % 2 != 0)
			str_copy(slave, sizeof(slave), line);
		else if (is_our_name(line))
			buf_addf(&slaves, " --slave %s %s %s", line, slave, k->front);
	}
	if (f != NULL)
		fclose(f);
	check_type(k,
	    "update-alternatives --install %s %s %s 100%s && update-alternatives --set %s %s",
	    master, group, k->front, buf_str(&slaves), group, k->front);
	buf_free(&slaves);
}

/*
 * In the way of those whose name it is: what a package has put there would come back with its next version. make
 * install says the same.
 */
static void
type_link(struct check *k, const char *path)
{
	char target[CHECK_PATH], package[CHECK_NAME];
	const char *name = alternative(k, path, target);

	if (name != NULL)
		type_alternative(k, path, name);
	else if (check_package_of(k, path, package))
		check_type(k, "dpkg-divert --local --rename --add %s && ln -sf %s %s", path,
		    k->front, path);
	else
		check_type(k, "ln -sf %s %s", k->front, path);
}

/* A name that is somebody else's, and whose. */
static void
say_foreign(struct check *k, enum check_result result, const char *path, const char *more)
{
	char package[CHECK_NAME] = "", target[CHECK_PATH], *whole = realpath(path, NULL);

	read_link(path, target);
	type_link(k, path);
	if (whole == NULL && target[0] != '\0')
		check_say(k, result, "%s leads to %s, which is not there%s", path, target, more);
	else if (whole == NULL)
		check_say(k, result, "%s is not there%s", path, more);
	else if (check_package_of(k, path, package) || check_package_of(k, whole, package))
		check_say(k, result, "%s is %s, of the package %s%s", path,
		    strcmp(path, whole) == 0 ? "another program" : whole, package, more);
	else
		check_say(k, result, "%s is %s%s", path,
		    strcmp(path, whole) == 0 ? "another program" : whole, more);
	free(whole);
}

static bool
is_mailwrapper(const char *path)
{
	char *whole = realpath(path, NULL);
	bool is = whole != NULL && strcmp(strrchr(whole, '/'), "/mailwrapper") == 0;

	free(whole);
	return is;
}

static void
check_name(struct check *k, const char *path)
{
	char target[CHECK_PATH], *whole;

	if (leads_here(k, path)) {
		whole = realpath(path, NULL);
		check_say(k, CHECK_OK, "%s leads to %s%s", path, whole == NULL ? "" : whole,
		    alternative(k, path, target) == NULL ? "" : " by update-alternatives");
		free(whole);
	} else if (is_mailwrapper(path)) {
		check_wrapped(k, path, strrchr(path, '/') + 1);
	} else {
		say_foreign(k, CHECK_FAIL, path, "");
	}
}

/* --- the order of PATH -------------------------------------------------------------------- */

static const char *const folders[] = {
    "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"};

/* The one that a shell would find, where programs are looked for. False: there is none. */
static bool
find_name(const struct check *k, const char *name, char path[CHECK_PATH])
{
	char usual[CHECK_PATH];
	struct stat st;

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(usual, sizeof(usual), "%s/%s", folders[i], name);
		check_place(k, usual, path);
		if (access(path, X_OK) == 0 && stat(path, &st) == 0 && S_ISREG(st.st_mode))
			return true;
	}
	return false;
}

/* Without any it should be where make install puts it. */
static void
check_name_in_path(struct check *k, const char *name)
{
	size_t n = strlen(k->folder);
	char path[CHECK_PATH];

	if (k->own || !find_name(k, name, path)) {
		if (!k->own && str_ends_i(k->folder, "/sbin"))
			snprintf(path, sizeof(path), "%.*sbin/%s", (int)n - 4, k->folder, name);
		else
			snprintf(path, sizeof(path), "%s/%s", k->folder, name);
	}
	check_name(k, path);
}

/* A script that calls `sendmail' gets what stands first; of the usual place it has been said. */
static void
check_sendmail_in_path(struct check *k, const char *usual)
{
	char path[CHECK_PATH];

	if (find_name(k, "sendmail", path) && strcmp(path, usual) != 0 && !leads_here(k, path) &&
	    !is_mailwrapper(path))
		say_foreign(k, CHECK_WARN, path, ", and comes first in PATH");
}

/* Programs have /usr/sbin/sendmail compiled in, some look at /usr/lib/sendmail first; the others are typed. */
void
check_names(struct check *k)
{
	char path[CHECK_PATH], usual[CHECK_PATH];

	if (k->own) {
		check_name_in_path(k, "sendmail");
	} else {
		check_name(k, check_place(k, "/usr/sbin/sendmail", usual));
		if (check_there(k, "/usr/lib/sendmail"))
			check_name(k, check_place(k, "/usr/lib/sendmail", path));
		check_sendmail_in_path(k, usual);
	}
	check_name_in_path(k, "mailq");
	check_name_in_path(k, "newaliases");
}
