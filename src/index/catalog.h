// Catalog: the indexes and named values of a database, and what the log's operations do to them.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "index/catalog_format.h"
#include "index/durable_store.h"
#include "index/engine.h"
#include "index/operation.h"
#include "index/root_object.h"
#include "persistence/applier.h"
#include "persistence/version_store.h"
#include "xtree/detail/engine.h"
#include "xtree/options.h"

namespace xtree::index {

// The writer's state of an index, and what readers share of it.
struct DurableTree {
  IndexDefinition definition;
  std::unique_ptr<Engine<DurableStore>> engine;
  std::atomic<bool> is_warm = false;  // somebody has seen to it; orders nothing
  // On a line of its own: the writer changes it all the time, beside readers of what stands above.
  alignas(64) Root root;         // the newest, as the running epoch has it
  bool root_changed = false;
  Trail trail;
  bool root_grown = false;       // the object's image is to be completed at the next cut
};

// The writing half belongs to the committer's leader. It keeps the newest state decoded; each epoch
// that changes it writes it back to versioned objects: one for the list of indexes, one for the
// named values, and one per index for its root. So an epoch shows a consistent state of all.
// The reading half, the static functions, decodes those objects as a view's epoch has them.
class Catalog final : public persistence::Applier {
 public:
  Result<void> attach(persistence::VersionStore& store, persistence::NodeId catalog) override;
  [[nodiscard]] persistence::NodeId catalog() const noexcept override { return catalog_; }
  [[nodiscard]] persistence::NodeFamily node_family() const noexcept override {
    return {.front = &front_of_version,
            .last_change = &last_change_of,
            .compression = &compression_of,
            .child = &child_of_frame};
  }
  Result<void> check(std::span<const std::byte> operations) override;
  Result<void> apply(std::span<const std::byte> operations, bool logged, bool* answers) override;
  Result<void> replay(std::span<const std::byte> operations) override;
  Result<void> finish_epoch() override;
  void cut() noexcept override;
  void checkpointed() noexcept override;

  // Builds the tree of an empty index within the running epoch, and takes it away again in the same
  // epoch, which is then as if nothing had happened.
  Result<void> bulk_load(DurableTree& tree, const detail::EntryBlock& entries,
                         const BulkLoadOptions& options);
  Result<void> unload(DurableTree& tree);

  // The index of this name, or null; the writer's own call. The tree lives for as long as somebody
  // holds it; a dropped one is no longer found.
  [[nodiscard]] std::shared_ptr<DurableTree> find(std::string_view name) const;
  [[nodiscard]] std::shared_ptr<DurableTree> find(std::uint32_t number) const;

  // The store as the writer uses it for one of the indexes.
  [[nodiscard]] DurableStore writer_store(DurableTree& tree) noexcept;

  static Result<std::vector<IndexDefinition>> read_indexes(const persistence::ReadView& view,
                                                           persistence::NodeId catalog);
  static Result<std::optional<std::string>> read_value(const persistence::ReadView& view,
                                                       persistence::NodeId catalog,
                                                       std::string_view name);
  // Calls `visit` with every object that is not a tree node, for those who look for leaks.
  static Result<void> visit_objects(const persistence::ReadView& view, persistence::NodeId catalog,
                                    const std::function<void(persistence::NodeId)>& visit);
  // `not_found` when the index did not exist at the view's epoch.
  static Result<Root> read_root(const persistence::ReadView& view, persistence::NodeId root);
  // The same if it is in memory, newest and sound; false says to ask `read_root`.
  static bool resident_root(const persistence::ReadView& view, persistence::NodeId id,
                            Root& root) noexcept {
    const persistence::FrameHeader* frame = view.resident(id);
    if (frame == nullptr || frame->bytes < kRootBytes) return false;
    root = root_at(*frame, view.epoch());
    return is_sound(root);
  }
  // Its node alone, which is all that a scan wants; 0 says to ask `read_root`. So scans neither
  // read the line that a writer beside them stores the number of entries to, nor ask for the
  // height, which no walk believes.
  static Ref resident_root_node(const persistence::ReadView& view,
                                persistence::NodeId id) noexcept {
    const persistence::FrameHeader* frame = view.resident(id);
    if (frame == nullptr || frame->bytes < kRootBytes) [[unlikely]] return 0;
    return root_content(*frame).root.node;
  }

 private:
  [[nodiscard]] static Compression compression_of(const persistence::FrameHeader& frame) noexcept;
  Result<void> load();
  [[nodiscard]] DurableTree* tree_of(std::uint32_t number) const;
  Result<void> check_one(const Operation& operation) const;
  Result<void> try_one(const Operation& operation, std::size_t alike, bool& answer);
  Result<void> apply_one(const Operation& operation, std::size_t alike, bool& answer);
  void forget_value(std::string_view name, std::string_view value) noexcept;
  Result<void> create_index(const Operation& operation);
  Result<void> drop_index(std::uint32_t number);
  void touch(DurableTree& tree);
  Result<void> change_tree(DurableTree& tree, const Operation& operation, bool& answer);
  Result<void> insert_all(DurableTree& tree, const Operation& first, std::size_t count);
  Result<void> write_root_object(DurableTree& tree);
  Result<void> write_indexes();
  Result<void> write_values();
  Result<void> write_object(persistence::NodeId& id, std::span<const std::byte> content);
  Error cause_of(const Error& error) const;
  Error no_memory() const;

  persistence::VersionStore* store_ = nullptr;
  mutable persistence::ReadContext context_;
  persistence::NodeId catalog_;
  persistence::NodeId values_id_;
  std::uint32_t next_number_ = 1;
  std::map<std::uint32_t, std::shared_ptr<DurableTree>> trees_;
  mutable DurableTree* recent_ = nullptr;  // the one of them that was asked for last
  NamedValues values_;
  std::size_t values_bytes_ = 0;
  // Bytes of values that went away without being logged, and that a replay would still have: since
  // the last cut, and before it as long as its checkpoint is not there. They count as being there.
  std::size_t lost_bytes_ = 0;
  std::size_t lost_bytes_before_cut_ = 0;
  bool logged_ = true;  // the operations that are being applied
  bool indexes_changed_ = false;
  bool values_changed_ = false;
  std::vector<DurableTree*> touched_;
};

}  // namespace xtree::index
