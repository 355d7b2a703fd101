/* ctl_check_install.c: what make install and the administrator have made: programs, files. */
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/str.h"
#include "ctl/ctl_check.h"
#include "net/tls.h"

/* --- configuration and user --------------------------------------------------------------- */

/* Who is to own what the machine's mail needs: whose the spool is, or else he whom make install makes. */
static void
find_owner(struct check *k)
{
	const char *spool = k->c->program.config.spool;
	const struct passwd *pw;
	const struct group *gr;
	uint64_t number;

	k->spool_there = spool != NULL && stat(spool, &k->spool) == 0;
	if (k->spool_there && (k->own || k->spool.st_uid != 0))
		pw = getpwuid(k->spool.st_uid);
	else
		pw = getpwnam(k->user);
	k->owner_known = pw != NULL || k->spool_there;
	if (pw != NULL) {
		k->uid = pw->pw_uid;
		k->gid = pw->pw_gid;
		gr = getgrgid(pw->pw_gid);
		str_copy(k->name_of_owner, sizeof(k->name_of_owner), pw->pw_name);
		snprintf(k->owner, sizeof(k->owner), "%s:%s", k->name_of_owner,
		    gr != NULL ? gr->gr_name : k->name_of_owner);
		return;
	}
	str_copy(k->name_of_owner, sizeof(k->name_of_owner), k->user);
	k->uid = k->spool.st_uid;
	k->gid = k->spool.st_gid;
	if (!k->spool_there && str_u64(k->user, UINT32_MAX - 1, &number)) {
		k->owner_known = true;
		k->uid = (uid_t)number;
		k->gid = (gid_t)number;
	} else if (k->spool_there && (k->own || k->uid != 0)) {
		snprintf(k->name_of_owner, sizeof(k->name_of_owner), "%ld", (long)k->uid);
	}
	snprintf(k->owner, sizeof(k->owner), "%s:%s", k->name_of_owner, k->name_of_owner);
}

static void
say_bad_line(void *ctx, int line, const char *why)
{
	struct check *k = ctx;

	check_type_editor(k, k->c->program.config.path, line);
	check_say(k, CHECK_FAIL, "%s", why);
}

/* All of them; what is wrong without being one line's comes when all lines are right. */
static void
say_what_is_wrong(struct check *k)
{
	struct config *c = &k->c->program.config;
	char path[CHECK_PATH], why[512];

	str_copy(path, sizeof(path), c->path);
	str_copy(why, sizeof(why), k->c->program.why);
	config_free(c);
	config_init(c);
	c->on_bad = say_bad_line;
	c->on_bad_ctx = k;
	config_read(c, path, false, k->c->program.why, sizeof(k->c->program.why));
	if (k->worst_of_this == CHECK_FAIL)
		return;
	check_type_editor(k, path, 0);
	check_say(k, CHECK_FAIL, "%s", why);
}

