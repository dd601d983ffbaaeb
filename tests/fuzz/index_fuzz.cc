// A sequence of operations on an index in memory, beside a plain list.
#include <algorithm>
#include <vector>

#include "fuzz/input.h"
#include "xtree/index.h"

namespace {

using Index = xtree::Index<2, std::uint32_t, float>;
using Box = xtree::Box<2, float>;

// Few coordinates, so that equal ones and ties are common.
Box take_box(xtree::test::FuzzInput& input) {
  const auto bits = input.take<std::uint32_t>();
  const float x = static_cast<float>(bits & 63), y = static_cast<float>(bits >> 6 & 63);
  const float w = static_cast<float>(bits >> 12 & 15), h = static_cast<float>(bits >> 16 & 15);
  return {{x, y}, {x + w, y + h}};
}

bool meets(const Box& a, const Box& b) {
  return a.min[0] <= b.max[0] && a.max[0] >= b.min[0] && a.min[1] <= b.max[1] &&
         a.max[1] >= b.min[1];
}

struct Model {
  struct Entry {
    Box box;
    std::uint32_t value;
  };
  std::vector<Entry> entries;

  auto find(const Box& box, std::uint32_t value) {
    return std::find_if(entries.begin(), entries.end(), [&](const Entry& entry) {
      return entry.box == box && entry.value == value;
    });
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using xtree::test::require;
  xtree::test::FuzzInput input(data, size);
  Index index;
  Model model;
  while (!input.empty()) {
    const auto action = input.take<std::uint8_t>();
    const Box box = take_box(input);
    const std::uint32_t value = action >> 4 & 3u;
    const auto found = model.find(box, value);
    const bool there = found != model.entries.end();
    switch (action % 8) {
      case 0: {
        require(index.erase(box, value).value() == there);
        if (there) model.entries.erase(found);
        break;
      }
      case 1: {
        const Box to = take_box(input);
        require(index.update(box, to, value).value() == there);
        if (there) found->box = to;
        break;
      }
      case 2: {
        const auto hits = static_cast<std::uint64_t>(
            std::count_if(model.entries.begin(), model.entries.end(),
                          [&](const auto& entry) { return meets(entry.box, box); }));
        require(index.count(xtree::intersects(box)).value() == hits);
        const std::vector many(1 + value * 4, xtree::intersects(box));
        std::uint64_t met = 0;
        index.for_each_of(many, [&](std::size_t, auto& its_hits) {
          its_hits.for_each([&](const auto&) { ++met; });
        }).value();
        require(met == hits * many.size());
        break;
      }
      case 3: {
        // One byte makes many entries, so that nodes split.
        for (std::uint32_t i = 0; i < 40; ++i) {
          const float at = static_cast<float>(i);
          const Box many{{box.min[0] + at, box.min[1]}, {box.max[0] + at, box.max[1]}};
          index.insert(many, value).value();
          model.entries.push_back({many, value});
        }
        break;
      }
      default:
        index.insert(box, value).value();
        model.entries.push_back({box, value});
    }
  }
  require(index.size().value() == model.entries.size());
  require(index.verify().has_value());
  return 0;
}
