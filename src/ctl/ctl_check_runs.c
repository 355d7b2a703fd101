/* ctl_check_runs.c: who runs the queue, whether all of it, and whether mail for mailboxes as well. */
#include <sys/file.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "ctl/ctl_check.h"

/* A shared lock for a moment, as spool/runners.c asks; nothing is made, nothing read. */
static bool
runner_is_there(const struct check *k)
{
	char path[1100];
	bool held;
	int fd;

	snprintf(path, sizeof(path), "%s/run/full", k->c->program.config.spool);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd == -1)
		return false;
	held = flock(fd, LOCK_SH | LOCK_NB) == -1 && errno == EWOULDBLOCK;
	close(fd);
	return held;
}

/* --- what to type ------------------------------------------------------------------------- */

static void
type_cron(struct check *k)
{
	if (check_there(k, "/etc/cron.d"))
		check_type(k, "cp " DATADIR "/sortie.cron %s/etc/cron.d/sortie", k->root);
	else /* crontab(1) with a file takes away what is there */
		check_type(k, "(crontab -l; echo '*/5 * * * * %s -q') | crontab -", k->program);
}

/* As install.sh says it. */
static void
type_starter(struct check *k)
{
#if defined(__FreeBSD__) || defined(__DragonFly__)
	check_type(k, "install -m 755 " DATADIR "/sortie.freebsd /usr/local/etc/rc.d/sortie && "
		      "service sortie enable && service sortie start");
#elif defined(__NetBSD__)
	check_type(k, "install -m 755 " DATADIR "/sortie.netbsd /etc/rc.d/sortie && "
		      "echo sortie=YES >> /etc/rc.conf && service sortie start");
#elif defined(__OpenBSD__)
	check_type(k, "install -m 755 " DATADIR "/sortie.openbsd /etc/rc.d/sortie && "
		      "rcctl enable sortie && rcctl start sortie");
#else
	if (check_there(k, "/run/systemd/system"))
		check_type(k, "cp " DATADIR "/sortie.service /etc/systemd/system/ && "
			      "systemctl enable --now sortie");
	else if (check_there(k, "/sbin/openrc-run"))
		check_type(k, "install -m 755 " DATADIR "/sortie.openrc /etc/init.d/sortie && "
			      "rc-update add sortie && rc-service sortie start");
	else if (starters_cron_is_there(k) || !check_type_package(k, "cron", "cronie", "", ""))
		type_cron(k);
#endif
}

static void
type_start(struct check *k, const struct starter *s)
{
	if (s->kind == STARTER_SYSTEMD)
		check_type(k, "systemctl start %.*s", (int)strcspn(s->what, "."), s->what);
	else if (s->kind == STARTER_OPENRC)
		check_type(k, "rc-service sortie start");
	else
#if defined(__OpenBSD__)
		check_type(k, "rcctl start sortie");
#else
		check_type(k, "service sortie start");
#endif
}

/* So that runs are root's: what is there is replaced, or added to. */
static void
type_root(struct check *k, const struct starter *s)
{
	char service[CHECK_NAME];

	if (s->kind == STARTER_SYSTEMD) {
		snprintf(
		    service, sizeof(service), "%.*s.service", (int)strcspn(s->what, "."), s->what);
		check_type(k,
		    "install -D -m 644 " DATADIR "/sortie-local.conf "
		    "/etc/systemd/system/%s.d/local.conf && systemctl daemon-reload && "
		    "systemctl restart %s",
		    service, service);
	} else {
		type_cron(k);
	}
}

/* --- each of them ------------------------------------------------------------------------- */

static bool
is_root(const char *user)
{
	return strcmp(user, "root") == 0 || strcmp(user, "0") == 0;
}

/* Root and the spool's owner run all of the queue; others their own mail (deliver.c). */
static bool
is_everybodys(const struct check *k, const struct starter *s)
{
	return is_root(s->user) || strcmp(s->user, k->name_of_owner) == 0;
}

/* False: it starts no runs of the whole queue now. */
static bool
say_starter(struct check *k, const struct starter *s, bool at_work)
{
	if (s->problem[0] != '\0') {
		check_type(k, "%s", s->command);
		check_say(k, CHECK_WARN, "%s: %s", s->what, s->problem);
		return false;
	}
	if (!is_everybodys(k, s)) {
		check_say(k, CHECK_WARN, "%s starts runs as %s, of whose own mail they are",
		    s->what, s->user);
		return false;
	}
	if (s->resident && !at_work) {
		type_start(k, s);
		check_say(k, CHECK_WARN, "%s: enabled, but not at work", s->what);
		return false;
	}
	check_say(k, CHECK_OK, "%s starts runs as %s", s->what, s->user);
	return true;
}

/*
 * What is for a mailbox is written by the process that stays root, so a run that root did not start leaves
 * it. Whose one is that is at work is known only if one of these stays.
 */
static void
check_mailboxes(struct check *k, const struct starters *all, bool at_work)
{
	const struct config *c = &k->c->program.config;

	if (c->local != CONFIG_LOCAL_MAILDIR && c->local != CONFIG_LOCAL_MBOX)
		return;
	for (size_t i = 0; i < all->n; i++) {
		if (all->v[i].problem[0] == '\0' && is_root(all->v[i].user))
			return;
		at_work = at_work && !all->v[i].resident;
	}
	if (at_work || all->n == 0)
		return;
	type_root(k, &all->v[0]);
	check_say(k, CHECK_FAIL,
	    "no queue run is root's: mail for mailboxes (local %s) is not delivered",
	    c->local == CONFIG_LOCAL_MBOX ? "mbox" : "maildir");
}

static void
say_nobody(struct check *k)
{
	type_starter(k);
	if (geteuid() != 0)
		check_say(k, CHECK_WARN,
		    "nobody is seen to start queue runs; root sees more, crontabs above all");
	else
		check_say(
		    k, CHECK_FAIL, "nobody starts queue runs: what must be tried again stays here");
}

void
check_runs(struct check *k)
{
	bool at_work = runner_is_there(k), works = at_work;
	struct starters all;

	if (at_work)
		check_say(k, CHECK_OK, "one is at work");
	if (k->own) {
		if (at_work)
			return;
		check_type(k, "%s -C %s -q5m", k->program, k->c->program.config.path);
		check_say(k, CHECK_WARN, "nobody runs the queue now");
		return;
	}
	starters_find(k, &all);
	for (size_t i = 0; i < all.n; i++)
		works = say_starter(k, &all.v[i], at_work) || works;
	if (!works)
		say_nobody(k);
	else
		check_mailboxes(k, &all, at_work);
}
