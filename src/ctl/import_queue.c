/*
 * import_queue.c: taking over a queue, one mail after the other.
 *
 * A mail goes the way of all that are submitted, and is durable before its source is touched. Its id is
 * made of its name, its envelope and its content: whoever takes over the same queue once more finds that
 * it is queued, or, in the spool's file `imported`, that it was (delivered since, perhaps). That file may
 * be lost; then such a mail is sent twice rather than never.
 */
#include <openssl/evp.h>

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/str.h"
#include "base/sys.h"
#include "ctl/import.h"
#include "ctl/import_folder.h"
#include "privilege.h"
#include "submit.h"

enum { DIGEST_DIGITS = 24, PIECE = 64 * 1024, RECORD_MAX = 256 << 20 };

static const char record_name[] = "imported";

struct known { /* an id in the record */
	struct map_node node;
	char id[ENVELOPE_ID_MAX + 1];
};

struct takeover {
	struct ctl *c;
	const struct import_order *order;
	struct folder *f;
	struct map record;
	bool record_changed;
	size_t taken, before, left;
	bool stopped; /* the spool takes nothing more: the rest would fail as well */
	int rc;
};

/* --- a mail ------------------------------------------------------------------------------- */

void
import_add_recipient(struct import_mail *m, const char *address, size_t n)
{
	m->recipients = xgrow(
	    (void *)m->recipients, m->nrecipients, &m->recipients_cap, sizeof(*m->recipients));
	m->recipients[m->nrecipients++] = xstrndup(address, n);
}

static void
mail_init(struct import_mail *m)
{
	*m = (struct import_mail){.fd = -1, .lock = -1, .uid = -1};
}

static void
mail_free(struct import_mail *m)
{
	if (m->fd != -1)
		close(m->fd);
	if (m->lock != -1)
		close(m->lock);
	for (size_t i = 0; i < m->nrecipients; i++)
		free(m->recipients[i]);
	free((void *)m->recipients);
	free(m->sender);
}

/* --- its id ------------------------------------------------------------------------------- */

static void
digest_text(EVP_MD_CTX *md, const char *text)
{
	EVP_DigestUpdate(md, text, strlen(text) + 1);
}

static int
digest_content(EVP_MD_CTX *md, const struct import_mail *m)
{
	char *piece = xmalloc(PIECE);
	off_t at = m->at;
	ssize_t n;

	while ((n = sys.pread(m->fd, piece, PIECE, at)) > 0 || (n == -1 && errno == EINTR)) {
		if (n > 0) {
			EVP_DigestUpdate(md, piece, (size_t)n);
			at += n;
		}
	}
	free(piece);
	return n == 0 ? 0 : -1;
}

static int
digest(const struct takeover *t, const char *name, const struct import_mail *m,
    unsigned char sum[EVP_MAX_MD_SIZE])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	int r;

	if (md == NULL || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1)
		die(EX_SOFTWARE, "SHA-256 is missing");
	digest_text(md, t->order->from->name);
	digest_text(md, name);
	digest_text(md, m->sender != NULL ? m->sender : "-");
	for (size_t i = 0; i < m->nrecipients; i++)
		digest_text(md, m->recipients[i]);
	r = digest_content(md, m);
	if (r == 0 && EVP_DigestFinal_ex(md, sum, NULL) != 1)
		die(EX_SOFTWARE, "SHA-256 is missing");
	EVP_MD_CTX_free(md);
	return r;
}

/* "dma-Q12ab.34cd-0123456789abcdef01234567": as much of the name as fits, for people. */
static int
make_id(const struct takeover *t, const char *name, const struct import_mail *m,
    char id[ENVELOPE_ID_MAX + 1])
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	size_t n, room = ENVELOPE_ID_MAX - DIGEST_DIGITS - 1;

	if (digest(t, name, m, sum) == -1)
		return -1;
	snprintf(id, room + 1, "%s-%s", t->order->from->name, name);
	for (n = 0; id[n] != '\0'; n++)
		if (strchr("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._-",
			id[n]) == NULL)
			id[n] = '_';
	id[n++] = '-';
	for (size_t i = 0; i < DIGEST_DIGITS / 2; i++, n += 2)
		snprintf(id + n, 3, "%02x", sum[i]);
	return 0;
}

