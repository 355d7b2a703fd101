/*
 * main.c: main() only.
 */
#include "sortie.h"

int
main(int argc, char **argv)
{
	sortie_safe_start();
	return sortie_run(argc, argv);
}
