// A sequence of calls on a database, and losses of power at any change to its files, during
// recovery too: what is found afterwards is what the last synced call that returned has left, or
// what one that came after it has.
#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "fuzz/input.h"
#include "xtree/database.h"
#include "xtree/testing/crash_model.h"

namespace {

using namespace xtree::testing;
using xtree::test::FuzzInput;
using xtree::test::require;
using Index = xtree::Index<2, std::uint32_t, float>;
using State = std::set<std::uint32_t>;  // an entry's box follows from its value

constexpr int kMostOperations = 48;
constexpr int kMostCrashes = 6;

xtree::Box<2, float> box_of(std::uint32_t value) {
  const auto x = static_cast<float>(value * 7 % 16);
  const auto y = static_cast<float>(value * 5 % 16);
  return {{x, y}, {x + 1, y + 1}};
}

// One life of the database, from its opening to the loss of power.
class Life {
 public:
  explicit Life(const DiskImage& image) : model_(image), files_(image) {
    files_.record(&trace_);
    xtree::Options options;
    options.file_system = &files_;
    options.background_checkpoints = false;
    options.log_file_bytes = 16 << 10;
    // A thread of the database syncs when much is unsynced, and at no other time.
    options.sync_interval_ms = std::numeric_limits<std::uint32_t>::max();
    db_.emplace(xtree::Database::open("db", options).value());
    index_.emplace(db_->index<2, std::uint32_t, float>("index").value());
  }
  ~Life() {
    files_.cut_power();
    index_.reset();
    db_.reset();
  }

  [[nodiscard]] State content() {
    State state;
    index_->for_each(xtree::everything(), [&](const Index::Hit& hit) {
            require(hit.box == box_of(hit.value) && state.insert(hit.value).second);
          })
        .value();
    require(db_->verify().has_value());
    return state;
  }

  // From here on `state` is what the database holds.
  void begin(const State& state) { history_.assign(1, {files_.recorded(), true, state}); }
  void run(std::uint8_t action, FuzzInput& input) {
    State state = history_.back().state;
    const std::uint32_t value = action >> 3;
    bool is_synced = true;
    if (action % 8 == 0) {
      (value % 4 == 0 ? db_->compact() : db_->checkpoint()).value();
    } else if (action % 8 == 1) {
      require(index_->erase(box_of(value), value).value() == (state.erase(value) == 1));
    } else if (action % 8 == 2) {
      is_synced = run_batch(input, state);
    } else if (state.insert(value).second) {
      index_->insert(box_of(value), value).value();
    } else {
      is_synced = false;  // nothing was done
    }
    history_.push_back({files_.recorded(), is_synced, std::move(state)});
  }

  // What the disk holds when the power fails behind this change, and what may be found in it.
  DiskImage lose_power(std::size_t events, FuzzInput& input, std::vector<State>& allowed) {
    files_.record(nullptr);  // the database's own threads may be at work
    events %= trace_.events.size() + 1;
    for (std::size_t i = 0; i < events; ++i) model_.apply(trace_.events[i]);
    const std::vector<Unit> units = model_.units();
    std::vector<Fate> fates;
    for (std::size_t i = 0; i < units.size(); ++i) {
      const auto fate = input.take<std::uint8_t>();
      fates.push_back({static_cast<Loss>(fate % 7), (fate & 8) != 0, std::uint32_t{fate} >> 4});
    }
    // The last of these may have been under way.
    allowed.clear();
    for (const Moment& moment : history_) {
      if (moment.is_synced && moment.events <= events) allowed.clear();
      allowed.push_back(moment.state);
      if (moment.events > events) break;
    }
    return model_.build(units, fates);
  }

 private:
  struct Moment {
    std::size_t events = 0;  // changes to the files until then
    bool is_synced = false;  // whether everything until then is durable
    State state;
  };

  // Whether it was synced.
  bool run_batch(FuzzInput& input, State& state) {
    xtree::Batch batch;
    const auto durability = input.take<std::uint8_t>() % 2 == 0 ? xtree::Durability::strict
                                                                : xtree::Durability::eventual;
    for (int i = 0; i < 3; ++i) {
      const std::uint32_t value = input.take<std::uint8_t>() % 64;
      if (state.insert(value).second) {
        batch.insert(*index_, box_of(value), value);
      } else {
        state.erase(value);
        batch.erase(*index_, box_of(value), value);
      }
    }
    db_->apply(batch, durability).value();
    return durability == xtree::Durability::strict;
  }

  Trace trace_;
  CrashModel model_;
  SimulatedFileSystem files_;
  std::optional<xtree::Database> db_;
  std::optional<Index> index_;
  std::vector<Moment> history_;
};

DiskImage renumbered(DiskImage image) {
  auto entries = image.take_entries();
  std::uint32_t number = 0;
  for (auto& entry : entries) entry.number = number++;
  return DiskImage(std::move(entries));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  auto life = std::make_unique<Life>(DiskImage());
  life->begin({});
  int crashes = 0;
  for (int i = 0; i < kMostOperations && !input.empty(); ++i) {
    const auto action = input.take<std::uint8_t>();
    if (action % 8 != 7) {
      life->run(action, input);
      continue;
    }
    if (++crashes > kMostCrashes) break;
    std::vector<State> allowed;
    const auto events = input.take<std::uint16_t>();
    const DiskImage left = renumbered(life->lose_power(events, input, allowed));
    life = std::make_unique<Life>(left);
    const State found = life->content();
    require(std::ranges::count(allowed, found) != 0);
    life->begin(found);
  }
  return 0;
}
