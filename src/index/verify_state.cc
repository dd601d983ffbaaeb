#include "index/verify_state.h"

#include <unordered_set>

#include "index/catalog.h"
#include "platform/check.h"
#include "xtree/metrics.h"

namespace xtree::index {
namespace {

using persistence::NodeId;
using persistence::ReadContext;

class StateVerifier {
 public:
  StateVerifier(const persistence::VersionStore& store, NodeId catalog, const StateFault& report)
      : store_(store),
        catalog_(catalog),
        report_(report),
        guard_(store.enter()) {}

  std::uint64_t run() {
    if (!guard_) {
      report_({}, Error(ErrorCode::limit_exceeded, "readers", "too many queries are under way"));
      return 0;
    }
    const auto definitions = read_objects();
    if (!definitions) {
      report_({}, definitions.error());
      return 0;
    }
    for (const IndexDefinition& definition : *definitions) {
      const Result<void> verified = verify(definition);
      is_whole_ = is_whole_ && verified;
      if (!verified && !report_(definition.name, verified.error())) return entries_;
    }
    check_nodes();
    return entries_;
  }

 private:
  [[nodiscard]] persistence::ReadView view(ReadContext& context) const noexcept {
    return store_.view(guard_, context);
  }
  void reach(std::uint64_t id) { twice_ = !reached_.insert(id).second || twice_; }

  Result<std::vector<IndexDefinition>> read_objects() {
    ReadContext context;
    XTREE_TRY(Catalog::visit_objects(view(context), catalog_, [&](NodeId id) { reach(id.bits); }));
    return Catalog::read_indexes(view(context), catalog_);
  }

  Result<void> verify(const IndexDefinition& definition) {
    ReadContext context;
    const auto root = Catalog::read_root(view(context), definition.root);
    if (!root) return root.error();
    const auto engine = make_engine<DurableStore>(definition.schema);
    IndexStats stats;
    const auto verified = engine->verify(DurableView(view(context)), *root, definition.owner(),
                                         stats, [&](Ref ref) { reach(ref); });
    XTREE_TRY(context.status());
    entries_ += stats.entries;
    return verified;
  }

  // What a broken tree does not reach is not leaked.
  void check_nodes() {
    const auto damaged = [](const char* text) {
      return Error(ErrorCode::corruption, "database", text);
    };
    if (twice_) {
      report_({}, damaged("a node belongs to two places"));
    } else if (is_whole_) {
      std::uint64_t live = 0;
      store_.for_each_live([&](NodeId id) { live += reached_.contains(id.bits) ? 1 : 0; });
      if (live != reached_.size() || live != store_.counts().live_nodes) {
        report_({}, damaged("a node is leaked: no index refers to it"));
      }
    }
  }

  const persistence::VersionStore& store_;
  const NodeId catalog_;
  const StateFault& report_;
  const persistence::ReadGuard guard_;
  std::unordered_set<std::uint64_t> reached_;
  bool twice_ = false;
  bool is_whole_ = true;
  std::uint64_t entries_ = 0;
};

}  // namespace

std::uint64_t verify_state(const persistence::VersionStore& store, NodeId catalog,
                           const StateFault& report) {
  return StateVerifier(store, catalog, report).run();
}

}  // namespace xtree::index
