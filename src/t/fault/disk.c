#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "disk_impl.h"
#include "whole.h"

static int
add_inode(struct disk *d, enum disk_kind kind)
{
	d->inodes = xgrow(d->inodes, d->n, &d->cap, sizeof(*d->inodes));
	d->inodes[d->n] = (struct inode){.kind = kind, .digest = WHOLE_DIGEST};
	return (int)d->n++;
}

struct disk *
disk_new(void)
{
	struct disk *d = xcalloc(1, sizeof(*d));

	add_inode(d, DISK_DIR);
	return d;
}

static void
free_inode(struct inode *i)
{
	while (i->nchanges > 0)
		free(i->changes[--i->nchanges].data);
	while (i->nnames > 0) {
		struct name *n = &i->names[--i->nnames];

		free(n->text);
		free(n->values);
	}
	free(i->changes);
	free(i->names);
	free(i->data);
}

void
disk_free(struct disk **dp)
{
	struct disk *d = *dp;

	if (d == NULL)
		return;
	while (d->n > 0)
		free_inode(&d->inodes[--d->n]);
	free(d->inodes);
	free(d->unsure);
	free(d->renames);
	free(d);
	*dp = NULL;
}

/* --- names --- */

static struct name *
find_name(const struct disk *d, int dir, const char *text)
{
	struct inode *i = &d->inodes[dir];

	for (size_t n = 0; n < i->nnames; n++)
		if (strcmp(i->names[n].text, text) == 0)
			return &i->names[n];
	return NULL;
}

static size_t
index_of(const struct disk *d, int dir, const char *text)
{
	return (size_t)(find_name(d, dir, text) - d->inodes[dir].names);
}

static void
add_value(struct name *n, int inode, unsigned when)
{
	n->values = xgrow(n->values, n->n, &n->cap, sizeof(*n->values));
	n->values[n->n++] = (struct value){inode, when};
}

static void
set_name(struct disk *d, int dir, const char *text, int inode)
{
	struct inode *i = &d->inodes[dir];
	struct name *n = find_name(d, dir, text);

	if (n == NULL) {
		i->names = xgrow(i->names, i->nnames, &i->names_cap, sizeof(*i->names));
		n = &i->names[i->nnames++];
		*n = (struct name){.text = xstrdup(text)};
		add_value(n, DISK_NOTHING, 0);
	}
	add_value(n, inode, d->now);
}

int
disk_lookup(const struct disk *d, int dir, const char *name)
{
	struct name *n = find_name(d, dir, name);

	return n == NULL ? DISK_NOTHING : n->values[n->n - 1].inode;
}

int
disk_create(struct disk *d, int dir, const char *name, enum disk_kind kind)
{
	int inode = add_inode(d, kind);

	d->now++;
	set_name(d, dir, name, inode);
	return inode;
}

void
disk_link(struct disk *d, int olddir, const char *old, int newdir, const char *new)
{
	d->now++;
	set_name(d, newdir, new, disk_lookup(d, olddir, old));
}

void
disk_rename(struct disk *d, int olddir, const char *old, int newdir, const char *new)
{
	disk_link(d, olddir, old, newdir, new);
	set_name(d, olddir, old, DISK_NOTHING);
	d->renames = xgrow(d->renames, d->nrenames, &d->renames_cap, sizeof(*d->renames));
	d->renames[d->nrenames++] = (struct rename){
	    olddir, newdir, index_of(d, olddir, old), index_of(d, newdir, new), d->now};
}

void
disk_unlink(struct disk *d, int dir, const char *name)
{
	d->now++;
	set_name(d, dir, name, DISK_NOTHING);
}

/* --- content --- */

static void
add_change(struct disk *d, int file, struct change c)
{
	struct inode *i = &d->inodes[file];

	c.when = ++d->now;
	i->changes = xgrow(i->changes, i->nchanges, &i->changes_cap, sizeof(*i->changes));
	i->changes[i->nchanges++] = c;
}

void
disk_write(struct disk *d, int file, size_t at, const void *data, size_t n)
{
	struct change c = {.at = at, .n = n, .data = xmalloc(n + 1)};

	memcpy(c.data, data, n);
	add_change(d, file, c);
}

void
disk_truncate(struct disk *d, int file, size_t size)
{
	add_change(d, file, (struct change){.truncate = true, .at = size});
}

