/*
 * afterwards.h: the program in the world of a scene (scene.h): its command line, and the runs that
 * follow when something has happened to it, nobody looking, until all is done.
 */
#ifndef T_FAULT_AFTERWARDS_H
#define T_FAULT_AFTERWARDS_H

#include "scene.h"
#include "tree.h"

enum { AFTERWARDS_ARGS = SCENE_ARGS + SCENE_RCPTS + 5 };

void afterwards_make_dir(char dir[TREE_PATH_MAX]); /* new; in memory, if there is such a place */

/* Both end with NULL; they hold for as long as tree_path() says. */
void afterwards_command(const struct scene *s, const char *dir, const char *argv[AFTERWARDS_ARGS]);
void afterwards_sortie(const char *dir, const char *how, const char *argv[AFTERWARDS_ARGS]);

/* One run ("-q", "-qR@"); it must end well. */
void afterwards_run(const char *dir, const char *how);

void afterwards_days_later(
    const char *dir); /* what is left over is old enough to be cleaned away */

/*
 * Runs, with a judgement where judge.h wants one: some while those who put mail off still do, then until
 * the queue is empty, and one as if days had gone by, so that what is left over goes.
 */
void afterwards_finish(const char *dir);

#endif
