#include "index/catalog.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "index/catalog_format.h"
#include "platform/check.h"
#include "platform/without_throwing.h"

namespace xtree::index {
namespace {

using persistence::FrameHeader;
using persistence::NodeId;
using persistence::ReadView;

std::size_t round_up(std::size_t bytes) noexcept {
  return (bytes + persistence::kFrameAlignment - 1) / persistence::kFrameAlignment *
         persistence::kFrameAlignment;
}

Error damaged(const char* text) { return Error(ErrorCode::corruption, "catalog", text); }

Error absent(const char* text) { return Error(ErrorCode::not_found, "index", text); }

Result<CatalogContent> read_catalog(const ReadView& view, NodeId catalog) {
  const FrameHeader* frame = view.version(catalog);
  if (frame == nullptr) return view.error_or(damaged("the list of indexes is not there"));
  return decode_catalog(content_of(*frame));
}

Result<void> read_values(const ReadView& view, NodeId values,
                         const std::function<bool(std::string_view, std::string_view)>& visit) {
  const FrameHeader* frame = view.version(values);
  if (frame == nullptr) return view.error_or(damaged("the named values are not there"));
  return visit_values(content_of(*frame), visit);
}

// Bytes of an operation's payload behind its name, or -1 when any number will do.
std::ptrdiff_t payload_bytes(OperationKind kind, const detail::Schema& schema) noexcept {
  const auto geometry = static_cast<std::ptrdiff_t>(schema.rows() * schema.scalar_bytes());
  switch (kind) {
    case OperationKind::insert:
    case OperationKind::erase:
      return geometry + schema.value_bytes;
    case OperationKind::update:
      return 2 * geometry + schema.value_bytes;
    default:
      return 0;
  }
}

// The log packs its bytes, but mostly into whole words.
bool is_aligned(const std::byte* bytes) noexcept {
  return reinterpret_cast<std::uintptr_t>(bytes) % alignof(double) == 0;
}

// Coordinates where they can be read as such.
const std::byte* aligned(const std::byte* bytes, std::size_t count, std::byte* room) noexcept {
  if (is_aligned(bytes)) return bytes;
  std::memcpy(room, bytes, count);
  return room;
}

// Takes the insertions behind one that can be made together with it, so many that the first ones
// are still in the cache when they are made.
std::size_t inserts_alike(OperationReader& reader, const Operation& first) noexcept {
  constexpr std::size_t kMost = 256;
  if (first.kind != OperationKind::insert || !is_aligned(first.payload.data())) return 0;
  const std::size_t stride = sizeof(OperationHeader) + first.payload.size();
  return stride % alignof(double) == 0 ? reader.take_alike(first, kMost) : 0;
}

}  // namespace

// Why a change failed: the node that could not be read rather than the tree's word for it.
Error Catalog::cause_of(const Error& error) const {
  return context_.error_or(store_->edit_failure().error_or(error));
}

Error Catalog::no_memory() const {
  return cause_of(
      Error(ErrorCode::out_of_memory, "catalog", "no memory for an object of the database"));
}

DurableStore Catalog::writer_store(DurableTree& tree) noexcept {
  return DurableStore(*store_, store_->newest(context_), tree.definition.owner(), tree.trail);
}

// Roots and the like are small, and read at every open.
Compression Catalog::compression_of(const persistence::FrameHeader& frame) noexcept {
  const auto& node = reinterpret_cast<const Node&>(frame);
  if (node.owner.tag.kind != ObjectKind::node) return Compression::none;
  return compression_in(node.owner.schema);
}

Result<void> Catalog::attach(persistence::VersionStore& store, NodeId catalog) {
  store_ = &store;
  catalog_ = catalog;
  if (catalog_) return load();
  indexes_changed_ = true;
  return finish_epoch();
}

Result<void> Catalog::load() {
  const ReadView view = store_->newest(context_);
  auto catalog = read_catalog(view, catalog_);
  if (!catalog) return catalog.error();
  next_number_ = catalog->next_number;
  values_id_ = catalog->values;
  for (IndexDefinition& definition : catalog->indexes) {
    auto root = read_root(view, definition.root);
    if (!root && root.error().code() == ErrorCode::not_found) return damaged("a root is missing");
    if (!root) return root.error();
    auto tree = std::make_shared<DurableTree>();
    tree->engine = make_engine<DurableStore>(definition.schema);
    tree->root = *root;
    tree->definition = std::move(definition);
    trees_.emplace(tree->definition.number, tree);
  }
  if (!values_id_) return {};
  return read_values(view, values_id_, [&](std::string_view name, std::string_view value) {
    values_.emplace(name, value);
    values_bytes_ += value_record_bytes(name, value);
    return true;
  });
}

std::shared_ptr<DurableTree> Catalog::find(std::string_view name) const {
  for (const auto& [number, tree] : trees_) {
    if (tree->definition.name == name) return tree;
  }
  return nullptr;
}

// Without sharing it, which would cost every operation two writes to memory that readers use.
DurableTree* Catalog::tree_of(std::uint32_t number) const {
  if (recent_ != nullptr && recent_->definition.number == number) return recent_;
  const auto found = trees_.find(number);
  if (found == trees_.end()) return nullptr;
  recent_ = found->second.get();
  return recent_;
}

std::shared_ptr<DurableTree> Catalog::find(std::uint32_t number) const {
  const auto found = trees_.find(number);
  return found == trees_.end() ? nullptr : found->second;
}

Result<void> Catalog::check(std::span<const std::byte> operations) {
  OperationReader reader(operations);
  Operation operation;
  std::size_t new_value_bytes = 0;
  for (;;) {
    auto more = reader.next(operation);
    if (!more) return more.error();
    if (!*more) break;
    XTREE_TRY(check_one(operation));
    if (operation.kind == OperationKind::insert) {
      reader.take_alike(operation, operations.size());  // what is true of it is true of them
    } else if (operation.kind == OperationKind::put) {
      new_value_bytes += sizeof(ValueRecord) + operation.name.size() + operation.payload.size();
    }
  }
  const std::size_t lost_bytes = lost_bytes_ + lost_bytes_before_cut_;
  if (values_bytes_ + lost_bytes + new_value_bytes > kMaxValuesBytes) {
    return Error(ErrorCode::limit_exceeded, "value",
                 "all named values together exceed 256 KiB, those included that were removed "
                 "without a log since the last checkpoint");
  }
  return {};
}

Result<void> Catalog::check_one(const Operation& operation) const {
  switch (operation.kind) {
    case OperationKind::put:
    case OperationKind::remove:
      return {};
    case OperationKind::create_index: {
      if (operation.payload.size() != sizeof(std::uint64_t)) return damaged("a schema has 8 bytes");
      if (find(operation.name)) {
        return Error(ErrorCode::already_exists, "index", "an index has this name");
      }
      if (trees_.size() >= kMaxIndexes) {
        return Error(ErrorCode::limit_exceeded, "index", "a database has at most 4096 indexes");
      }
      return {};
    }
    default: {
      const DurableTree* tree = tree_of(operation.index);
      if (tree == nullptr) return absent("it was dropped");
      const auto expected = payload_bytes(operation.kind, tree->definition.schema);
      if (static_cast<std::ptrdiff_t>(operation.payload.size()) != expected) {
        return damaged("an operation's size is not what its index's schema says");
      }
      return {};
    }
  }
}

Result<void> Catalog::apply(std::span<const std::byte> operations, bool logged, bool* answers) {
  logged_ = logged;
  OperationReader reader(operations);
  Operation operation;
  for (std::size_t i = 0;;) {
    auto more = reader.next(operation);
    if (!more) return more.error();
    if (!*more) return {};
    bool answer = true;
    const std::size_t alike = inserts_alike(reader, operation);
    if (const auto done = try_one(operation, alike, answer); !done) return cause_of(done.error());
    if (answers != nullptr) std::fill_n(answers + i, alike + 1, answer);
    i += alike + 1;
  }
}

Result<void> Catalog::replay(std::span<const std::byte> operations) {
  logged_ = true;
  OperationReader reader(operations);
  Operation operation;
  for (;;) {
    auto more = reader.next(operation);
    if (!more) return more.error();
    if (!*more) return {};
    XTREE_TRY(check_one(operation));
    bool answer = true;
    const std::size_t alike = inserts_alike(reader, operation);
    if (const auto done = try_one(operation, alike, answer); !done) return cause_of(done.error());
  }
}

// One operation that finds no memory has changed nothing, wherever it was. When `alike` more
// insertions stand behind it, those before the one that found none are done.
Result<void> Catalog::try_one(const Operation& operation, std::size_t alike, bool& answer) {
  return platform::without_throwing("index", [&] { return apply_one(operation, alike, answer); });
}

Result<void> Catalog::apply_one(const Operation& operation, std::size_t alike, bool& answer) {
  switch (operation.kind) {
    case OperationKind::put: {
      std::string value(reinterpret_cast<const char*>(operation.payload.data()),
                        operation.payload.size());
      const auto [at, is_new] = values_.try_emplace(std::string(operation.name));
      if (!is_new) forget_value(operation.name, at->second);
      at->second = std::move(value);
      values_bytes_ += value_record_bytes(operation.name, at->second);
      values_changed_ = true;
      return {};
    }
    case OperationKind::remove: {
      const auto found = values_.find(operation.name);
      answer = found != values_.end();
      if (answer) {
        forget_value(found->first, found->second);
        values_.erase(found);
        values_changed_ = true;
      }
      return {};
    }
    case OperationKind::create_index:
      return create_index(operation);
    case OperationKind::drop_index:
      return drop_index(operation.index);
    default: {
      DurableTree* tree = tree_of(operation.index);
      if (tree == nullptr) return absent("it was dropped");
      return alike == 0 ? change_tree(*tree, operation, answer)
                        : insert_all(*tree, operation, alike + 1);
    }
  }
}

void Catalog::forget_value(std::string_view name, std::string_view value) noexcept {
  const std::size_t bytes = value_record_bytes(name, value);
  values_bytes_ -= bytes;
  if (!logged_) lost_bytes_ += bytes;
}

void Catalog::cut() noexcept {
  lost_bytes_before_cut_ += std::exchange(lost_bytes_, 0);
  const ReadView view = store_->newest(context_);
  for (const auto& [number, tree] : trees_) {
    if (!std::exchange(tree->root_grown, false)) continue;
    complete_root_image(const_cast<FrameHeader&>(*view.resident(tree->definition.root)));
  }
}

void Catalog::checkpointed() noexcept { lost_bytes_before_cut_ = 0; }

Result<void> Catalog::create_index(const Operation& operation) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, operation.payload.data(), sizeof(bits));
  auto schema = decode_schema(bits);
  if (!schema) return schema.error();
  auto tree = std::make_shared<DurableTree>();
  tree->definition = {next_number_, std::string(operation.name), *schema, NodeId{}};
  tree->engine = make_engine<DurableStore>(*schema);
  touched_.reserve(touched_.size() + 1);
  touch(*trees_.emplace(next_number_, std::move(tree)).first->second);
  ++next_number_;
  indexes_changed_ = true;
  return {};
}

