/* ctl_check_install.c: what make install and the administrator have made: programs, names, files. */
#include <sys/stat.h>

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/str.h"
#include "ctl/ctl_check.h"
#include "net/tls.h"
#include "privilege.h"

/* --- configuration and user --------------------------------------------------------------- */

/* Who is to own what the machine's mail needs: whose the spool is. */
static void
find_owner(struct check *k)
{
	const struct passwd *pw = NULL;
	const struct group *gr = NULL;

	str_copy(k->owner, sizeof(k->owner), SORTIEUSER ":" SORTIEUSER);
	if (k->configured)
		k->spool_there = stat(k->c->program.config.spool, &k->spool) == 0;
	if (!k->spool_there || (!k->own && k->spool.st_uid == 0))
		return;
	if ((pw = getpwuid(k->spool.st_uid)) != NULL)
		gr = getgrgid(pw->pw_gid);
	if (pw != NULL && gr != NULL)
		snprintf(k->owner, sizeof(k->owner), "%s:%s", pw->pw_name, gr->gr_name);
	else
		snprintf(k->owner, sizeof(k->owner), "%ld:%ld", (long)k->spool.st_uid,
		    (long)k->spool.st_gid);
}

void
check_config(struct check *k)
{
	struct program *p = &k->c->program;
	struct stat st;

	config_free(&p->config);
	k->configured = program_read_config(p) == EX_OK;
	find_owner(k);
	if (!k->configured) {
		check_say(k, CHECK_FAIL, "%s", p->why);
	} else if (stat(p->config.path, &st) == -1) {
		check_say(k, CHECK_OK, "there is no %s: mail goes to the recipients' own servers",
		    p->config.path);
	} else if ((st.st_mode & S_IROTH) == 0 &&
		   (!k->spool_there || st.st_uid != k->spool.st_uid)) {
		check_type(k, "chmod 644 %s", p->config.path);
		check_say(k, CHECK_FAIL, "%s is not to be read by %.*s", p->config.path,
		    (int)strcspn(k->owner, ":"), k->owner);
	} else if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		check_type(k, "chmod go-w %s", p->config.path);
		check_say(k, CHECK_FAIL, "others may write to %s", p->config.path);
	} else {
		check_say(k, CHECK_OK, "%s", p->config.path);
	}
}

void
check_user(struct check *k)
{
	if (k->own)
		check_say(k, CHECK_OK, "%.*s: an installation of its own",
		    (int)strcspn(k->owner, ":"), k->owner);
	else if (getpwnam(SORTIEUSER) != NULL)
		check_say(k, CHECK_OK, "there is the user " SORTIEUSER);
	else if (SORTIEUSER[strspn(SORTIEUSER, "0123456789")] == '\0')
		check_say(k, CHECK_OK, "the number " SORTIEUSER);
	else {
		check_type(k, "useradd -r -U -M -d /nonexistent -s /usr/sbin/nologin " SORTIEUSER);
		check_say(k, CHECK_FAIL, "there is no user " SORTIEUSER);
	}
}

/* --- programs ----------------------------------------------------------------------------- */

static bool
is_others(const struct check *k, const struct stat *st)
{
	return k->spool_there && st->st_uid != k->spool.st_uid;
}

/* chown(2) takes set-id bits away, so chmod(1) comes behind it. */
static void
check_program(struct check *k, const char *path)
{
	bool setuid;
	struct stat st;

	if (stat(path, &st) == -1 || !S_ISREG(st.st_mode) || (st.st_mode & S_IXUSR) == 0) {
		check_type(k, "make install");
		check_say(k, CHECK_FAIL, "%s is not there, or no program", path);
		return;
	}
	setuid = (st.st_mode & S_ISUID) != 0;
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		check_type(k, "chmod go-w %s", path);
		check_say(k, CHECK_FAIL, "others may write to %s", path);
		return;
	}
	check_type(k, "chown %s %s && chmod 6755 %s", k->owner, path, path);
	if (setuid && st.st_uid == 0)
		check_say(k, CHECK_FAIL, "%s is setuid to root, which it must not be", path);
	else if (!setuid && !k->own)
		check_say(k, CHECK_FAIL, "%s is not setuid: users cannot send mail", path);
	else if (setuid && is_others(k, &st))
		check_say(
		    k, CHECK_FAIL, "%s is setuid to another user than the spool's owner", path);
	else {
		k->command[0] = '\0';
		check_say(k, CHECK_OK, "%s is %s%.*s", path, setuid ? "setuid to " : "for ",
		    (int)strcspn(k->owner, ":"), k->owner);
	}
}