static void
resize(char **data, size_t *size, size_t to)
{
	*data = xreallocarray(*data, to + 1, 1);
	if (to > *size)
		memset(*data + *size, 0, to - *size);
	*size = to;
}

/* The bytes from..to of a write; and how far it made the file reach. */
static void
put(char **data, size_t *size, const struct change *c, size_t from, size_t to, size_t reach)
{
	if (c->at + reach > *size)
		resize(data, size, c->at + reach);
	if (to > from) /* else there may be no memory at all */
		memcpy(*data + c->at + from, c->data + from, to - from);
}

static size_t
first_line(const struct change *c)
{
	const char *nl = c->n > 0 ? memchr(c->data, '\n', c->n - 1) : NULL;

	return nl == NULL ? c->n / 3 : (size_t)(nl - c->data) + 1;
}

static void
apply(char **data, size_t *size, const struct change *c, unsigned how)
{
	size_t n = c->n, half = n / 2;

	if (c->truncate) {
		if (how != 0)
			resize(data, size, c->at);
		return;
	}
	switch ((enum wrote)how) {
	case ABSENT:
		break;
	case FIRST_LINE:
		put(data, size, c, 0, first_line(c), first_line(c));
		break;
	case HALF:
		put(data, size, c, 0, half, half);
		break;
	case LATER_HALF:
		put(data, size, c, half, n, n);
		break;
	case HALF_ZEROS:
		put(data, size, c, 0, half, n);
		break;
	case ZEROS:
		put(data, size, c, 0, 0, n);
		break;
	case NO_NEWLINE:
		put(data, size, c, 0, n > 0 ? n - 1 : 0, n > 0 ? n - 1 : 0);
		break;
	case PRESENT:
	case NWROTE:
		put(data, size, c, 0, n, n);
		break;
	}
}

/* The index of a thing in the state, or the number of them: it is certain. */
static size_t
find_unsure(const struct disk *d, bool is_name, int inode, size_t index)
{
	size_t i;

	for (i = 0; i < d->nunsure; i++)
		if (d->unsure[i].inode == inode && d->unsure[i].index == index &&
		    d->unsure[i].is_name == is_name)
			break;
	return i;
}

const struct value *
disk_shows(const struct disk *d, const disk_state *state, int dir, size_t name)
{
	const struct name *n = &d->inodes[dir].names[name];
	size_t i = find_unsure(d, true, dir, name);

	return &n->values[i < d->nunsure ? state[i] : n->n - 1];
}

char *
disk_content(const struct disk *d, const disk_state *state, int file, size_t *size)
{
	const struct inode *i = &d->inodes[file];
	char *data = xmalloc(i->size + 1);

	*size = i->size;
	if (i->size > 0)
		memcpy(data, i->data, i->size);
	for (size_t n = 0; n < i->nchanges; n++) {
		size_t at = find_unsure(d, false, file, n);

		apply(&data, size, &i->changes[n], at < d->nunsure ? state[at] : PRESENT);
	}
	return data;
}

/* --- syncs --- */

static void
sync_names(struct inode *i)
{
	for (size_t n = 0; n < i->nnames; n++) {
		struct name *name = &i->names[n];

		name->values[0] = name->values[name->n - 1];
		name->n = 1;
	}
}

/* What is certain and has nothing doubtful before it becomes the content. */
static void
sync_content(struct inode *i)
{
	size_t kept = 0;

	for (size_t n = 0; n < i->nchanges; n++) {
		struct change *c = &i->changes[n];

		c->certain = !c->doubtful;
		if (kept == 0 && c->certain) {
			apply(&i->data, &i->size, c, PRESENT);
			free(c->data);
		} else {
			i->changes[kept++] = *c;
		}
	}
	i->nchanges = kept;
	i->digest = whole_digest(WHOLE_DIGEST, i->data, i->size);
}

void
disk_sync(struct disk *d, int inode)
{
	struct inode *i = &d->inodes[inode];

	d->now++;
	if (i->kind == DISK_DIR)
		sync_names(i);
	else
		sync_content(i);
}

void
disk_sync_failed(struct disk *d, int inode)
{
	struct inode *i = &d->inodes[inode];

	d->now++;
	for (size_t n = 0; n < i->nchanges; n++)
		i->changes[n].doubtful = !i->changes[n].certain;
}
