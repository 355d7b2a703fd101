/*
 * main.c: main() only.
 */
#include "confine.h"
#include "sortie.h"

int
main(int argc, char **argv)
{
	sortie_safe_start();
	confine_allow();
	return sortie_run(argc, argv);
}
