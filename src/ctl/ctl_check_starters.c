/*
 * ctl_check_starters.c: what starts queue runs on this machine: cron, systemd, OpenRC, rc.d, by the files that
 * they read. Whether they do is another question: that of the last pass.
 */
#include <sys/stat.h>

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/str.h"
#include "ctl/ctl_check.h"

enum { LINE_SIZE = 2048 };

static struct starter *
add_starter(struct starters *all, enum starter_kind kind, const char *what, const char *user)
{
	struct starter *s;

	if (all->n == STARTERS_MAX)
		return NULL;
	s = &all->v[all->n++];
	*s = (struct starter){.kind = kind};
	str_copy(s->what, sizeof(s->what), what);
	str_copy(s->user, sizeof(s->user), user);
	return s;
}

/* A command that is a queue run: `sortie -q', `sendmail -q15m'. */
static bool
runs_queue(const char *command)
{
	return strstr(command, " -q") != NULL &&
	       (strstr(command, "sortie") != NULL || strstr(command, "sendmail") != NULL);
}

/* Each regular file of a folder of the system's but the hidden ones. */
typedef void folder_fn(
    const struct check *k, const char *path, const char *name, struct starters *all);

static void
each_file(const struct check *k, const char *folder, folder_fn *fn, struct starters *all)
{
	char place[CHECK_PATH], path[CHECK_PATH + NAME_MAX + 2];
	struct dirent *e;
	DIR *d = opendir(check_place(k, folder, place));

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", place, e->d_name);
		fn(k, path, e->d_name, all);
	}
	if (d != NULL)
		closedir(d);
}

/* --- cron --------------------------------------------------------------------------------- */

bool
starters_cron_is_there(const struct check *k)
{
	static const char *const programs[] = {"/usr/sbin/cron", "/usr/sbin/crond",
	    "/usr/bin/crond", "/usr/sbin/fcron", "/usr/lib/systemd/systemd-cron",
	    "/usr/libexec/systemd-cron",
	    "/usr/lib/systemd/system-generators/systemd-crontab-generator"};

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		if (check_there(k, programs[i]))
			return true;
	return false;
}

static void
problem_of_cron(const struct check *k, struct starter *s)
{
	if (starters_cron_is_there(k))
		return;
	str_copy(s->problem, sizeof(s->problem), "there is no cron on this machine");
	str_copy(s->command, sizeof(s->command),
	    check_there(k, "/usr/bin/apt-get") ? "apt-get install cron" : "");
}

static char *
next_word(char **at)
{
	char *word = *at + strspn(*at, " \t");

	*at = word + strcspn(word, " \t");
	if (**at != '\0')
		*(*at)++ = '\0';
	return word;
}

/* "M H DAY MONTH WEEKDAY [USER] COMMAND", or "@hourly ..."; not a NAME=VALUE. user[0] != '\0': whose file it is. */
static bool
is_cron_line(char *line, char user[CHECK_NAME])
{
	char *at = line + strspn(line, " \t");
	int times = *at == '@' ? 1 : 5;

	if (*at != '@' && *at != '*' && !isdigit((unsigned char)*at))
		return false;
	while (times-- > 0)
		next_word(&at);
	if (user[0] == '\0')
		str_copy(user, CHECK_NAME, next_word(&at));
	return runs_queue(at);
}

/* What cron reads there; owner "": the lines say who. */
static void
read_crontab(const struct check *k, const char *path, const char *owner, struct starters *all)
{
	char line[LINE_SIZE], user[CHECK_NAME];
	struct starter *s;
	bool whole;
	FILE *f = check_read(path);

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		whole = line[strcspn(line, "\n")] == '\n';
		line[strcspn(line, "\n")] = '\0';
		str_copy(user, sizeof(user), owner);
		if (!is_cron_line(line, user) ||
		    (s = add_starter(all, STARTER_CRON, path, user)) == NULL)
			continue;
		problem_of_cron(k, s);
		if (whole)
			continue;
		str_copy(s->problem, sizeof(s->problem),
		    "its last line has no end, and cron ignores it");
		snprintf(s->command, sizeof(s->command), "echo >> %.1200s", path);
	}
	if (f != NULL)
		fclose(f);
}