void
check_programs(struct check *k)
{
	check_program(k, k->program);
	check_program(k, k->front);
}

/* --- names -------------------------------------------------------------------------------- */

/* Whether it is the front in the end, or the program, which does the same. */
static bool
leads_here(const struct check *k, const char *path)
{
	struct stat st, front, program;

	if (stat(path, &st) == -1)
		return false;
	return (stat(k->front, &front) == 0 && st.st_dev == front.st_dev &&
		   st.st_ino == front.st_ino) ||
	       (stat(k->program, &program) == 0 && st.st_dev == program.st_dev &&
		   st.st_ino == program.st_ino);
}

static const char *const mailer_confs[] = {
    "/usr/local/etc/mail/mailer.conf", "/etc/mail/mailer.conf", "/etc/mailer.conf"};

/* mailer.conf(5): which program mailwrapper(8) calls by that name. */
static bool
wrapped(const char *file, const char *name, char path[1024])
{
	char line[2048], word[256];
	bool found = false;
	FILE *f = fopen(file, "re");

	while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL)
		found = sscanf(line, "%255s %1023s", word, path) == 2 && strcmp(word, name) == 0;
	if (f != NULL)
		fclose(f);
	return found;
}

static void
check_wrapped(struct check *k, const char *path, const char *name)
{
	char target[1024];
	size_t i = 0;

	while (i < 2 && access(mailer_confs[i], F_OK) == -1)
		i++;
	if (wrapped(mailer_confs[i], name, target) && leads_here(k, target)) {
		check_say(k, CHECK_OK, "%s leads to %s by %s", path, target, mailer_confs[i]);
		return;
	}
	check_type(k, "echo '%s %s' >> %s # and away with the line that is there", name, k->front,
	    mailer_confs[i]);
	check_say(k, CHECK_FAIL, "%s is mailwrapper(8), which calls somebody else", path);
}

static void
type_link(struct check *k, const char *path)
{
	static const char alternatives[] = "/etc/alternatives/";
	char target[256];
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	target[n < 0 ? 0 : n] = '\0';
	if (str_starts(target, alternatives))
		check_type(k, "update-alternatives --install %s %s %s 100", path,
		    target + strlen(alternatives), k->front);
	else
		check_type(k, "ln -sf %s %s", k->front, path);
}

static void
check_name(struct check *k, const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	char *whole = realpath(path, NULL);

	if (leads_here(k, path)) {
		check_say(k, CHECK_OK, "%s leads to %s", path, whole == NULL ? "" : whole);
	} else if (whole != NULL && strcmp(strrchr(whole, '/'), "/mailwrapper") == 0) {
		check_wrapped(k, path, name);
	} else {
		type_link(k, path);
		if (whole == NULL)
			check_say(k, CHECK_FAIL, "%s is not there", path);
		else
			check_say(k, CHECK_FAIL, "%s is %s", path, whole);
	}
	free(whole);
}

/* Which one a shell would find; without any, where make install puts it. */
static void
check_name_in_path(struct check *k, const char *name)
{
	static const char *const folders[] = {
	    "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"};
	size_t n = strlen(k->folder);
	char path[1300];

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]) && !k->own; i++) {
		snprintf(path, sizeof(path), "%s/%s", folders[i], name);
		if (access(path, X_OK) == 0) {
			check_name(k, path);
			return;
		}
	}
	if (!k->own && str_ends_i(k->folder, "/sbin"))
		snprintf(path, sizeof(path), "%.*sbin/%s", (int)n - 4, k->folder, name);
	else
		snprintf(path, sizeof(path), "%s/%s", k->folder, name);
	check_name(k, path);
}

