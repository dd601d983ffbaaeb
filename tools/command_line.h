// The command line: what the tool understands, and how it explains itself.
#pragma once

namespace xtree::tool {

// Understands the arguments, does what they say, and returns the exit code.
int run_command_line(int count, const char* const* arguments);

}  // namespace xtree::tool