/* --- the record --------------------------------------------------------------------------- */

static void
remember(struct takeover *t, const char *id, size_t n)
{
	struct known *k = xcalloc(1, sizeof(*k));

	memcpy(k->id, id, n);
	if (map_get(&t->record, k->id) != NULL) {
		free(k);
		return;
	}
	map_put(&t->record, &k->node, k->id);
	t->record_changed = true;
}

static void
read_record(struct takeover *t)
{
	int fd = spool_state_open(t->c->program.spool, record_name);
	struct buf text;
	ssize_t n = -1;
	char *at;

	if (fd == -1)
		return;
	buf_init(&text, RECORD_MAX);
	while ((at = buf_reserve(&text, PIECE)) != NULL && (n = sys.read(fd, at, PIECE)) > 0)
		buf_commit(&text, (size_t)n);
	sys.close(fd);
	for (const char *p = buf_str(&text); *p != '\0'; p += n + (p[n] == '\n')) {
		n = (ssize_t)strcspn(p, "\n");
		if (n > 0 && n <= ENVELOPE_ID_MAX)
			remember(t, p, (size_t)n);
	}
	buf_free(&text);
	t->record_changed = false;
}

static int
write_ids(const struct takeover *t, int fd)
{
	const struct map_node *node = NULL;
	struct buf text;
	int r;

	buf_init(&text, RECORD_MAX);
	while ((node = map_next(&t->record, node)) != NULL)
		buf_addf(&text, "%s\n", node->key);
	r = durable_write(fd, buf_data(&text), buf_len(&text));
	buf_free(&text);
	return r == -1 ? -1 : durable_sync(fd);
}

static void
write_record(struct takeover *t)
{
	struct spool *sp = t->c->program.spool;
	int fd;

	if (!t->record_changed)
		return;
	fd = spool_state_create(sp, record_name);
	if (fd != -1 && write_ids(t, fd) == 0 && spool_state_replace(sp, record_name, fd) == 0)
		return;
	ctl_fail(0,
	    "what has been taken over cannot be noted in %s/%s: %s; a mail that is delivered "
	    "and still there is taken over once more",
	    spool_path(sp), record_name, strerror(errno));
	if (fd != -1)
		spool_state_forget(sp, record_name);
	t->rc = EX_TEMPFAIL;
}

static void
free_record(struct takeover *t)
{
	struct map_node *node;

	while ((node = map_any(&t->record)) != NULL) {
		map_remove(&t->record, node);
		free(map_item(node, struct known, node));
	}
	map_free(&t->record);
}

/* --- taking over -------------------------------------------------------------------------- */

static void
leave(struct takeover *t, const char *name, int rc, const char *why)
{
	char shown[IMPORT_NAME_MAX + 1];

	str_clean(shown, sizeof(shown), name, strlen(name));
	ctl_fail(rc, "%s: left where it is: %s", shown, why);
	t->left++;
	if (rc == EX_TEMPFAIL || t->rc == EX_OK)
		t->rc = rc;
}

struct reading {
	int fd;
	off_t at;
};

static ssize_t
read_more(void *ctx, char *buf, size_t n)
{
	struct reading *r = ctx;
	ssize_t got;

	do
		got = sys.pread(r->fd, buf, n, r->at);
	while (got == -1 && errno == EINTR);
	if (got > 0)
		r->at += got;
	return got;
}

