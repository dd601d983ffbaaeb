#include <geos/geom/Envelope.h>
#include <geos/index/strtree/TemplateSTRtree.h>

#include "tree/engines.h"

namespace bench {
namespace {

using geos::geom::Envelope;

// GEOS says that its interface for C++ may change, but the one for C would put a call through a
// pointer between the tree and every hit.
// Its tree is packed once, when it is first asked, and compiled into the program with its visitor.
template <class Geometry>
class GeosEngine final : public EngineLoops<GeosEngine<Geometry>, Geometry> {
 public:
  using Base = Engine<Geometry>;
  using typename Base::Entry;
  using typename Base::Window;

  void prepare_load(std::span<const Entry> entries) { prepared_ = entries; }
  void load_prepared() {
    tree_ = Tree(kNodeEntries, prepared_.size());
    for (const Entry& entry : prepared_) {
      tree_.insert(envelope(as_box(entry.geometry)), entry.value);
    }
    tree_.build();
  }

  void window_one(const Window& window, Answer& answer) {
    Answer found;  // in registers
    tree_.query(envelope(window), [&](std::uint64_t id) { found.add(id); });
    answer = found;
  }

 private:
  using Tree = geos::index::strtree::TemplateSTRtree<std::uint64_t>;
  static constexpr std::size_t kNodeEntries = 10;  // its default

  static Envelope envelope(const Window& box) {
    return {box.min[0], box.max[0], box.min[1], box.max[1]};
  }

  Tree tree_{kNodeEntries};
  std::span<const Entry> prepared_;
};

}  // namespace

template <class Geometry>
EnginePtr<Geometry> make_geos() {
  return std::make_unique<GeosEngine<Geometry>>();
}
template EnginePtr<xtree::Point<2>> make_geos<xtree::Point<2>>();
template EnginePtr<xtree::Box<2>> make_geos<xtree::Box<2>>();

}  // namespace bench
