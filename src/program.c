/*
 * program.c: one command: its rights, its configuration, its log.
 */
#include "program.h"

#include <sys/types.h>
#include <sys/stat.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/descriptors.h"
#include "base/log.h"
#include "base/str.h"
#include "privilege.h"

#ifndef SYSCONFDIR
#define SYSCONFDIR "/etc/sortie"
#endif

#ifndef ALIASES
#if defined(__OpenBSD__) || defined(__NetBSD__)
#define ALIASES "/etc/mail/aliases"
#else
#define ALIASES "/etc/aliases"
#endif
#endif

#ifndef PROGRAM
#define PROGRAM "/usr/local/sbin/sortie"
#endif

int
program_complain(int rc, const char *why)
{
	fprintf(stderr, "sortie: %s\n", why);
	return rc;
}

bool
program_may_see_all(const struct program *p)
{
	uid_t uid = privilege_caller();
	struct stat st;

	return uid == 0 || (stat(p->config.spool, &st) == 0 && st.st_uid == uid);
}

const char *
program_beside(const char *name, char path[PATH_MAX])
{
	static const char installed[] = PROGRAM;
	size_t folder = (size_t)(strrchr(installed, '/') + 1 - installed);
	ssize_t n = -1;

	if (!privilege_is_set_id())
		n = readlink("/proc/self/exe", path, PATH_MAX - 1);
	while (n > 0 && path[n - 1] != '/')
		n--;
	if (n > 0) {
		str_copy(path + n, PATH_MAX - (size_t)n, name);
		if (access(path, X_OK) == 0)
			return path;
	}
	snprintf(path, PATH_MAX, "%.*s%s", (int)folder, installed, name);
	return path;
}

/* A log that cannot be opened (a full disk, a folder missing) is nothing to stop the mail for. */
void
program_open_log(const char *where)
{
	int error;

	if (log_open(where, "sortie") == 0)
		return;
	error = errno;
	log_open("syslog", "sortie");
	log_warn("log %s: %s; syslog is used instead", where, strerror(error));
}

int
program_read_config(struct program *p)
{
	const char *path = p->options.config;
	bool missing_ok = path == NULL;
	int rc;

	if (path == NULL)
		path = SYSCONFDIR "/sortie.conf";
	config_init(&p->config);
	rc = config_read(&p->config, path, missing_ok, p->why, sizeof(p->why));
	if (rc != EX_OK)
		return rc;
	/* Files of the machine's: not with somebody's own -C. */
	if (missing_ok && p->config.auth == NULL) {
		p->config.auth = xstrdup(SYSCONFDIR "/auth");
		p->config.auth_missing_ok = true;
	}
	if (missing_ok && p->config.aliases == NULL) {
		p->config.aliases = xstrdup(ALIASES);
		p->config.aliases_missing_ok = true;
	}
	return EX_OK;
}

/* Those of the program's own user or, for what the caller has chosen, his. */
int
program_take_rights(struct program *p)
{
	int rc;

	if (p->options.as_caller)
		rc = privilege_as_caller(p->why, sizeof(p->why));
	else
		rc = privilege_as_program(p->why, sizeof(p->why));
	if (rc == -1)
		return EX_OSERR;
	/* The caller's working directory is none of ours, nor may we have the right to be there. */
	if (p->options.config == NULL && chdir("/") == -1)
		log_warn("cannot change to /: %s", strerror(errno));
	if ((rc = program_read_config(p)) != EX_OK)
		return rc;
	if (p->while_root != NULL)
		p->while_root(p);
	if (privilege_as_owner(
		p->config.spool, p->options.config == NULL, p->why, sizeof(p->why)) == -1)
		return EX_OSERR;
	/* What root had open is not for whoever takes over a run that is not root's any more. */
	if (privilege_caller() == 0 && geteuid() != 0)
		descriptors_close(-1, true);
	program_open_log(p->config.log);
	return EX_OK;
}
