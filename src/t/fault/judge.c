#include "judge.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "receiver.h"
#include "spool/envelope.h"
#include "tree.h"

enum { EXPIRES_S = 5 * 24 * 3600, WINDOW_SHOWN = 200 };

/* A message that must come to its recipients, or be reported about. */
struct item {
	const char *id, *sender;
	const char *const *rcpts;
	bool expires;
};

static const struct scene *scene;
static char spool[TREE_PATH_MAX], before[TREE_PATH_MAX], where[WINDOW_SHOWN];
static char submitted[ENVELOPE_ID_MAX + 1]; /* its id, when there is one */
static bool told_no_then, warning_cut;
static bool found[JUDGE_KINDS];

void
judge_begin(const struct scene *s, const char *dir, const char *what)
{
	scene = s;
	snprintf(spool, sizeof(spool), "%s/spool", dir);
	snprintf(before, sizeof(before), "%s/before", dir);
	str_copy(where, sizeof(where), what);
	submitted[0] = '\0';
	told_no_then = warning_cut = false;
	memset(found, 0, sizeof(found));
}

void
judge_note(enum judge_kind kind, const char *fmt, ...)
{
	static const char *const words[] = {"LOST", "DUPLICATED", "LEAKED", "BROKEN"};
	va_list ap;

	found[kind] = true;
	fprintf(stderr, "%s: %s: %s: ", scene->name, where, words[kind]);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
}

bool
judge_found(enum judge_kind kind)
{
	return found[kind];
}

/* --- the spool --- */

static bool
read_in(const char *folder, const char *name, struct buf *out)
{
	return tree_read(tree_path(spool, folder), name, out);
}

/* false: it is not there, or means nothing. */
static bool
load(const char *id, struct envelope *e)
{
	char why[200];
	struct buf text;
	bool ok;

	envelope_init(e);
	if (!read_in("ctl", id, &text))
		return false;
	ok = envelope_parse(e, buf_data(&text), buf_len(&text), why, sizeof(why)) == ENVELOPE_OK;
	buf_free(&text);
	if (!ok)
		envelope_free(e);
	return ok;
}

static const struct scene_message *
known(const char *id)
{
	size_t i;

	for (i = 0; i < SCENE_MESSAGES && scene->messages[i].id != NULL; i++)
		if (strcmp(scene->messages[i].id, id) == 0)
			return &scene->messages[i];
	return NULL;
}

static bool
is_report(const char *id)
{
	return strchr(id, '.') != NULL;
}

/* A message that was not there before is the one submitted; there can be one. */
static void
see_submitted(const char *id)
{
	if (known(id) != NULL || is_report(id) || strcmp(submitted, id) == 0)
		return;
	if (scene->rcpts[0] == NULL || submitted[0] != '\0')
		judge_note(JUDGE_DUPLICATED, "there is a message %s besides", id);
	str_copy(submitted, sizeof(submitted), id);
}

static bool
is_refused(const char *rcpt)
{
	return str_starts(rcpt, "no");
}

static void
check_recipient(const char *id, const struct recipient *r)
{
	const struct scene_message *m = known(id);
	bool late = m != NULL && m->age_s > EXPIRES_S; /* no other attempt is due to it */

	if (r->status == RCPT_DELIVERED && receiver_find(id, r->address) == NULL)
		judge_note(JUDGE_LOST, "%s: %s is recorded and has got nothing", id, r->address);
	if (r->status == RCPT_FAILED && !is_refused(r->address) && !late)
		judge_note(JUDGE_LOST, "%s: %s was given up: %s", id, r->address, r->reason);
}

static void
check_control(void *ctx, const char *id)
{
	const struct scene_message *m = known(id);
	struct envelope e;
	struct buf body;
	size_t i;

	(void)ctx;
	if (m != NULL && m->damaged)
		return;
	see_submitted(id);
	if (!load(id, &e)) {
		judge_note(JUDGE_LOST, "ctl/%s is not whole", id);
		return;
	}
	for (i = 0; i < e.nrcpts; i++)
		check_recipient(id, &e.rcpts[i]);
	if (!read_in("msg", id, &body)) {
		judge_note(JUDGE_LOST, "ctl/%s is without a body", id);
	} else {
		if (m != NULL && strcmp(buf_str(&body), scene_text(m)) != 0)
			judge_note(JUDGE_LOST, "msg/%s is another text", id);
		buf_free(&body);
	}
	envelope_free(&e);
}

static void
each_in(const char *folder, tree_fn *fn)
{
	tree_each(tree_path(spool, folder), fn, NULL);
}

/* --- when the program has ended --- */

/* Whether a server has it and the spool does not know. */
static bool
is_unrecorded(const struct receipt *r)
{
	struct recipient *rcpt;
	struct envelope e;
	bool yes;

	if (!load(r->id, &e))
		return false;
	rcpt = envelope_find(&e, r->rcpt);
	yes = rcpt != NULL && rcpt->status != RCPT_DELIVERED;
	envelope_free(&e);
	return yes;
}

