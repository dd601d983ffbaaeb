// XTree behind the interface of the benchmarks.
#pragma once

#include <xtree/index.h>

#include <vector>

#include "tree/engine.h"

namespace bench {

template <class Geometry>
class XTreeEngine final : public EngineLoops<XTreeEngine<Geometry>, Geometry> {
 public:
  using Base = Engine<Geometry>;
  using typename Base::Entry;
  using typename Base::Place;
  using typename Base::Window;

  void insert_one(const Entry& entry) { index_.insert(entry.geometry, entry.value).value(); }
  void add_batch(std::span<const Entry> entries) { index_.bulk_load(entries).value(); }
  void prepare_load(std::span<const Entry> entries) { prepared_ = entries; }
  void load_prepared() { index_.bulk_load(prepared_).value(); }
  bool erase_one(const Entry& entry) { return index_.erase(entry.geometry, entry.value).value(); }
  bool update_one(const Entry& entry, const Geometry& to) {
    return index_.update(entry.geometry, to, entry.value).value();
  }

  void window_one(const Window& window, Answer& answer) {
    Answer found;  // in registers
    index_.for_each(xtree::intersects(window), [&](const auto& hit) { found.add(hit.value); })
        .value();
    answer = found;
  }
  void ask_at_once(std::span<const Window> windows, std::span<Answer> answers) {
    std::vector<decltype(xtree::intersects(windows[0]))> predicates;
    predicates.reserve(windows.size());
    for (const Window& window : windows) predicates.push_back(xtree::intersects(window));
    index_.for_each_of(predicates, [&](std::size_t i, auto& hits) {
      Answer found;  // in registers
      hits.for_each([&](const auto& hit) { found.add(hit.value); });
      answers[i] = found;
    }).value();
  }
  void count_one(const Window& window, Answer& answer) {
    answer.hits = index_.count(xtree::intersects(window)).value();
  }
  void nearest_one(const Place& target, std::size_t count, std::uint64_t* ids) {
    index_.for_each(xtree::nearest(target, count), [&](const auto& hit) { *ids++ = hit.value; })
        .value();
  }

  [[nodiscard]] xtree::IndexStats stats() const { return index_.stats().value(); }

 private:
  xtree::Index<Geometry::kDimensions, std::uint64_t, double,
               kIsPoint<Geometry> ? xtree::Shape::points : xtree::Shape::boxes>
      index_;
  std::span<const Entry> prepared_;
};

}  // namespace bench
