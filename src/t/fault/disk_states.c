/*
 * disk_states.c: which states are tried, and how one becomes a tree.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "disk_impl.h"
#include "whole.h"

enum { PATH = 1024 };

/* --- what is not certain --- */

static void
add_unsure(struct disk *d, struct unsure u)
{
	d->unsure = xgrow(d->unsure, d->nunsure, &d->unsure_cap, sizeof(*d->unsure));
	d->unsure[d->nunsure++] = u;
}

static void
mark_named(const struct inode *dir, bool *named)
{
	for (size_t n = 0; n < dir->nnames; n++)
		for (size_t v = 0; v < dir->names[n].n; v++)
			if (dir->names[n].values[v].inode != DISK_NOTHING)
				named[dir->names[n].values[v].inode] = true;
}

/* A file that no name may show any more does not matter. */
static void
find_all_unsure(struct disk *d)
{
	bool *named = xcalloc(d->n, sizeof(*named));

	d->nunsure = 0;
	for (size_t i = 0; i < d->n; i++)
		mark_named(&d->inodes[i], named);
	for (size_t i = 0; i < d->n; i++) {
		const struct inode *inode = &d->inodes[i];

		for (size_t n = 0; n < inode->nnames; n++)
			if (inode->names[n].n > 1)
				add_unsure(d,
				    (struct unsure){(int)i, n, true, (unsigned)inode->names[n].n});
		for (size_t n = 0; n < inode->nchanges && named[i]; n++)
			if (!inode->changes[n].certain)
				add_unsure(d, (struct unsure){(int)i, n, false,
						  inode->changes[n].truncate ? 2 : NWROTE});
	}
	free(named);
}

/* --- which states --- */

struct walk {
	struct disk *d;
	disk_state *state;
	size_t said, most;
	uint64_t random;
	disk_state_fn *fn;
	void *ctx;
};

/* No rename shows neither of its names. */
static bool
is_legal(const struct disk *d, const disk_state *state)
{
	for (size_t i = 0; i < d->nrenames; i++) {
		const struct rename *r = &d->renames[i];

		if (disk_shows(d, state, r->olddir, r->old)->when >= r->when &&
		    disk_shows(d, state, r->newdir, r->new)->when < r->when)
			return false;
	}
	return true;
}

static void
say(struct walk *w)
{
	w->said++;
	if (is_legal(w->d, w->state))
		w->fn(w->ctx, w->state);
}

static void
set_all(struct walk *w, bool newest)
{
	for (size_t i = 0; i < w->d->nunsure; i++)
		w->state[i] = (disk_state)(newest ? w->d->unsure[i].n - 1 : 0);
}

/* splitmix64 */
static unsigned
random_below(struct walk *w, unsigned n)
{
	uint64_t z = (w->random += 0x9e3779b97f4a7c15U);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return (unsigned)((z ^ (z >> 31)) % n);
}

static void
every_state(struct walk *w)
{
	size_t i;

	set_all(w, false);
	do {
		say(w);
		for (i = 0; i < w->d->nunsure; i++) {
			if (++w->state[i] < w->d->unsure[i].n)
				break;
			w->state[i] = 0;
		}
	} while (i < w->d->nunsure);
}

/* Each thing in each of its alternatives, the others as old or as new as may be. */
static void
one_alone(struct walk *w, bool newest)
{
	set_all(w, newest);
	say(w);
	for (size_t i = 0; i < w->d->nunsure; i++) {
		unsigned n = w->d->unsure[i].n, usual = newest ? n - 1 : 0;

		for (unsigned a = 0; a < n; a++) {
			w->state[i] = (disk_state)a;
			if (a != usual)
				say(w);
		}
		w->state[i] = (disk_state)usual;
	}
}

/* What it was after `when`: the newest alternative not younger than that. */
static unsigned
as_of(const struct disk *d, const struct unsure *u, unsigned when)
{
	const struct inode *i = &d->inodes[u->inode];
	unsigned a = 0;

	if (!u->is_name)
		return i->changes[u->index].when <= when ? u->n - 1 : 0;
	while (a + 1 < u->n && i->names[u->index].values[a + 1].when <= when)
		a++;
	return a;
}

/* What was done up to then, and nothing later; and the other way round. */
static void
in_order(struct walk *w, unsigned when)
{
	const struct disk *d = w->d;

	for (size_t i = 0; i < d->nunsure; i++)
		w->state[i] = (disk_state)as_of(d, &d->unsure[i], when);
	say(w);
	for (size_t i = 0; i < d->nunsure; i++)
		w->state[i] = (disk_state)(as_of(d, &d->unsure[i], when) == d->unsure[i].n - 1
					       ? 0
					       : d->unsure[i].n - 1);
	say(w);
}

static unsigned
oldest_change(const struct disk *d)
{
	unsigned oldest = d->now;

	for (size_t i = 0; i < d->nunsure; i++) {
		const struct unsure *u = &d->unsure[i];
		const struct inode *inode = &d->inodes[u->inode];
		unsigned when = u->is_name ? inode->names[u->index].values[1].when
					   : inode->changes[u->index].when;

		if (when < oldest)
			oldest = when;
	}
	return oldest;
}

