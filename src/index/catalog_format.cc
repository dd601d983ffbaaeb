#include "index/catalog_format.h"

#include <cstring>

namespace xtree::index {
namespace {

using persistence::FrameHeader;
using persistence::NodeId;

constexpr ObjectTag kCatalogTag{0, ObjectKind::catalog};
constexpr ObjectTag kValuesTag{0, ObjectKind::values};

Error damaged(const char* text) noexcept { return Error(ErrorCode::corruption, "catalog", text); }

// Takes a structure off the front of `bytes`; false when there are too few.
template <class T>
bool take(std::span<const std::byte>& bytes, T& to) noexcept {
  if (bytes.size() < sizeof to) return false;
  std::memcpy(static_cast<void*>(&to), bytes.data(), sizeof to);
  bytes = bytes.subspan(sizeof to);
  return true;
}

void append(std::vector<std::byte>& to, const void* bytes, std::size_t size) {
  const auto* begin = static_cast<const std::byte*>(bytes);
  to.insert(to.end(), begin, begin + size);
}

Result<IndexDefinition> decode(const CatalogRecord& record) {
  IndexDefinition definition;
  definition.number = record.number;
  if (record.name_bytes > sizeof(record.name)) return damaged("a name is too long");
  definition.name.assign(record.name, record.name_bytes);
  auto schema = decode_schema(record.schema);
  if (!schema) return schema.error();
  definition.schema = *schema;
  definition.root = NodeId{record.root};
  if (!is_plain_word(definition.name)) return damaged("a name is not a plain word");
  return definition;
}

}  // namespace

std::size_t value_record_bytes(std::string_view name, std::string_view value) noexcept {
  return sizeof(ValueRecord) + name.size() + value.size();
}

std::span<const std::byte> content_of(const FrameHeader& frame) noexcept {
  return {reinterpret_cast<const std::byte*>(&frame + 1), frame.bytes - sizeof(FrameHeader)};
}

Result<CatalogContent> decode_catalog(std::span<const std::byte> content) {
  CatalogHeader header;
  if (!take(content, header)) return damaged("the list is too short");
  if (header.tag != kCatalogTag) return damaged("the list of indexes is another object");
  if (header.count > content.size() / sizeof(CatalogRecord)) {
    return damaged("the list ends before its last index");
  }
  CatalogContent catalog{header.next_number, NodeId{header.values}, {}};
  for (std::uint32_t i = 0; i < header.count; ++i) {
    CatalogRecord record;
    take(content, record);
    auto definition = decode(record);
    if (!definition) return definition.error();
    catalog.indexes.push_back(std::move(definition).value());
  }
  return catalog;
}

Result<RootContent> decode_root(std::span<const std::byte> content) {
  RootContent root;
  if (!take(content, root)) return damaged("a root is too short");
  if (root.tag.kind != ObjectKind::root) return damaged("a root is another object");
  if (!is_sound(root.root)) return damaged("a root's height is impossible");
  return root;
}

Result<void> visit_values(std::span<const std::byte> content,
                          const std::function<bool(std::string_view, std::string_view)>& visit) {
  ValuesHeader header;
  if (!take(content, header)) return damaged("the named values are too short");
  if (header.tag != kValuesTag) return damaged("the named values are another object");
  for (std::uint32_t i = 0; i < header.count; ++i) {
    ValueRecord record;
    if (!take(content, record)) return damaged("the named values end early");
    const std::size_t size = std::size_t{record.name_bytes} + record.value_bytes;
    if (content.size() < size) return damaged("the named values end early");
    const std::string_view text(reinterpret_cast<const char*>(content.data()), size);
    if (!visit(text.substr(0, record.name_bytes), text.substr(record.name_bytes))) return {};
    content = content.subspan(size);
  }
  return {};
}

std::vector<std::byte> encode_catalog(const CatalogContent& catalog) {
  std::vector<std::byte> content;
  content.reserve(sizeof(CatalogHeader) + catalog.indexes.size() * sizeof(CatalogRecord));
  const CatalogHeader header{static_cast<std::uint32_t>(catalog.indexes.size()),
                             catalog.next_number, catalog.values.bits, 0, kCatalogTag};
  append(content, &header, sizeof header);
  for (const IndexDefinition& definition : catalog.indexes) {
    CatalogRecord record{};
    record.number = definition.number;
    record.name_bytes = static_cast<std::uint8_t>(definition.name.size());
    record.schema = encode_schema(definition.schema);
    record.root = definition.root.bits;
    std::memcpy(record.name, definition.name.data(), definition.name.size());
    append(content, &record, sizeof record);
  }
  return content;
}

std::vector<std::byte> encode_values(const NamedValues& values) {
  std::vector<std::byte> content(sizeof(ValuesHeader));
  for (const auto& [name, value] : values) {
    const ValueRecord record{static_cast<std::uint8_t>(name.size()), 0,
                             static_cast<std::uint16_t>(value.size())};
    append(content, &record, sizeof record);
    append(content, name.data(), name.size());
    append(content, value.data(), value.size());
  }
  const ValuesHeader header{static_cast<std::uint32_t>(values.size()),
                            static_cast<std::uint32_t>(content.size() - sizeof(ValuesHeader)),
                            {},
                            kValuesTag};
  std::memcpy(content.data(), &header, sizeof header);
  return content;
}

}  // namespace xtree::index