/* The whole mail into the spool. EX_OK: it is durable. */
static int
put_into_spool(struct takeover *t, struct import_mail *m, const char *id, char *why, size_t whysize)
{
	struct config *config = &t->c->program.config;
	struct reading reading = {m->fd, m->at};
	long long uid = m->uid != -1 ? m->uid : (long long)privilege_caller();
	const struct passwd *pw = getpwuid((uid_t)uid);
	struct submit_options o = {
	    .hostname = config_hostname(config),
	    .domain = config->domain,
	    .config = m->submitted_once ? NULL : config, /* its aliases have been looked at */
	    .login = pw != NULL ? pw->pw_name : NULL,
	    .gecos = pw != NULL ? pw->pw_gecos : NULL,
	    .uid = uid,
	    .sender = m->sender,
	    .from_headers = m->from_headers,
	    .ignore_dots = true,
	    .recipients = m->recipients,
	    .nrecipients = (int)m->nrecipients,
	    .source = t->order->from->name,
	    .read = read_more,
	    .read_ctx = &reading,
	    .id = id,
	    .submitted = m->submitted,
	    .submitted_once = m->submitted_once,
	};
	char queued[ENVELOPE_ID_MAX + 1];

	return submit(t->c->program.spool, &o, queued, why, whysize);
}

static bool
has_body(struct spool *sp, const struct envelope *e)
{
	int fd = spool_open_body(sp, e->msgid, NULL);

	if (fd >= 0)
		sys.close(fd);
	return fd >= 0;
}

/*
 * Queued and in order, or taken over once; -1 and why: that cannot be told, or what is queued is damaged.
 * Who was killed before he had synced it left the source to us, and then it must not go first.
 */
static int
is_known(const struct takeover *t, const char *id, char *why, size_t whysize)
{
	struct spool *sp = t->c->program.spool;
	struct envelope e;
	int known = -1;
	off_t size;

	envelope_init(&e);
	switch (spool_load(sp, id, -1, &e, &size, why, whysize)) {
	case SPOOL_MISSING:
		known = map_get(&t->record, id) != NULL;
		break;
	case SPOOL_CORRUPT:
		snprintf(why, whysize, "it is queued as %s, and that is damaged", id);
		break;
	case SPOOL_LOADED:
		known = has_body(sp, &e) && spool_sync_queued(sp) == 0 ? 1 : -1;
		if (known == -1)
			snprintf(why, whysize, "it is queued as %s: %s", id, strerror(errno));
		break;
	case SPOOL_UNREADABLE:
		snprintf(why, whysize, "%s", strerror(errno));
		break;
	}
	envelope_free(&e);
	return known;
}

/* It is durable here: what it was made of may go, or is noted. */
static void
settle_source(struct takeover *t, const char *name, const struct import_mail *m, const char *id)
{
	if (!t->order->remove) {
		remember(t, id, strlen(id));
		return;
	}
	for (size_t i = 0; i < sizeof(m->files) / sizeof(m->files[0]); i++) {
		if (m->files[i][0] != '\0' && folder_remove(t->f, m->files[i]) == -1) {
			remember(t, id, strlen(id));
			t->rc = ctl_fail(EX_TEMPFAIL,
			    "%s: is taken over, and cannot be removed: %s", name, strerror(errno));
			return;
		}
	}
}

static void
say(const struct takeover *t, const char *name, const struct import_mail *m, const char *id)
{
	FILE *out = t->c->out;

	fprintf(out, "%s: from <%s>, ", name, m->sender != NULL ? m->sender : "");
	if (m->from_headers)
		fputs("to whom its header names", out);
	else if (m->nrecipients == 1)
		fprintf(out, "to <%s>", m->recipients[0]);
	else
		fprintf(out, "to %zu recipients", m->nrecipients);
	fprintf(out, ": %s\n", id);
	if (m->note[0] != '\0')
		fprintf(out, "%s: %s\n", name, m->note);
}

static void
say_clean(const struct takeover *t, const char *name, const struct import_mail *m, const char *id)
{
	struct import_mail shown = *m;
	char sender[256], recipient[256], note[256], clean[IMPORT_NAME_MAX + 1];
	char *one = recipient;

	str_clean(clean, sizeof(clean), name, strlen(name));
	str_clean(note, sizeof(note), m->note, strlen(m->note));
	str_copy(shown.note, sizeof(shown.note), note);
	if (m->sender != NULL) {
		str_clean(sender, sizeof(sender), m->sender, strlen(m->sender));
		shown.sender = sender;
	}
	if (m->nrecipients == 1) {
		str_clean(recipient, sizeof(recipient), m->recipients[0], strlen(m->recipients[0]));
		shown.recipients = &one;
	}
	say(t, clean, &shown, id);
}