static void
mark_window(unsigned window)
{
	size_t n, i, k;
	unsigned messages = 0;
	struct receipt *all = receiver_receipts(&n);

	for (i = 0; i < n; i++) {
		see_submitted(all[i].id);
		all[i].unrecorded = is_unrecorded(&all[i]);
		for (k = 0; k < i; k++)
			if (all[k].unrecorded && strcmp(all[k].id, all[i].id) == 0)
				break;
		messages += all[i].unrecorded && k == i;
	}
	if (messages > window)
		judge_note(JUDGE_DUPLICATED, "%u messages are taken and not recorded, %u may be",
		    messages, window);
}

/*
 * A warning of a delay is noted before it is made, so that none comes twice: the one that was being
 * made may be missing.
 */
static bool
cuts_warning(const struct scene_message *m)
{
	char warning[RECEIVER_NAME_MAX];
	struct envelope e;
	bool noted;

	snprintf(warning, sizeof(warning), "%s.w", m->id);
	if (!load(m->id, &e))
		return false;
	noted = e.warned;
	envelope_free(&e);
	return noted && !tree_has(tree_path(spool, "ctl"), warning) &&
	       receiver_find(warning, m->sender) == NULL;
}

void
judge_cut(bool told_ok, bool told_no, unsigned window)
{
	each_in("ctl", check_control);
	mark_window(window);
	if (told_ok && scene->rcpts[0] != NULL && submitted[0] == '\0')
		judge_note(JUDGE_LOST, "exit 0, and nothing is queued");
	if (told_no && submitted[0] != '\0')
		judge_note(JUDGE_DUPLICATED, "the sender is told no, and %s is queued", submitted);
	told_no_then = told_no;
	warning_cut = scene->warns && cuts_warning(&scene->messages[0]);
	if (scene->changes_nothing && tree_hash(spool) != tree_hash(before))
		judge_note(JUDGE_BROKEN, "the spool is not as it was");
}

/* --- items --- */

static struct item
item_before(size_t i)
{
	const struct scene_message *m = &scene->messages[i];

	return (struct item){m->id, m->sender, m->rcpts, m->age_s > EXPIRES_S};
}

static void
put_off(const struct item *it)
{
	struct envelope e;
	struct recipient *r;
	size_t i;

	for (i = 0; i < SCENE_RCPTS && it->rcpts[i] != NULL; i++) {
		if (!str_starts(it->rcpts[i], "later") || it->expires)
			continue;
		if (!load(it->id, &e)) {
			judge_note(JUDGE_LOST, "%s: %s was put off and is forgotten", it->id,
			    it->rcpts[i]);
			continue;
		}
		r = envelope_find(&e, it->rcpts[i]);
		if (r == NULL || r->status != RCPT_DEFERRED)
			judge_note(JUDGE_LOST, "%s: %s is not deferred", it->id, it->rcpts[i]);
		envelope_free(&e);
	}
}

void
judge_put_off(void)
{
	size_t i;

	for (i = 0; i < SCENE_MESSAGES && scene->messages[i].id != NULL; i++) {
		struct item it = item_before(i);

		put_off(&it);
	}
}

/* --- in the end --- */

/* Once, or once more if it was in flight. */
static void
judge_times(const struct receipt *r)
{
	if (r->times > 1U + r->unrecorded)
		judge_note(JUDGE_DUPLICATED, "%s came to %s %u times", r->id, r->rcpt, r->times);
	else if (r->differs && !is_report(r->id)) /* one that is made anew is never the same */
		judge_note(JUDGE_LOST, "%s was another text the second time", r->id);
}

/* What was submitted, between a Received field and the Message-ID that the program adds. */
static bool
is_submission(const char *text)
{
	const char *end = text + strlen(text), *p = strstr(text, scene_header);
	size_t n = strlen(scene_body);

	return str_starts(text,
		   scene->smtp ? "Received: from client.example " : "Received: by out.example ") &&
	       p != NULL && str_starts(p + strlen(scene_header), "Message-ID: <") &&
	       strlen(p) > n && strcmp(end - n, scene_body) == 0;
}

/* ID.rN, and nothing behind it; or a report on such a report, ID.rN.rM. */
static bool
reports_on(const char *report, const char *id, bool twice)
{
	const char *p = report + strlen(id);
	int i;

	if (!str_starts(report, id))
		return false;
	for (i = 0; i < 1 + twice; i++) {
		size_t digits = str_starts(p, ".r") ? strspn(p + 2, "0123456789") : 0;

		if (digits == 0)
			return false;
		p += 2 + digits;
	}
	return *p == '\0';
}

static void
judge_report(const char *id, const char *to, const char *rcpt)
{
	char field[2 * RECEIVER_NAME_MAX];
	bool refused = is_refused(to); /* then the postmaster hears of that */
	unsigned reports = 0;
	size_t n, i;
	struct receipt *all = receiver_receipts(&n);

	snprintf(field, sizeof(field), "\r\nFinal-Recipient: rfc822; %s\r\n", refused ? to : rcpt);
	if (refused)
		to = "postmaster@one.example";
	for (i = 0; i < n; i++) {
		if (!reports_on(all[i].id, id, refused) || strcmp(all[i].rcpt, to) != 0 ||
		    strstr(buf_str(&all[i].text), field) == NULL)
			continue;
		reports++;
		judge_times(&all[i]);
	}
	if (reports == 0)
		judge_note(
		    JUDGE_LOST, "nobody heard that %s could not be delivered to %s", id, rcpt);
	if (reports > 1)
		judge_note(JUDGE_DUPLICATED, "%u reports about %s and %s", reports, id, rcpt);
}

