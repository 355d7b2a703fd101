/*
 * ctl_import.c: sortiectl import: from another program, its configuration or the mail in its queue.
 *
 * A configuration is read with the caller's rights, and written where it is wanted; a queue is taken over
 * with the spool owner's.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "auth_file.h"
#include "base/alloc.h"
#include "base/str.h"
#include "ctl/import.h"
#include "ctl/import_folder.h"
#include "privilege.h"
#include "spool/durable.h"

#ifndef SYSCONFDIR
#define SYSCONFDIR "/etc/sortie"
#endif
#ifndef SORTIEUSER
#define SORTIEUSER "sortie"
#endif

enum { PATH_BYTES = 1024 };

static const struct import_from *const peers[] = {
    &import_dma, &import_nullmailer, &import_msmtp, &import_msmtpq, &import_ssmtp, &import_citadel};

enum { NPEERS = sizeof(peers) / sizeof(peers[0]) };

struct request {
	const struct import_from *from;
	const char *operand; /* a file or folder; NULL: the usual one */
	bool queue, remove, dry_run, write;
};

static const struct import_from *
find_peer(const char *name)
{
	for (size_t i = 0; i < NPEERS; i++)
		if (strcmp(peers[i]->name, name) == 0)
			return peers[i];
	return NULL;
}

/* --- a configuration ---------------------------------------------------------------------- */

/* Where it goes: the machine's, or the file that -C names and one beside it. */
struct places {
	char conf[PATH_BYTES], auth[PATH_BYTES];
};

static void
find_places(const struct ctl *c, struct places *p)
{
	const char *conf = c->program.options.config, *slash;

	if (conf == NULL) {
		str_copy(p->conf, sizeof(p->conf), SYSCONFDIR "/sortie.conf");
		str_copy(p->auth, sizeof(p->auth), SYSCONFDIR "/auth");
		return;
	}
	slash = strrchr(conf, '/');
	str_copy(p->conf, sizeof(p->conf), conf);
	snprintf(p->auth, sizeof(p->auth), "%.*sauth", slash == NULL ? 0 : (int)(slash + 1 - conf),
	    conf);
}

/* What is made here is right, whatever it was made of: both files as the program reads them. */
static int
check(struct import_out *o, const struct places *p)
{
	const struct auth_want want = {.host = ""};
	struct auth_text text = {.text = NULL};
	struct auth_entry entry;
	struct config conf;
	char why[512] = "too large";
	int rc;

	config_init(&conf);
	rc = config_parse(&conf, p->conf, buf_data(&o->conf), buf_len(&o->conf), why, sizeof(why));
	config_free(&conf);
	if (rc == 0 && !o->auth.overflow) {
		text.text = xcalloc(1, AUTH_FILE_MAX + 1);
		text.n = buf_len(&o->auth);
		memcpy(text.text, buf_data(&o->auth), text.n);
		rc = auth_file_find(p->auth, &text, &want, &entry, why, sizeof(why)) == -1;
		auth_file_free(&text);
	}
	if (rc == 0 && !o->auth.overflow && !o->conf.overflow)
		return EX_OK;
	return ctl_fail(EX_SOFTWARE, "what was made of it is not right: %s", why);
}

static void
print(struct ctl *c, struct import_out *o, const struct places *p)
{
	fprintf(c->out, "# --- %s\n", p->conf);
	fwrite(buf_data(&o->conf), 1, buf_len(&o->conf), c->out);
	if (buf_len(&o->auth) == 0)
		return;
	fprintf(c->out, "\n# --- %s (mode 600, the spool owner's)\n", p->auth);
	fwrite(buf_data(&o->auth), 1, buf_len(&o->auth), c->out);
}

static int
write_all(int fd, const struct buf *text, mode_t mode, const struct passwd *owner)
{
	if (durable_write(fd, buf_data(text), buf_len(text)) == -1 || fchmod(fd, mode) == -1)
		return -1;
	if (owner != NULL && fchown(fd, owner->pw_uid, owner->pw_gid) == -1)
		return -1;
	return durable_sync(fd);
}

/* Never over one that is there. owner NULL: the caller. */
static int
write_file(const char *path, const struct buf *text, mode_t mode, const struct passwd *owner)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd == -1)
		return ctl_fail(EX_CANTCREAT, "%s: %s", path, strerror(errno));
	if (write_all(fd, text, mode, owner) == -1) {
		ctl_fail(0, "%s: %s", path, strerror(errno));
		close(fd);
		unlink(path);
		return EX_IOERR;
	}
	close(fd);
	return EX_OK;
}

static bool
is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 || errno != ENOENT;
}

