// What the figures were measured on, without anything that names the machine or its owner.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace bench {

// Names and values, as in "processor", "AMD EPYC".
std::vector<std::pair<std::string, std::string>> describe_machine();

}  // namespace bench