/* Whoever writes to it says where everybody's mail goes. */
static bool
config_is_safe(struct check *k, const char *path)
{
	char folder[CHECK_PATH];
	struct stat st;

	if (stat(path, &st) == 0 && (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		check_type(k, "chmod go-w %s", path);
		check_say(k, CHECK_FAIL, "others may write to %s", path);
		return false;
	}
	if (st.st_uid != 0 && k->owner_known && st.st_uid != k->uid) {
		check_type(k, "chown root %s", path);
		check_say(k, CHECK_FAIL, "%s belongs to another user, who may write to it", path);
		return false;
	}
	str_copy(folder, sizeof(folder), path);
	if (strrchr(folder, '/') == NULL || strrchr(folder, '/') == folder)
		return true;
	*strrchr(folder, '/') = '\0';
	if (stat(folder, &st) == 0 && (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		check_type(k, "chmod go-w %s", folder);
		check_say(
		    k, CHECK_FAIL, "others may write to %s, and replace what is in it", folder);
		return false;
	}
	return true;
}

void
check_config(struct check *k)
{
	struct program *p = &k->c->program;
	const char *path;
	struct stat st;

	config_free(&p->config);
	k->configured = program_read_config(p) == EX_OK;
	find_owner(k);
	path = p->config.path;
	if (!k->configured) {
		say_what_is_wrong(k);
	} else if (stat(path, &st) == -1) {
		check_say(
		    k, CHECK_OK, "there is no %s: mail goes to the recipients' own servers", path);
	} else if (!check_may_read(k, &st)) {
		check_type(k, "chmod 644 %s", path);
		check_say(k, CHECK_FAIL, "%s is not to be read by %s", path, k->name_of_owner);
	} else if (check_way_is_open(k, path) && config_is_safe(k, path)) {
		check_say(k, CHECK_OK, "%s", path);
	}
}

/* As install.sh does it: without a home that he could write to. */
static void
type_user(struct check *k)
{
	const char *home = k->c->program.config.path, *slash = strrchr(home, '/');
	const char *shell =
	    check_there(k, "/usr/sbin/nologin") ? "/usr/sbin/nologin" : "/sbin/nologin";
	int n = slash == NULL ? 1 : (int)(slash - home);
	const char *u = k->user;

	if (slash == NULL)
		home = "/";
#if defined(__FreeBSD__) || defined(__DragonFly__)
	check_type(k, "pw useradd %s -w no -d %.*s -s %s", u, n, home, shell);
#elif defined(__OpenBSD__) || defined(__NetBSD__)
	check_type(k, "groupadd %s && useradd -g %s -d %.*s -s %s %s", u, u, n, home, shell, u);
#else
	if (check_there(k, "/usr/sbin/useradd"))
		check_type(k, "useradd -r -U -M -d %.*s -s %s %s", n, home, shell, u);
	else
		check_type(k, "addgroup -S %s && adduser -S -D -H -h %.*s -s %s -G %s %s", u, n,
		    home, shell, u, u);
#endif
}

void
check_user(struct check *k)
{
	if (k->own) {
		check_say(k, CHECK_OK, "%s: an installation of its own", k->name_of_owner);
	} else if (getpwnam(k->user) != NULL) {
		check_say(k, CHECK_OK, "there is the user %s", k->user);
	} else if (k->user[strspn(k->user, "0123456789")] == '\0') {
		check_say(k, CHECK_OK, "the number %s", k->user);
	} else {
		type_user(k);
		check_say(k, CHECK_FAIL, "there is no user %s", k->user);
	}
}

/* --- programs ----------------------------------------------------------------------------- */

/*
 * Whether somebody who runs as the file's owner could not replace what it holds: chattr(1) on Linux, chflags(1)
 * on the BSDs. *has_flags: the file system has such a thing.
 */
static bool
is_immutable(const char *path, bool *has_flags)
{
	*has_flags = false;
#if defined(__linux__) && defined(_IOR)
	/* linux/fs.h, which not every C library's folder has: FS_IOC_GETFLAGS, FS_IMMUTABLE_FL */
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), flags = 0;

	*has_flags = fd >= 0 && ioctl(fd, _IOR('f', 1, long), &flags) == 0;
	if (fd >= 0)
		close(fd);
	return *has_flags && (flags & 0x10) != 0;
#elif defined(SF_IMMUTABLE) && defined(UF_IMMUTABLE)
	struct stat st;

	*has_flags = stat(path, &st) == 0;
	return *has_flags && (st.st_flags & (SF_IMMUTABLE | UF_IMMUTABLE)) != 0;
#else
	(void)path;
	return false;
#endif
}

/* A package's files must stay replaceable: who packages has decided that. */
static bool
is_packaged(const struct check *k)
{
	char package[CHECK_NAME];

	return check_package_of(k, k->program, package);
}

/*
 * Whoever takes over a process of that user could make it another program, and root starts it, at the least
 * when he sends a mail. make install sets the flag where it can.
 */
static void
hint_at_immutable(struct check *k)
{
	bool has_flags[2];

	if ((is_immutable(k->program, &has_flags[0]) && is_immutable(k->front, &has_flags[1])) ||
	    !has_flags[0] || is_packaged(k))
		return;
#if defined(__linux__)
	check_type(k, "chattr +i %s %s", k->program, k->front);
#else
	check_type(k, "chflags schg %s %s", k->program, k->front);
#endif
	check_say(k, CHECK_HINT,
	    "the programs belong to %s, and whatever works with his rights could replace them; "
	    "root starts them, too",
	    k->name_of_owner);
}

static bool
is_others(const struct check *k, const struct stat *st)
{
	return k->spool_there && st->st_uid != k->spool.st_uid;
}

/* The kernel then starts it as whoever calls, and users cannot write to the spool. */
static bool
is_setuid_in_vain(const char *path)
{
#ifdef ST_NOSUID
	struct statvfs v;

	return statvfs(path, &v) == 0 && (v.f_flag & ST_NOSUID) != 0;
#else
	(void)path;
	return false;
#endif
}

/* chown(2) takes set-id bits away, so chmod(1) comes behind it. */
static void
check_setuid(struct check *k, const char *path, const struct stat *st)
{
	bool setuid = (st->st_mode & S_ISUID) != 0;

	check_type(k, "chown %s %s && chmod 6755 %s", k->owner, path, path);
	if (setuid && st->st_uid == 0)
		check_say(k, CHECK_FAIL, "%s is setuid to root, which it must not be", path);
	else if (!setuid && !k->own)
		check_say(k, CHECK_FAIL, "%s is not setuid: users cannot send mail", path);
	else if (setuid && is_others(k, st))
		check_say(
		    k, CHECK_FAIL, "%s is setuid to another user than the spool's owner", path);
	else if (setuid && is_setuid_in_vain(path)) {
		check_type(
		    k, "mount -o remount,suid \"$(df -P %s | awk 'END { print $6 }')\"", path);
		check_say(k, CHECK_FAIL,
		    "%s is setuid, but on a file system mounted with nosuid: users cannot send "
		    "mail",
		    path);
	} else {
		k->command[0] = '\0';
		check_say(k, CHECK_OK, "%s is %s%s", path, setuid ? "setuid to " : "for ",
		    k->name_of_owner);
	}
}

static void
check_program(struct check *k, const char *path)
{
	struct stat st;

	if (stat(path, &st) == -1 || !S_ISREG(st.st_mode) || (st.st_mode & S_IXUSR) == 0) {
		check_type(k, "make install");
		check_say(k, CHECK_FAIL, "%s is not there, or no program", path);
	} else if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		check_type(k, "chmod go-w %s", path);
		check_say(k, CHECK_FAIL, "others may write to %s", path);
	} else {
		check_setuid(k, path, &st);
	}
}