/* As make install leaves it: a file of comments, in which nobody has written anything yet. */
static bool
says_nothing(const char *path)
{
	char text[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	ssize_t n = fd == -1 ? -1 : read(fd, text, sizeof(text));
	bool comment = false;

	if (fd != -1)
		close(fd);
	for (ssize_t i = 0; i < n; i++) {
		if (text[i] == '\n')
			comment = false;
		else if (text[i] == '#')
			comment = true;
		else if (!comment && strchr(" \t\r", text[i]) == NULL)
			return false;
	}
	return n >= 0 && n < (ssize_t)sizeof(text);
}

/*
 * sortie.conf is its writer's: local delivery wants one that only root can change. The credentials are
 * the spool owner's, who reads them.
 */
static int
write_both(struct ctl *c, struct import_out *o, const struct places *p)
{
	const struct passwd *owner = privilege_caller() == 0 ? getpwnam(SORTIEUSER) : NULL;
	bool secrets = buf_len(&o->auth) > 0, written = is_there(p->conf) && !says_nothing(p->conf);
	int rc = EX_OK;

	if (written || (secrets && is_there(p->auth)))
		return ctl_fail(EX_CANTCREAT,
		    "%s is there already, and nothing is written over it; without --write all of "
		    "it "
		    "is printed",
		    written ? p->conf : p->auth);
	if (secrets && owner == NULL && privilege_caller() == 0 &&
	    c->program.options.config == NULL)
		return ctl_fail(
		    EX_NOUSER, "there is no user %s yet for whom %s is", SORTIEUSER, p->auth);
	if (secrets)
		rc = write_file(p->auth, &o->auth, 0600, owner);
	if (rc == EX_OK)
		(void)unlink(p->conf); /* that says nothing, or is not there */
	if (rc == EX_OK && (rc = write_file(p->conf, &o->conf, 0644, NULL)) != EX_OK && secrets)
		unlink(p->auth);
	if (rc == EX_OK)
		fprintf(c->out, "wrote %s%s%s; its comments say what is different now\n", p->conf,
		    secrets ? " and " : "", secrets ? p->auth : "");
	return rc;
}

static int
import_config(struct ctl *c, const struct request *r)
{
	const char *path = r->operand != NULL ? r->operand : r->from->config;
	struct places places;
	struct import_out o;
	char why[512];
	int rc;

	import_out_init(&o, r->from->name);
	find_places(c, &places);
	out_note(&o, "made of %s by sortiectl import %s", path, r->from->name);
	rc = r->from->read(&o, path, why, sizeof(why));
	if (rc != EX_OK) {
		ctl_fail(rc, "%s", why);
	} else {
		if (c->program.options.config != NULL && buf_len(&o.auth) > 0)
			out_line(&o, "auth %s", places.auth);
		rc = check(&o, &places);
	}
	if (rc == EX_OK && r->write)
		rc = write_both(c, &o, &places);
	else if (rc == EX_OK)
		print(c, &o, &places);
	import_out_free(&o);
	return rc;
}

/* --- a queue ------------------------------------------------------------------------------ */

/* A whole path: it is opened from another working directory. */
static const char *
queue_folder(const struct request *r, char *dst, size_t size)
{
	const struct passwd *pw;
	char here[PATH_BYTES];

	if (r->operand != NULL && r->operand[0] != '/' && getcwd(here, sizeof(here)) != NULL) {
		snprintf(dst, size, "%s/%s", here, r->operand);
		return dst;
	}
	if (r->operand != NULL || !str_starts(r->from->queue, "~/"))
		return r->operand != NULL ? r->operand : r->from->queue;
	pw = getpwuid(privilege_caller());
	snprintf(dst, size, "%s/%s", pw != NULL ? pw->pw_dir : "", r->from->queue + 2);
	return dst;
}

/* The folder is opened while root is root yet. */
static int
import_waiting(struct ctl *c, const struct request *r)
{
	const struct import_order order = {
	    .from = r->from, .remove = r->remove, .dry_run = r->dry_run};
	char dst[2 * PATH_BYTES];
	const char *path;
	struct folder f;
	int rc;

	if (r->operand == NULL && r->from->queue == NULL)
		return ctl_usage(c, "which folder has what was exported?");
	path = queue_folder(r, dst, sizeof(dst));
	if (folder_open(&f, path, r->from->below) == -1)
		return ctl_fail(EX_NOINPUT, "%s: %s", path, strerror(errno));
	rc = ctl_take_rights(c);
	if (rc == EX_OK)
		rc = ctl_open_spool(c);
	if (rc == EX_OK)
		rc = import_queue(c, &order, &f);
	folder_close(&f);
	return rc;
}

/* --- the command -------------------------------------------------------------------------- */

static int
check_request(struct ctl *c, struct request *r)
{
	const struct import_from *from = r->from;

	if (r->queue && !from->has_queue)
		return ctl_usage(c, "%s keeps no queue%s", from->name,
		    from == &import_msmtp ? "; its scripts' is msmtpq" : "");
	if (!r->queue && from->read == NULL && (r->write || r->operand == NULL))
		return ctl_usage(c, "%s: only a queue can be taken over, with --queue", from->name);
	if (!r->queue && from->read == NULL)
		return ctl_usage(c, "%s: is that a queue? then with --queue", from->name);
	if (!r->queue && (r->remove || r->dry_run))
		return ctl_usage(c, "%s is for --queue", r->remove ? "--remove" : "-n");
	if (r->queue && r->write)
		return ctl_usage(
		    c, "--write is for a configuration, --queue for mail; one of them");
	return EX_OK;
}

int
ctl_import(struct ctl *c, int argc, char **argv)
{
	struct request r = {.from = NULL};
	const struct ctl_option options[] = {{"--queue", &r.queue, NULL},
	    {"--remove", &r.remove, NULL}, {"--write", &r.write, NULL}, {"-n", &r.dry_run, NULL},
	    {"--dry-run", &r.dry_run, NULL}, {NULL, NULL, NULL}};
	int rc;

	if (ctl_options(c, options, &argc, argv) != EX_OK)
		return EX_USAGE;
	if (argc < 2 || argc > 3)
		return ctl_usage(
		    c, "from which program? dma, nullmailer, msmtp, msmtpq, ssmtp, citadel");
	if ((r.from = find_peer(argv[1])) == NULL)
		return ctl_usage(c, "that program is not known");
	r.operand = argc == 3 ? argv[2] : NULL;
	if ((rc = check_request(c, &r)) != EX_OK)
		return rc;
	return r.queue ? import_waiting(c, &r) : import_config(c, &r);
}