/* Of /etc/cron.d. Debian's cron takes names of letters, digits, - and _, and what root alone can write to. */
static void
on_cron_d(const struct check *k, const char *path, const char *name, struct starters *all)
{
	size_t before = all->n;
	struct starter *s;
	struct stat st;

	read_crontab(k, path, "", all);
	if (all->n == before || stat(path, &st) == -1)
		return;
	s = &all->v[before];
	if (check_there(k, "/etc/debian_version") && strchr(name, '.') != NULL) {
		str_copy(
		    s->problem, sizeof(s->problem), "cron reads no file with a dot in its name");
		snprintf(s->command, sizeof(s->command), "mv %.600s %.*s%.*s", path,
		    (int)(strlen(path) - strlen(name)), path, (int)strcspn(name, "."), name);
	} else if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0 ||
		   (k->root[0] == '\0' && st.st_uid != 0)) {
		str_copy(s->problem, sizeof(s->problem),
		    "it is not root's alone to write to, and cron ignores it");
		snprintf(s->command, sizeof(s->command), "chown root %.600s && chmod 644 %.600s",
		    path, path);
	}
}

static void
on_crontab(const struct check *k, const char *path, const char *name, struct starters *all)
{
	read_crontab(k, path, name, all);
}

/* Of /etc/cron.hourly and the like: scripts that run-parts(8) starts as root. */
static void
on_script(const struct check *k, const char *path, const char *name, struct starters *all)
{
	char line[LINE_SIZE];
	struct starter *s;
	bool runs = false;
	FILE *f = check_read(path);

	while (f != NULL && !runs && fgets(line, sizeof(line), f) != NULL)
		runs = line[0] != '#' && runs_queue(line);
	if (f != NULL)
		fclose(f);
	if (!runs || (s = add_starter(all, STARTER_CRON, path, "root")) == NULL)
		return;
	problem_of_cron(k, s);
	if (strchr(name, '.') != NULL) {
		str_copy(
		    s->problem, sizeof(s->problem), "no file with a dot in its name is started");
		snprintf(s->command, sizeof(s->command), "mv %.600s %.*s%.*s", path,
		    (int)(strlen(path) - strlen(name)), path, (int)strcspn(name, "."), name);
	} else if (access(path, X_OK) == -1) {
		str_copy(s->problem, sizeof(s->problem), "it may not be executed");
		snprintf(s->command, sizeof(s->command), "chmod 755 %.1200s", path);
	}
}

static void
find_cron(const struct check *k, struct starters *all)
{
	static const char *const with_users[] = {"/etc/cron.d", "/usr/local/etc/cron.d"};
	static const char *const users[] = {"/var/spool/cron/crontabs", "/etc/crontabs",
	    "/var/spool/cron", "/var/spool/cron/tabs", "/var/cron/tabs"};
	static const char *const scripts[] = {"/etc/cron.hourly", "/etc/cron.daily",
	    "/etc/periodic/15min", "/etc/periodic/hourly", "/etc/periodic/daily"};
	char path[CHECK_PATH];
	struct stat st, known = {0};

	read_crontab(k, check_place(k, "/etc/crontab", path), "", all);
	for (size_t i = 0; i < sizeof(with_users) / sizeof(with_users[0]); i++)
		each_file(k, with_users[i], on_cron_d, all);
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		if (stat(check_place(k, users[i], path), &st) == -1 ||
		    (st.st_dev == known.st_dev && st.st_ino == known.st_ino))
			continue; /* Alpine's first is a link to the second */
		known = st;
		each_file(k, users[i], on_crontab, all);
	}
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
		each_file(k, scripts[i], on_script, all);
}