Result<void> Catalog::drop_index(std::uint32_t number) {
  const auto found = trees_.find(number);
  if (found == trees_.end()) return absent("it was dropped");
  DurableTree& tree = *found->second;
  DurableStore store = writer_store(tree);
  XTREE_TRY(tree.engine->clear(store, tree.root));
  if (tree.definition.root) store_->destroy(tree.definition.root);
  std::erase(touched_, &tree);
  recent_ = nullptr;
  trees_.erase(found);
  indexes_changed_ = true;
  return {};
}

void Catalog::touch(DurableTree& tree) {
  if (tree.root_changed) return;
  touched_.push_back(&tree);
  tree.root_changed = true;
}

Result<void> Catalog::bulk_load(DurableTree& tree, const detail::EntryBlock& entries,
                                const BulkLoadOptions& options) {
  DurableStore store = writer_store(tree);
  touch(tree);
  XTREE_TRY(tree.engine->bulk_load(store, tree.root, entries, options));
  const Result<void> finished =
      platform::without_throwing("index", [this] { return finish_epoch(); });
  if (finished) return {};
  return Error(ErrorCode::poisoned, "index", finished.error().message());  // not as it was
}

Result<void> Catalog::unload(DurableTree& tree) {
  DurableStore store = writer_store(tree);
  XTREE_TRY(tree.engine->clear(store, tree.root));
  touch(tree);
  return finish_epoch();
}

