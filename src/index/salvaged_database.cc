#include "index/salvaged_database.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "index/node_image.h"
#include "platform/check.h"

namespace xtree::index {

using detail::DatabaseCore;
using persistence::ImagePlace;

SalvagedDatabase::SalvagedDatabase(std::shared_ptr<DatabaseCore> core,
                                   persistence::ImageReader& reader, const Remains& remains)
    : core_(std::move(core)),
      reader_(reader),
      remains_(remains),
      next_number_(remains.next_number),
      values_(remains.values.value_or(NamedValues())) {}

Result<std::unique_ptr<SalvagedDatabase>> SalvagedDatabase::create(FileSystem& files,
                                                                   const std::string& directory,
                                                                   persistence::ImageReader& reader,
                                                                   const Remains& remains) {
  Options options;
  options.file_system = &files;
  options.durability = Durability::none;  // the checkpoint at the end makes all of it durable
  options.background_checkpoints = false;
  auto core = DatabaseCore::open(directory, options);
  if (!core) return core.error();
  return std::unique_ptr<SalvagedDatabase>(
      new SalvagedDatabase(std::move(core).value(), reader, remains));
}

std::string SalvagedDatabase::new_name(std::uint32_t number) const {
  const std::string& old_name = remains_.indexes.at(number).name;
  if (!old_name.empty()) return old_name;
  const auto is_taken = [&](const std::string& name) {
    return std::ranges::any_of(remains_.indexes,
                               [&](const auto& index) { return index.second.name == name; });
  };
  std::string name = "index-" + std::to_string(number);
  while (is_taken(name)) name += "-";
  return name;
}

Result<void> SalvagedDatabase::load(RepairReport& report) {
  for (const auto& [number, index] : remains_.indexes) {
    RepairedIndex repaired;
    repaired.name = new_name(number);
    repaired.number = number;
    repaired.lost_nodes = index.lost_nodes;
    repaired.doubtful_entries = index.doubtful_entries;
    if (index.root) repaired.checkpoint_entries = index.root->entries;
    if (index.schema) {
      repaired.schema = *index.schema;
      auto core = core_->open_index(repaired.name, &repaired.schema);
      if (!core) return core.error();
      XTREE_TRY(load_index(index, **core, repaired));
      targets_[number] = {*core, repaired.name};
    }
    if (index.root && index.root->entries >= repaired.salvaged_entries) {
      repaired.lost_entries = index.root->entries - repaired.salvaged_entries;
    } else if (!index.root && remains_.lost_nodes == 0 && repaired.doubtful_entries == 0) {
      repaired.lost_entries = 0;
    }
    if (repaired.lost_entries != 0u) report.complete = false;
    report.indexes.push_back(std::move(repaired));
  }
  return {};
}

Result<void> SalvagedDatabase::load_index(const IndexRemains& index, detail::IndexCore& core,
                                          RepairedIndex& repaired) {
  const std::size_t stride = entry_stride(*index.schema);
  std::vector<std::byte> entries;
  entries.reserve(index.leaf_entries * stride);
  for (const ImagePlace& place : index.leaves) {
    const auto frame = reader_.read(place);
    if (!frame) return frame.error();
    const auto image = NodeImage::of(**frame);
    if (!image) return image.error();
    image->append_entries(entries);
  }
  if (entries.empty()) return {};
  repaired.salvaged_entries = entries.size() / stride;
  return core.bulk_load({entries.data(), entries.data() + geometry_size(*index.schema), stride,
                         repaired.salvaged_entries},
                        {});
}

Result<void> SalvagedDatabase::apply(std::span<const std::byte> operations) {
  OperationReader reader(operations);
  Operation operation;
  for (;;) {
    const auto more = reader.next(operation);
    if (!more) return more.error();
    if (!*more) return flush();
    XTREE_TRY(apply_one(operation));
  }
}

Result<void> SalvagedDatabase::apply_one(const Operation& operation) {
  switch (operation.kind) {
    case OperationKind::put:
      values_[std::string(operation.name)].assign(
          reinterpret_cast<const char*>(operation.payload.data()), operation.payload.size());
      return {};
    case OperationKind::remove:
      if (const auto found = values_.find(operation.name); found != values_.end()) {
        values_.erase(found);
      }
      return {};
    case OperationKind::create_index: return create_index(operation);
    case OperationKind::drop_index: return drop_index(operation.index);
    default: break;
  }
  const auto target = targets_.find(operation.index);
  if (target == targets_.end()) {
    ++orphaned_;
    return {};
  }
  append_operation(pending_, operation.kind, target->second.core->home().number, {},
                   operation.payload);
  ++pending_count_;
  return {};
}

Result<void> SalvagedDatabase::flush() {
  if (pending_count_ == 0) return {};
  const auto done = core_->commit(pending_, pending_count_, nullptr);
  pending_.clear();
  pending_count_ = 0;
  return done;
}

Result<void> SalvagedDatabase::create_index(const Operation& operation) {
  XTREE_TRY(flush());
  std::uint64_t bits = 0;
  if (operation.payload.size() != sizeof bits) {
    return Error(ErrorCode::corruption, "operation", "a schema has 8 bytes");
  }
  std::memcpy(&bits, operation.payload.data(), sizeof bits);
  const auto schema = decode_schema(bits);
  if (!schema) return schema.error();
  auto core = core_->open_index(operation.name, &*schema);
  if (!core) return core.error();
  targets_[next_number_++] = {std::move(core).value(), std::string(operation.name)};
  return {};
}

Result<void> SalvagedDatabase::drop_index(std::uint32_t number) {
  XTREE_TRY(flush());
  const auto target = targets_.find(number);
  if (target == targets_.end()) return {};
  const std::string name = std::move(target->second.name);
  targets_.erase(target);
  return core_->drop_index(name);
}

Result<void> SalvagedDatabase::finish(RepairReport& report) {
  std::vector<std::byte> operations;
  for (const auto& [name, value] : values_) {
    append_operation(operations, OperationKind::put, 0, name, std::as_bytes(std::span(value)));
  }
  report.named_values = values_.size();
  if (!values_.empty()) {
    XTREE_TRY(core_->commit(operations, static_cast<std::uint32_t>(values_.size()), nullptr));
  }
  for (RepairedIndex& index : report.indexes) index.is_there = targets_.contains(index.number);
  for (const auto& [number, target] : targets_) {
    const auto entries = target.core->size(nullptr);
    if (!entries) return entries.error();
    auto index = std::ranges::find(report.indexes, number, &RepairedIndex::number);
    if (index == report.indexes.end()) {
      report.indexes.push_back({});
      index = report.indexes.end() - 1;
      index->name = target.name;
      index->number = number;
      index->schema = target.core->schema();
      index->is_there = true;
      index->lost_entries = 0;
    }
    index->entries = *entries;
  }
  targets_.clear();
  return core_->close();
}

}  // namespace xtree::index