static void
judge_recipient(const struct item *it, const char *rcpt)
{
	const struct scene_message *m = known(it->id);
	struct receipt *r = receiver_find(it->id, rcpt);
	bool fails = is_refused(rcpt) || (it->expires && str_starts(rcpt, "later"));

	if (fails || (r == NULL && it->expires)) {
		if (r != NULL)
			judge_note(JUDGE_BROKEN, "%s came to %s after all", it->id, rcpt);
		judge_report(it->id, it->sender, rcpt);
	} else if (r == NULL) {
		judge_note(JUDGE_LOST, "%s never came to %s", it->id, rcpt);
	} else {
		judge_times(r);
		if (m != NULL ? strcmp(buf_str(&r->text), scene_text(m)) != 0
			      : !is_submission(buf_str(&r->text)))
			judge_note(JUDGE_LOST, "%s came to %s as another text", it->id, rcpt);
	}
}

static void
judge_item(const struct item *it)
{
	char warning[RECEIVER_NAME_MAX];
	struct receipt *r;
	size_t i;

	for (i = 0; i < SCENE_RCPTS && it->rcpts[i] != NULL; i++)
		judge_recipient(it, it->rcpts[i]);
	if (!scene->warns)
		return;
	snprintf(warning, sizeof(warning), "%s.w", it->id);
	if ((r = receiver_find(warning, it->sender)) != NULL)
		judge_times(r);
	else if (!warning_cut)
		judge_note(JUDGE_LOST, "nobody was told that %s waits", it->id);
}

static void
judge_damaged(const char *id)
{
	char name[RECEIVER_NAME_MAX];
	const char *const suffixes[] = {"ctl", "msg"};
	size_t i;

	for (i = 0; i < 2; i++) {
		snprintf(name, sizeof(name), "%s.%s", id, suffixes[i]);
		if (!tree_has(tree_path(spool, "corrupt"), name))
			judge_note(JUDGE_LOST, "corrupt/%s is not there", name);
	}
}

static void
left_behind(void *folder, const char *name)
{
	judge_note(JUDGE_LEAKED, "%s/%s is left behind", (const char *)folder, name);
}

static void
left_in_corrupt(void *ctx, const char *name)
{
	char id[RECEIVER_NAME_MAX];
	const struct scene_message *m;

	(void)ctx;
	snprintf(id, sizeof(id), "%.*s", (int)strcspn(name, "."), name);
	if ((m = known(id)) == NULL || !m->damaged)
		judge_note(JUDGE_LOST, "corrupt/%s", name);
}

static void
left_in_spool(void *ctx, const char *name)
{
	static const char usual[] = " tmp msg ctl corrupt run wake ballast ledger ";
	char word[TREE_PATH_MAX];

	(void)ctx;
	snprintf(word, sizeof(word), " %s ", name);
	if (strstr(usual, word) == NULL)
		judge_note(JUDGE_LEAKED, "%s is left behind", name);
}

static void
left_in_run(void *ctx, const char *name)
{
	(void)ctx;
	if (strcmp(name, "full") != 0 && strcmp(name, "clean") != 0 &&
	    name[strspn(name, "0123456789")] != '\0')
		judge_note(JUDGE_LEAKED, "run/%s is left behind", name);
}

static void
judge_spool(void)
{
	static const char *const folders[] = {"tmp", "msg", "ctl"};
	size_t i;

	for (i = 0; i < 3; i++)
		tree_each(tree_path(spool, folders[i]), left_behind, (void *)(uintptr_t)folders[i]);
	each_in("corrupt", left_in_corrupt);
	each_in("run", left_in_run);
	tree_each(spool, left_in_spool, NULL);
}

/* Every message that a server got must be one of ours. */
static void
judge_strangers(void)
{
	char id[RECEIVER_NAME_MAX];
	size_t n, i;
	struct receipt *all = receiver_receipts(&n);

	for (i = 0; i < n; i++) {
		snprintf(id, sizeof(id), "%.*s", (int)strcspn(all[i].id, "."), all[i].id);
		if (known(id) == NULL && strcmp(id, submitted) != 0)
			judge_note(
			    JUDGE_BROKEN, "%s came to %s, and is nobody's", all[i].id, all[i].rcpt);
	}
}

void
judge_end(void)
{
	size_t i;

	for (i = 0; i < SCENE_MESSAGES && scene->messages[i].id != NULL; i++) {
		struct item it = item_before(i);

		if (scene->messages[i].damaged)
			judge_damaged(it.id);
		else
			judge_item(&it);
	}
	if (submitted[0] != '\0' && !told_no_then) {
		struct item it = {submitted, scene_sender, scene->rcpts, false};

		judge_item(&it);
	}
	judge_strangers();
	judge_spool();
}