Result<void> Catalog::change_tree(DurableTree& tree, const Operation& operation, bool& answer) {
  touch(tree);
  DurableStore store = writer_store(tree);
  const detail::Schema& schema = tree.definition.schema;
  const std::size_t geometry_bytes = schema.rows() * schema.scalar_bytes();
  alignas(8) std::byte room[2][2 * kMaxDimensions * sizeof(double)];
  const std::byte* payload = operation.payload.data();
  if (operation.kind == OperationKind::clear) return tree.engine->clear(store, tree.root);
  const std::byte* from = aligned(payload, geometry_bytes, room[0]);
  payload += geometry_bytes;
  if (operation.kind == OperationKind::insert) {
    return tree.engine->insert(store, tree.root, from, payload);
  }
  Result<bool> met = false;
  if (operation.kind == OperationKind::update) {
    const std::byte* to = aligned(payload, geometry_bytes, room[1]);
    met = tree.engine->update(store, tree.root, from, to, payload + geometry_bytes);
  } else {
    met = tree.engine->erase(store, tree.root, from, payload);
  }
  if (!met) return met.error();
  answer = *met;
  return {};
}

// The first of so many that lie in the log as a block does in memory.
Result<void> Catalog::insert_all(DurableTree& tree, const Operation& first, std::size_t count) {
  touch(tree);
  DurableStore store = writer_store(tree);
  const detail::Schema& schema = tree.definition.schema;
  return tree.engine->insert_all(
      store, tree.root,
      {.geometry = first.payload.data(),
       .value = first.payload.data() + schema.rows() * schema.scalar_bytes(),
       .stride = sizeof(OperationHeader) + first.payload.size(),
       .count = count},
      {});
}

