// ColdStore: an index on disk that has only just been opened, and who takes part.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "support/brute_force.h"
#include "support/data_set.h"
#include "xtree/options.h"

namespace bench {

using ColdEntries = Entries<xtree::Box<2>>;

// Open for reading, in a process of its own. A failure ends the process.
class ColdStore {
 public:
  ColdStore() = default;
  ColdStore(const ColdStore&) = delete;
  ColdStore& operator=(const ColdStore&) = delete;
  virtual ~ColdStore() = default;

  virtual Answer window(const xtree::Box<2>& window) = 0;
  // Of each window its answer, one by one unless the store can do better.
  virtual void ask(std::span<const xtree::Box<2>> windows, std::span<Answer> answers) {
    for (std::size_t i = 0; i < windows.size(); ++i) answers[i] = window(windows[i]);
  }
  // The memory that it says it takes beside its cache.
  virtual std::uint64_t bytes_beside_cache() { return 0; }
};

struct ColdContestant {
  const char* name = "";
  // Fills an empty directory, entry by entry in their order, or, where there is a way, all at once.
  void (*insert)(const std::string& directory, const ColdEntries& entries) = nullptr;
  void (*load)(const std::string& directory, const ColdEntries& entries) = nullptr;
  // `cache_bytes` of nodes or pages may stay in its memory.
  std::unique_ptr<ColdStore> (*open)(const std::string& directory,
                                     std::uint64_t cache_bytes) = nullptr;
};

// Packed in its files in this way.
ColdContestant cold_xtree(xtree::Compression compression);
// Not packed, and asked many windows at once.
ColdContestant cold_xtree_at_once();
ColdContestant cold_sqlite();
ColdContestant cold_libspatialindex();

}  // namespace bench
