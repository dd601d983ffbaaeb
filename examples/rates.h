// How fast both modes do the same work, side by side.
#pragma once

#include <vector>

#include <xtree/database.h>

#include "city.h"

// Loads and asks an index in memory and one in the database with the same cities, prints a table,
// and checks that both modes give the same answers. `loaded` holds the cities already.
void compare_modes(xtree::Database& database, const CityIndex& loaded, double durable_batch_rate,
                   const std::vector<CityIndex::Entry>& cities);