static void
some_states(struct walk *w)
{
	one_alone(w, true);
	one_alone(w, false);
	for (unsigned when = oldest_change(w->d); when < w->d->now; when++)
		in_order(w, when);
	while (w->said < w->most) {
		for (size_t i = 0; i < w->d->nunsure; i++)
			w->state[i] = (disk_state)random_below(w, w->d->unsure[i].n);
		say(w);
	}
}

void
disk_each_state(struct disk *d, size_t most, uint64_t seed, disk_state_fn *fn, void *ctx)
{
	struct walk w = {.d = d, .most = most, .random = seed, .fn = fn, .ctx = ctx};
	size_t all = 1;

	find_all_unsure(d);
	for (size_t i = 0; i < d->nunsure && all <= most; i++)
		all *= d->unsure[i].n;
	w.state = xcalloc(d->nunsure + 1, sizeof(*w.state));
	if (all <= most)
		every_state(&w);
	else
		some_states(&w);
	free(w.state);
}

/* --- the tree --- */

static bool
is_certain(const struct disk *d, int file)
{
	return d->inodes[file].nchanges == 0;
}

static uint64_t
digest_file(const struct disk *d, const disk_state *state, int file)
{
	uint64_t digest;
	size_t size;
	char *data;

	if (is_certain(d, file))
		return d->inodes[file].digest;
	data = disk_content(d, state, file, &size);
	digest = whole_digest(WHOLE_DIGEST, data, size);
	free(data);
	return digest;
}

static uint64_t
digest_dir(const struct disk *d, const disk_state *state, int dir, uint64_t digest)
{
	const struct inode *i = &d->inodes[dir];

	for (size_t n = 0; n < i->nnames; n++) {
		int shown = disk_shows(d, state, dir, n)->inode;
		const char *text = i->names[n].text;
		uint64_t below = 0;

		if (shown == DISK_NOTHING)
			continue;
		digest = whole_digest(digest, text, strlen(text) + 1);
		if (d->inodes[shown].kind == DISK_DIR)
			digest = digest_dir(d, state, shown, digest);
		else
			below = digest_file(d, state, shown);
		digest = whole_digest(digest, &below, sizeof(below));
	}
	return digest;
}

uint64_t
disk_digest(const struct disk *d, const disk_state *state)
{
	return digest_dir(d, state, DISK_ROOT, WHOLE_DIGEST);
}

static void
must(bool holds, const char *what)
{
	if (!holds)
		die(EX_IOERR, "%s: %s", what, strerror(errno));
}

static void
make_file(const struct disk *d, const disk_state *state, int file, const char *path)
{
	size_t size;
	char *data = disk_content(d, state, file, &size);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

	must(fd >= 0 && write(fd, data, size) == (ssize_t)size, path);
	close(fd);
	free(data);
}

/* made: where an inode has its first name. */
static void
make_below(const struct disk *d, const disk_state *state, int dir, const char *folder, char **made)
{
	for (size_t n = 0; n < d->inodes[dir].nnames; n++) {
		int shown = disk_shows(d, state, dir, n)->inode;
		char path[PATH];

		if (shown == DISK_NOTHING)
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, d->inodes[dir].names[n].text);
		if (d->inodes[shown].kind == DISK_DIR) {
			must(mkdir(path, 0700) == 0, path);
			make_below(d, state, shown, path, made);
		} else if (made[shown] != NULL) {
			must(link(made[shown], path) == 0, path);
		} else {
			if (d->inodes[shown].kind == DISK_FIFO)
				must(mkfifo(path, 0600) == 0, path);
			else
				make_file(d, state, shown, path);
			made[shown] = xstrdup(path);
		}
	}
}

void
disk_make(const struct disk *d, const disk_state *state, const char *folder)
{
	char **made = xcalloc(d->n, sizeof(*made));

	make_below(d, state, DISK_ROOT, folder, made);
	for (size_t i = 0; i < d->n; i++)
		free(made[i]);
	free(made);
}

/* --- in words --- */

static void
describe_name(const struct disk *d, const struct unsure *u, unsigned how, FILE *out)
{
	const struct name *n = &d->inodes[u->inode].names[u->index];
	int shown = n->values[how].inode;

	if (shown == n->values[u->n - 1].inode)
		return;
	fprintf(out, "\tthe name %s shows ", n->text);
	if (shown == DISK_NOTHING)
		fprintf(out, "nothing yet\n");
	else
		fprintf(out, "file %d still\n", shown);
}

static void
describe_change(const struct disk *d, const struct unsure *u, unsigned how, FILE *out)
{
	static const char *const words[] = {"is missing", "has only its first line",
	    "has only its first half", "has only its second half", "has zeros for its second half",
	    "is zeros", "lacks its last byte"};
	const struct change *c = &d->inodes[u->inode].changes[u->index];

	if (how == u->n - 1)
		return;
	fprintf(out, "\tfile %d: the %s", u->inode, c->truncate ? "truncation" : "write");
	fprintf(out, " at %zu %s\n", c->at, words[how]);
}

void
disk_describe(const struct disk *d, const disk_state *state, FILE *out)
{
	for (size_t i = 0; i < d->nunsure; i++)
		if (d->unsure[i].is_name)
			describe_name(d, &d->unsure[i], state[i], out);
		else
			describe_change(d, &d->unsure[i], state[i], out);
}
