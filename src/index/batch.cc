#include "xtree/batch.h"

#include <optional>

#include "index/batch_content.h"
#include "index/durable_index.h"
#include "index/operation.h"
#include "platform/without_throwing.h"

namespace xtree::detail {

using index::OperationKind;

OperationList::OperationList() noexcept = default;
OperationList::OperationList(OperationList&&) noexcept = default;
OperationList& OperationList::operator=(OperationList&&) noexcept = default;
OperationList::~OperationList() = default;

namespace {

// Adds an operation on an index to what a batch holds, or refuses it.
void add_to(OperationList::Content& content, Change change, const IndexCore& target,
            const void* geometry, const void* to, const void* value) {
  const IndexCore::Home home = target.home();
  if (home.database == nullptr) {
    return content.refuse("index", "an index in memory does not take part in batches");
  }
  if (!content.fits(home.database)) {
    return content.refuse("index", "the indexes of a batch belong to one database");
  }
  if (content.database == nullptr) {
    content.database = home.database;
    content.life = home.database->weak_from_this();
  }
  const Schema& schema = target.schema();
  for (const void* shape : {geometry, to}) {
    if (shape == nullptr) continue;
    if (auto checked = index::check_geometry(schema, shape); !checked) {
      return content.refuse(checked.error());
    }
  }
  std::span<const std::byte> from_bytes;
  std::span<const std::byte> to_bytes;
  std::span<const std::byte> value_bytes;
  if (geometry != nullptr) from_bytes = index::geometry_bytes(schema, geometry);
  if (to != nullptr) to_bytes = index::geometry_bytes(schema, to);
  if (value != nullptr) value_bytes = index::value_bytes(schema, value);
  static_assert(static_cast<int>(Change::insert) == static_cast<int>(OperationKind::insert) &&
                static_cast<int>(Change::clear) == static_cast<int>(OperationKind::clear));
  index::append_operation(content.operations, static_cast<OperationKind>(change), home.number, {},
                          from_bytes, to_bytes, value_bytes);
  ++content.count;
}

}  // namespace

// Calls `work(content)`. What finds no memory may leave half an operation behind; nothing of the
// list can be applied from then on.
template <class Work>
void OperationList::change(Work&& work) noexcept {
  is_incomplete_ |= !platform::try_to([&] {
    if (!content_) content_ = std::make_unique<Content>();
    work(*content_);
  });
}

void OperationList::add(Change kind, const IndexCore& target, const void* geometry, const void* to,
                        const void* value) {
  change([&](Content& content) { add_to(content, kind, target, geometry, to, value); });
}

void OperationList::put(std::string_view name, std::string_view value) {
  change([&](Content& content) {
    if (!index::is_plain_word(name)) return content.refuse("name", "it is not a plain word");
    if (value.size() > index::kMaxNamedValueBytes) {
      return content.refuse("value", "a named value has at most 4096 bytes");
    }
    index::append_operation(content.operations, OperationKind::put, 0, name,
                            std::as_bytes(std::span(value)));
    ++content.count;
  });
}

void OperationList::remove(std::string_view name) {
  change([&](Content& content) {
    if (!index::is_plain_word(name)) return content.refuse("name", "it is not a plain word");
    index::append_operation(content.operations, OperationKind::remove, 0, name, {});
    ++content.count;
  });
}

void OperationList::clear() noexcept {
  content_.reset();
  is_incomplete_ = false;
}

Result<void> OperationList::status() const noexcept {
  if (content_ && content_->error) return *content_->error;
  if (!is_incomplete_) return {};
  return Error(ErrorCode::out_of_memory, "batch", "there was no memory for all its operations");
}

std::size_t OperationList::size() const noexcept { return content_ ? content_->count : 0; }

}  // namespace xtree::detail
