/* main.c - the program; everything is in libraries. */
#include <sluice/cli.h>

int main(int argc, char **argv)
{
    return sl_cli_main(argc, (const char *const *)argv);
}
