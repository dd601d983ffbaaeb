// xtree: builds, asks and looks after XTree databases from a shell.
#include "command_line.h"

int main(int count, char** arguments) { return xtree::tool::run_command_line(count, arguments); }
