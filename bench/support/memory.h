// How much memory something takes, whoever allocates it.
#pragma once

#include <functional>

namespace bench {

// Runs `build` in a child process and returns by how many bytes its resident memory has grown when
// `build` calls the function that it is given; 0 if the child fails. That counts what the tree
// holds of the system's memory, and not what its allocator says that it asked for.
double resident_growth(const std::function<void(const std::function<void()>& built)>& build);

}  // namespace bench
