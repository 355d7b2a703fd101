/*
 * tree.h: a directory as a whole: copied, compared, aged, searched. Paths are at most TREE_PATH_MAX
 * long; whatever goes wrong ends the program.
 */
#ifndef T_FAULT_TREE_H
#define T_FAULT_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum { TREE_PATH_MAX = 1024, TREE_PATHS = 16 };

/* dir/name; valid until it has been called TREE_PATHS more times. */
const char *tree_path(const char *dir, const char *name);

/* Directories, files and FIFOs, with modes and times; what is at `to` goes first. */
void tree_copy(const char *from, const char *to);
/*
 * A number for its names, what the files hold and which have a time in the future: the same for the
 * same. Of files that are large (the ballast) only the size counts.
 */
uint64_t tree_hash(const char *path);
/* Sets the times of all files directly in path back. */
void tree_age(const char *path, int64_t seconds);

typedef void tree_fn(void *ctx, const char *name);
/* Every name in it but . and .., in no order; a directory that is not there has none. */
void tree_each(const char *path, tree_fn *fn, void *ctx);

bool tree_has(const char *dir, const char *name);
/* All of a file; false: it is not there. */
bool tree_read(const char *dir, const char *name, struct buf *out);

#endif