Result<void> Catalog::finish_epoch() {
  for (DurableTree* tree : touched_) {
    tree->root_changed = false;
    XTREE_TRY(write_root_object(*tree));
  }
  touched_.clear();
  if (values_changed_) XTREE_TRY(write_values());
  if (indexes_changed_) XTREE_TRY(write_indexes());
  return store_->epoch_status();
}

Result<void> Catalog::write_root_object(DurableTree& tree) {
  NodeId& id = tree.definition.root;
  FrameHeader* frame = id ? store_->grow(id) : store_->create(kRootBytes, kRootFront);
  if (frame != nullptr && frame->birth != store_->epoch()) {
    tree.root_grown = true;
    if (change_root_in_place(*frame, tree.root, store_->epoch())) return {};
    frame = store_->edit(*frame);
  }
  if (frame == nullptr) return no_memory();
  if (!id) id = NodeId{frame->node_id};  // as in write_object: readers read it
  write_root(*frame, {tree.root, {tree.definition.number, ObjectKind::root}});
  return {};
}

Result<void> Catalog::write_object(NodeId& id, std::span<const std::byte> content) {
  const std::size_t bytes = round_up(sizeof(FrameHeader) + content.size());
  FrameHeader* frame = id ? store_->resize(id, bytes) : store_->create(bytes);
  if (frame == nullptr) {
    return no_memory();
  }
  if (!id) id = NodeId{frame->node_id};  // readers may hold on to it, and it never changes again
  std::memcpy(frame + 1, content.data(), content.size());
  return {};
}

Result<void> Catalog::write_values() {
  indexes_changed_ = indexes_changed_ || !values_id_;
  XTREE_TRY(write_object(values_id_, encode_values(values_)));
  values_changed_ = false;
  return {};
}

Result<void> Catalog::write_indexes() {
  CatalogContent catalog{next_number_, values_id_, {}};
  for (const auto& [number, tree] : trees_) catalog.indexes.push_back(tree->definition);
  XTREE_TRY(write_object(catalog_, encode_catalog(catalog)));
  indexes_changed_ = false;
  return {};
}

Result<std::vector<IndexDefinition>> Catalog::read_indexes(const ReadView& view, NodeId catalog) {
  auto object = read_catalog(view, catalog);
  if (!object) return object.error();
  return std::move(object->indexes);
}

Result<std::optional<std::string>> Catalog::read_value(const ReadView& view, NodeId catalog,
                                                       std::string_view name) {
  auto object = read_catalog(view, catalog);
  if (!object) return object.error();
  std::optional<std::string> found;
  if (!object->values) return found;
  XTREE_TRY(read_values(view, object->values, [&](std::string_view at, std::string_view value) {
    if (at == name) found = value;
    return at != name;
  }));
  return found;
}

Result<void> Catalog::visit_objects(const ReadView& view, NodeId catalog,
                                    const std::function<void(NodeId)>& visit) {
  auto object = read_catalog(view, catalog);
  if (!object) return object.error();
  visit(catalog);
  if (object->values) visit(object->values);
  for (const IndexDefinition& definition : object->indexes) visit(definition.root);
  return {};
}

Result<Root> Catalog::read_root(const ReadView& view, NodeId root) {
  const auto found = view.find(root);
  if (!found) return found.error();
  const FrameHeader* frame = *found;
  if (frame == nullptr) return absent("it does not exist in this state");
  if (frame->bytes < kRootBytes) return damaged("a root is too short");
  if (root_content(*frame).tag.kind != ObjectKind::root) return damaged("a root is another object");
  const Root content = root_at(*frame, view.epoch());
  if (!is_sound(content)) return damaged("a root's height is impossible");
  return content;
}

}  // namespace xtree::index
