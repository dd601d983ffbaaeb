// The promises of XTree, over everybody in the contest.
#pragma once

#include <vector>

#include "tree/aims.h"

namespace bench {

std::vector<Aim> contest_aims();

}  // namespace bench
