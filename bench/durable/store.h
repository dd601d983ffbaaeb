// Store: what every contestant of the durable benchmark does, and who they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "durable/require.h"

namespace bench {

// What a write that has returned survives.
enum class Promise : std::uint8_t { power_loss, end_of_process, nothing };

struct Item {
  std::uint64_t id = 0;
  double min[2] = {};
  double max[2] = {};
};

// The same small box for the same number, anywhere in the unit square.
[[nodiscard]] inline Item item_of(std::uint64_t id) {
  const auto mix = [](std::uint64_t x) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
    return x ^ (x >> 31);
  };
  const std::uint64_t bits = mix((id + 1) * 0x9E3779B97F4A7C15);
  const double x = static_cast<double>(bits >> 32) * 0x1p-32;
  const double y = static_cast<double>(bits & 0xFFFFFFFF) * 0x1p-32;
  return {id, {x, y}, {x + 1e-5, y + 1e-5}};
}

// An open store in a directory of its own. A failure ends the program. The destructor closes it.
class Store {
 public:
  Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  virtual ~Store() = default;

  // From any thread; the item is kept, as the store was opened to keep it, when it returns.
  virtual void insert(const Item& item) = 0;
  // All or nothing.
  virtual void insert_all(std::span<const Item> items) = 0;
  // Hands an item over; `wait` returns once it is kept, and all that were handed over before.
  virtual std::uint64_t submit(const Item&) { stop_with("no asynchronous writes"); }
  virtual void wait(std::uint64_t) { stop_with("no asynchronous writes"); }
  // How many items there are, by looking.
  virtual std::uint64_t count() = 0;
  // Bytes that were appended to the log since the store was opened; 0 when it does not say.
  virtual std::uint64_t log_bytes() { return 0; }
};

struct Contestant {
  const char* name = "";
  bool is_asynchronous = false;
  bool can_forget = false;  // keeps nothing when nothing is asked for
  std::unique_ptr<Store> (*open)(const std::string& directory, Promise promise) = nullptr;
};

// The physical limit: nothing but a log of records of 200 bytes, committed in groups.
std::unique_ptr<Store> open_bare_log(const std::string& directory, Promise promise);
std::unique_ptr<Store> open_xtree(const std::string& directory, Promise promise);
// As that, without checkpoints of its own: `checkpoint_xtree` takes them.
std::unique_ptr<Store> open_xtree_without_checkpoints(const std::string& directory,
                                                      Promise promise);
// Returns the bytes of nodes that the checkpoint wrote.
std::uint64_t checkpoint_xtree(Store& store);
// An index in memory, which promises nothing.
std::unique_ptr<Store> open_xtree_in_memory(const std::string& directory, Promise promise);
std::unique_ptr<Store> open_rocksdb(const std::string& directory, Promise promise);
std::unique_ptr<Store> open_lmdb(const std::string& directory, Promise promise);
std::unique_ptr<Store> open_sqlite(const std::string& directory, Promise promise);

[[nodiscard]] inline std::vector<Contestant> contestants() {
  return {{"bare log", true, false, open_bare_log},
          {"xtree", true, true, open_xtree},
          {"RocksDB", false, true, open_rocksdb},
          {"LMDB", false, false, open_lmdb},
          {"SQLite R*Tree", false, false, open_sqlite}};
}

}  // namespace bench