static void
take(struct takeover *t, const char *name, struct import_mail *m)
{
	char id[ENVELOPE_ID_MAX + 1], why[512];
	int rc, known = -1;

	if (m->submitted <= 0 || m->submitted > t->c->now)
		m->submitted = t->c->now;
	if (make_id(t, name, m, id) == -1)
		str_copy(why, sizeof(why), strerror(errno));
	else
		known = is_known(t, id, why, sizeof(why));
	if (known == -1) {
		leave(t, name, EX_TEMPFAIL, why);
		return;
	}
	if (known == 1) {
		t->before++;
		if (!t->order->dry_run)
			settle_source(t, name, m, id);
		return;
	}
	rc = t->order->dry_run ? EX_OK : put_into_spool(t, m, id, why, sizeof(why));
	if (rc != EX_OK) {
		t->stopped = rc == EX_TEMPFAIL || rc == EX_IOERR || rc == EX_CANTCREAT;
		leave(t, name, t->stopped ? EX_TEMPFAIL : EX_DATAERR, why);
		return;
	}
	t->taken++;
	say_clean(t, name, m, id);
	if (!t->order->dry_run)
		settle_source(t, name, m, id);
}

static void
consider(struct takeover *t, const char *name)
{
	struct import_mail m;
	int rc;

	mail_init(&m);
	rc = t->order->from->load(t->f, name, &m);
	if (rc == EX_OK)
		take(t, name, &m);
	else if (rc != IMPORT_NONE)
		leave(t, name, rc, m.why);
	mail_free(&m);
}

static void
walk(struct takeover *t)
{
	char name[IMPORT_NAME_MAX + 1];

	while (!t->stopped && folder_next(t->f, name, sizeof(name)))
		if (t->order->from->is_item(name))
			consider(t, name);
	if (t->stopped)
		ctl_fail(0, "the spool takes nothing more; what comes behind it is left, too");
	if (t->order->remove && !t->order->dry_run && folder_sync(t->f) == -1)
		t->rc = ctl_fail(EX_TEMPFAIL,
		    "what was removed may be there again after a power cut: %s", strerror(errno));
	write_record(t);
}

static void
say_count(const struct takeover *t)
{
	struct spool *sp = t->c->program.spool;
	FILE *out = t->c->out;

	fprintf(out, "%s %zu message%s", t->order->dry_run ? "would take over" : "took over",
	    t->taken, t->taken == 1 ? "" : "s");
	if (t->before > 0)
		fprintf(out, "; %zu were taken over before", t->before);
	if (t->left > 0)
		fprintf(out, "; %zu are left", t->left);
	if (t->taken > 0 && !t->order->dry_run && !spool_runner_present(sp, "full"))
		fputs("; no runner is there, sortie -q delivers now", out);
	putc('\n', out);
}

/* Two at once would both find that a mail is new. */
int
import_queue(struct ctl *c, const struct import_order *order, struct folder *f)
{
	struct takeover t = {.c = c, .order = order, .f = f};
	struct spool *sp = c->program.spool;
	int lock = spool_runner_lock(sp, "import");

	if (lock == -1)
		return ctl_fail(EX_TEMPFAIL,
		    errno == EWOULDBLOCK ? "another import is at work" : "cannot lock the spool");
	if (order->from->enter != NULL &&
	    order->from->enter(f, c->program.why, sizeof(c->program.why)) != EX_OK) {
		close(lock);
		return ctl_fail(EX_TEMPFAIL, "%s", c->program.why);
	}
	c->now = clock_wall_s();
	map_init(&t.record);
	read_record(&t);
	walk(&t);
	free_record(&t);
	if (t.taken > 0 && !order->dry_run)
		spool_wake_anew(sp);
	say_count(&t);
	close(lock);
	return t.rc;
}