/* --- systemd ------------------------------------------------------------------------------ */

/* systemd.unit(5): what the administrator wrote comes first. */
static const char *const unit_folders[] = {"/etc/systemd/system", "/run/systemd/system",
    "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"};
enum { UNIT_FOLDERS = sizeof(unit_folders) / sizeof(unit_folders[0]) };

struct unit {
	bool there;
	char user[CHECK_NAME], exec[LINE_SIZE], starts[CHECK_NAME]; /* of a timer: Unit= */
};

static void
take_value(char *line, const char *key, char *dst, size_t size)
{
	size_t n = strlen(key);

	line[strcspn(line, "\r\n")] = '\0';
	if (strncmp(line, key, n) == 0 && line[n] == '=')
		str_copy(dst, size, line + n + 1);
}

static bool
read_unit_file(const char *path, struct unit *u)
{
	char line[LINE_SIZE];
	FILE *f = check_read(path);

	if (f == NULL)
		return false;
	while (fgets(line, sizeof(line), f) != NULL) {
		take_value(line, "User", u->user, sizeof(u->user));
		take_value(line, "ExecStart", u->exec, sizeof(u->exec));
		take_value(line, "Unit", u->starts, sizeof(u->starts));
	}
	fclose(f);
	return true;
}

static void
read_drop_ins(const struct check *k, const char *folder, const char *name, struct unit *u)
{
	char relative[CHECK_PATH], place[CHECK_PATH], path[CHECK_PATH + NAME_MAX + 2];
	struct dirent *e;
	DIR *d;

	snprintf(relative, sizeof(relative), "%s/%s.d", folder, name);
	d = opendir(check_place(k, relative, place));
	while (d != NULL && (e = readdir(d)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", place, e->d_name);
		if (str_ends_i(e->d_name, ".conf"))
			read_unit_file(path, u);
	}
	if (d != NULL)
		closedir(d);
}

static void
read_unit(const struct check *k, const char *name, struct unit *u)
{
	char relative[CHECK_PATH], path[CHECK_PATH];

	*u = (struct unit){0};
	for (size_t i = 0; i < UNIT_FOLDERS && !u->there; i++) {
		snprintf(relative, sizeof(relative), "%s/%s", unit_folders[i], name);
		u->there = read_unit_file(check_place(k, relative, path), u);
	}
	for (size_t i = UNIT_FOLDERS; i-- > 0;)
		read_drop_ins(k, unit_folders[i], name, u);
}

/* `sortie -q5m' and `-bd' stay; `sortie -q' does not. */
static bool
stays(const char *exec)
{
	const char *q = strstr(exec, " -q");

	return strstr(exec, " -bd") != NULL || (q != NULL && isdigit((unsigned char)q[3]));
}

/* A link in some target's .wants: a service, or a timer that starts one. */
static void
on_wanted(const struct check *k, const char *path, const char *name, struct starters *all)
{
	char service[NAME_MAX + 16];
	struct starter *s;
	struct unit u;

	(void)path;
	if (!str_ends_i(name, ".service") && !str_ends_i(name, ".timer"))
		return;
	str_copy(service, sizeof(service), name);
	if (str_ends_i(name, ".timer")) {
		read_unit(k, name, &u);
		snprintf(service, sizeof(service), "%.*s.service", (int)strlen(name) - 6, name);
		if (u.starts[0] != '\0')
			str_copy(service, sizeof(service), u.starts);
	}
	read_unit(k, service, &u);
	if (u.there ? !runs_queue(u.exec) : !str_starts(name, "sortie"))
		return;
	s = add_starter(all, STARTER_SYSTEMD, name, u.user[0] == '\0' ? "root" : u.user);
	if (s == NULL)
		return;
	s->resident = stays(u.exec);
	if (!u.there) {
		snprintf(s->problem, sizeof(s->problem), "it is enabled, but there is no %.200s",
		    service);
		snprintf(s->command, sizeof(s->command),
		    "cp " DATADIR "/%.200s /etc/systemd/system/ && systemctl daemon-reload && "
		    "systemctl start %.200s",
		    service, name);
	} else if (!check_there(k, "/run/systemd/system")) {
		str_copy(s->problem, sizeof(s->problem),
		    "it is enabled, but this machine was not started by systemd");
	}
}

static void
find_systemd(const struct check *k, struct starters *all)
{
	static const char *const targets[] = {
	    "multi-user", "default", "graphical", "basic", "timers"};
	char folder[CHECK_PATH];

	for (size_t i = 0; i < UNIT_FOLDERS - 1; i++) {
		for (size_t t = 0; t < sizeof(targets) / sizeof(targets[0]); t++) {
			snprintf(folder, sizeof(folder), "%s/%s.target.wants", unit_folders[i],
			    targets[t]);
			each_file(k, folder, on_wanted, all);
		}
	}
}

/* --- OpenRC and rc.d ---------------------------------------------------------------------- */

/* /etc/runlevels/LEVEL */
static void
on_runlevel(const struct check *k, const char *path, const char *name, struct starters *all)
{
	char link[CHECK_PATH + NAME_MAX + 16];
	struct starter *s;
	struct stat st;

	(void)name;
	snprintf(link, sizeof(link), "%s/sortie", path);
	if (lstat(link, &st) == -1 || (s = add_starter(all, STARTER_OPENRC, link, "root")) == NULL)
		return;
	s->resident = true;
	if (check_there(k, "/etc/init.d/sortie"))
		return;
	str_copy(
	    s->problem, sizeof(s->problem), "it is enabled, but there is no /etc/init.d/sortie");
	str_copy(s->command, sizeof(s->command),
	    "install -m 755 " DATADIR "/sortie.openrc /etc/init.d/sortie");
}

static bool
is_yes(const char *value)
{
	static const char *const words[] = {"yes", "true", "on", "1"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strncasecmp(value, words[i], strlen(words[i])) == 0 &&
		    value[strlen(words[i])] == '\0')
			return true;
	return false;
}

/* rc.conf(5): FreeBSD's sortie_enable=YES, NetBSD's sortie=YES, OpenBSD's pkg_scripts="... sortie". The last counts. */
static bool
rc_conf_enables(const char *path)
{
	char line[LINE_SIZE], *value;
	bool yes = false;
	FILE *f = check_read(path);

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		value = strchr(line, '=');
		if (value == NULL)
			continue;
		*value++ = '\0';
		value += strspn(value, "\"'");
		value[strcspn(value, "\"'#\r\n")] = '\0';
		if (strcmp(line, "sortie_enable") == 0 || strcmp(line, "sortie") == 0)
			yes = is_yes(value);
		else if (strcmp(line, "pkg_scripts") == 0)
			yes = strstr(value, "sortie") != NULL;
	}
	if (f != NULL)
		fclose(f);
	return yes;
}

static void
find_rc(const struct check *k, struct starters *all)
{
	static const char *const files[] = {"/etc/rc.conf", "/etc/rc.conf.local",
	    "/etc/rc.conf.d/sortie", "/usr/local/etc/rc.conf.d/sortie"};
	char path[CHECK_PATH];
	struct starter *s;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (!rc_conf_enables(check_place(k, files[i], path)) ||
		    (s = add_starter(all, STARTER_RC, path, "root")) == NULL)
			continue;
		s->resident = true;
		if (check_there(k, "/usr/local/etc/rc.d/sortie") ||
		    check_there(k, "/etc/rc.d/sortie"))
			continue;
		str_copy(s->problem, sizeof(s->problem),
		    "it is enabled, but there is no script of that name in rc.d");
	}
}

void
starters_find(const struct check *k, struct starters *all)
{
	all->n = 0;
	find_systemd(k, all);
	each_file(k, "/etc/runlevels", on_runlevel, all);
	find_rc(k, all);
	find_cron(k, all);
}