/* Programs have /usr/sbin/sendmail compiled in, some look at /usr/lib/sendmail first; the others are typed. */
void
check_names(struct check *k)
{
	if (k->own) {
		check_name_in_path(k, "sendmail");
	} else {
		check_name(k, "/usr/sbin/sendmail");
		if (access("/usr/lib/sendmail", F_OK) == 0)
			check_name(k, "/usr/lib/sendmail");
	}
	check_name_in_path(k, "mailq");
	check_name_in_path(k, "newaliases");
}

/* --- files of the configuration ----------------------------------------------------------- */

static bool
wants_login(const struct config *c)
{
	for (size_t i = 0; i < c->relays.n; i++)
		if (c->relays.v[i].user != NULL)
			return true;
	return false;
}

/* Whose it is and who else may read it: auth_file.h asks the same before it reads. */
void
check_credentials(struct check *k)
{
	const struct config *c = &k->c->program.config;
	struct stat st;

	if (c->auth == NULL || stat(c->auth, &st) == -1) {
		if (c->auth != NULL && (wants_login(c) || !c->auth_missing_ok)) {
			check_type(k, "install -m 600 -o %.*s /dev/null %s",
			    (int)strcspn(k->owner, ":"), k->owner, c->auth);
			check_say(k, CHECK_FAIL, "%s: %s", c->auth, strerror(errno));
		} else {
			check_say(k, CHECK_OK, "no credentials");
		}
		return;
	}
	check_type(k, "chown %s %s && chmod 600 %s", k->owner, c->auth, c->auth);
	if (!S_ISREG(st.st_mode))
		check_say(k, CHECK_FAIL, "%s is not a file", c->auth);
	else if (is_others(k, &st))
		check_say(k, CHECK_FAIL, "%s is not %.*s's, who is to read it", c->auth,
		    (int)strcspn(k->owner, ":"), k->owner);
	else if ((st.st_mode & 077) != 0)
		check_say(k, CHECK_FAIL, "others may read %s", c->auth);
	else {
		k->command[0] = '\0';
		check_say(k, CHECK_OK, "%s", c->auth);
	}
}

static void
type_ca_package(struct check *k)
{
	if (access("/usr/bin/apt-get", X_OK) == 0)
		check_type(k, "apt-get install ca-certificates");
	else if (access("/sbin/apk", X_OK) == 0)
		check_type(k, "apk add ca-certificates");
	else if (access("/usr/bin/dnf", X_OK) == 0)
		check_type(k, "dnf install ca-certificates");
	else if (access("/usr/sbin/pkg", X_OK) == 0)
		check_type(k, "pkg install ca_root_nss");
}

/* The one that is used, by the rule of tls_store.c. */
void
check_ca(struct check *k)
{
	const struct config *c = &k->c->program.config;
	bool wanted = config_wants_ca(c, NULL, NULL);
	const char *place = c->ca;
	struct stat st;

	if (place != NULL && stat(place, &st) == -1) {
		check_say(k, CHECK_FAIL, "ca %s: %s", place, strerror(errno));
		return;
	}
	for (size_t i = 0; c->ca == NULL && (place = tls_ca_place(i)) != NULL; i++)
		if (stat(place, &st) == 0)
			break;
	if (place == NULL) {
		type_ca_package(k);
		check_say(k, wanted ? CHECK_FAIL : CHECK_WARN, "there are no CA certificates: %s",
		    wanted ? "the relay cannot be verified" : "no server can be verified");
	} else if ((st.st_mode & S_IROTH) == 0 && is_others(k, &st)) {
		check_type(k, "chmod a+r %s", place);
		check_say(k, CHECK_FAIL, "%s is not to be read by %.*s", place,
		    (int)strcspn(k->owner, ":"), k->owner);
	} else {
		check_say(k, CHECK_OK, "%s", place);
	}
}