/* This one, which root runs with root's rights. */
static void
check_operators(struct check *k)
{
	char path[CHECK_PATH];
	struct stat st;

	snprintf(path, sizeof(path), "%s/sortiectl", k->folder);
	if (k->own || stat(path, &st) == -1)
		return;
	if (st.st_uid == 0 && (st.st_mode & (S_ISUID | S_IWGRP | S_IWOTH)) == 0)
		return;
	check_type(k, "chown root %s && chmod 755 %s", path, path);
	check_say(k, CHECK_FAIL, "%s must be root's alone to write to, and not setuid", path);
}

void
check_programs(struct check *k)
{
	check_program(k, k->program);
	check_program(k, k->front);
	check_operators(k);
	if (!k->own && k->worst_of_this == CHECK_OK)
		hint_at_immutable(k);
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
			check_type(
			    k, "install -m 600 -o %s /dev/null %s", k->name_of_owner, c->auth);
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
		check_say(
		    k, CHECK_FAIL, "%s is not %s's, who is to read it", c->auth, k->name_of_owner);
	else if ((st.st_mode & 077) != 0)
		check_say(k, CHECK_FAIL, "others may read %s", c->auth);
	else if (check_way_is_open(k, c->auth)) {
		k->command[0] = '\0';
		check_say(k, CHECK_OK, "%s", c->auth);
	}
}

static bool
is_hashed(const char *name)
{
	size_t n = strspn(name, "0123456789abcdef");

	return n == 8 && name[n] == '.' && name[n + 1] >= '0' && name[n + 1] <= '9';
}

/* A file of them, or a folder as `openssl rehash` makes it. */
static bool
holds_certificates(const char *path)
{
	char line[256];
	struct dirent *e;
	bool found = false;
	DIR *d = opendir(path);
	FILE *f = d == NULL ? check_read(path) : NULL;

	while (d != NULL && !found && (e = readdir(d)) != NULL)
		found = is_hashed(e->d_name);
	while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL)
		found = str_starts(line, "-----BEGIN");
	if (d != NULL)
		closedir(d);
	if (f != NULL)
		fclose(f);
	return found;
}

/* Where the system's are, by the rule of tls_store.c; false: nowhere. */
static bool
find_certificates(const struct check *k, char place[CHECK_PATH])
{
	const char *usual;

	for (size_t i = 0; (usual = tls_ca_place(i)) != NULL; i++)
		if (holds_certificates(check_place(k, usual, place)))
			return true;
	return false;
}

void
check_ca(struct check *k)
{
	const struct config *c = &k->c->program.config;
	bool wanted = config_wants_ca(c, NULL, NULL);
	char place[CHECK_PATH];
	struct stat st;

	if (c->ca != NULL)
		str_copy(place, sizeof(place), c->ca);
	if (c->ca != NULL && (stat(place, &st) == -1 || !holds_certificates(place))) {
		check_type_editor(k, c->path, 0);
		check_say(k, CHECK_FAIL,
		    "ca %s: no certificates there; without that line the system's are used", place);
	} else if (c->ca == NULL && !find_certificates(k, place)) {
		check_type_package(
		    k, "ca-certificates", "ca-certificates", "ca-certificates", "ca_root_nss");
		check_say(k, wanted ? CHECK_FAIL : CHECK_WARN, "there are no CA certificates: %s",
		    wanted ? "the relay cannot be verified" : "no server can be verified");
	} else if (stat(place, &st) == 0 && !check_may_read(k, &st)) {
		check_type(k, "chmod a+r %s", place);
		check_say(k, CHECK_FAIL, "%s is not to be read by %s", place, k->name_of_owner);
	} else if (check_way_is_open(k, place)) {
		check_say(k, CHECK_OK, "%s", place);
	}
}
