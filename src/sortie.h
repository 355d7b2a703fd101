/*
 * sortie.h: the program, callable from tests: persona and mode -> what to run.
 */
#ifndef SORTIE_H
#define SORTIE_H

/*
 * Runs one command line to its end and returns its exit code (sysexits(3)). Reads standard input
 * when it submits. May be called again and again in one process.
 */
int sortie_run(int argc, char **argv);

/* What must be right before anything is read: who called us, limits, descriptors, signals, umask,
 * environment. main() only. */
void sortie_safe_start(void);

#endif
